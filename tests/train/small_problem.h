// Small networks and data that train in milliseconds.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include <kindling/data/dataset.h>
#include <kindling/nn/conv.h>
#include <kindling/nn/dropout.h>
#include <kindling/nn/fn.h>
#include <kindling/nn/linear.h>
#include <kindling/nn/norm.h>
#include <kindling/nn/pool.h>
#include <kindling/nn/sequential.h>
#include <kindling/tensor/kernels/parallel.h>

namespace kindling {

/// LeNet's kind of network, for images [8, 8, 2] of 4 classes.
inline Sequential small_net(uint64_t seed, bool batch_norm = false, double dropout = 0.25) {
  Rng rng(seed);
  Sequential net;
  net.add("conv1", Conv2d(2, 6, {.kernel = 3, .padding = 1}, rng));
  if (batch_norm) net.add("norm1", BatchNorm2d(6));
  net.add("relu1", ReLU());
  net.add("pool1", MaxPool2d({.kernel = 2, .stride = 2}));
  net.add("conv2", Conv2d(6, 8, {.kernel = 3}, rng));
  net.add("relu2", ReLU());
  net.add("flatten", Flatten());
  net.add("drop", Dropout(dropout, rng));
  net.add("fc", Linear(8 * 2 * 2, 4, rng));
  return net;
}

/// Noise [n, 8, 8, 2] with a bright quarter, whose place is the class.
inline std::shared_ptr<data::TensorDataset> quarters(int64_t n, uint64_t seed) {
  Rng rng(seed);
  Tensor images = Tensor::normal({n, 8, 8, 2}, 0.0, 1.0, rng);
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t label = rng.next_below(4);
    labels.push_back(label);
    for (int64_t h = 0; h < 4; ++h)
      for (int64_t w = 0; w < 4; ++w) images.at<float>({i, h + 4 * (label / 2), w + 4 * (label % 2), 0}) += 2.0F;
  }
  return std::make_shared<data::TensorDataset>(images, Tensor::from(labels));
}

inline std::vector<Tensor> parameter_copies(Module& net) {
  std::vector<Tensor> copies;
  for (const Variable& parameter : net.parameters()) copies.push_back(parameter.value().clone());
  return copies;
}

inline bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), bitwise_equal);
}

}  // namespace kindling
