// A small classifier of random pictures, for tests of what compresses models.
#pragma once

#include <memory>

#include <kindling/data/dataset.h>
#include <kindling/nn/conv.h>
#include <kindling/nn/linear.h>
#include <kindling/nn/pool.h>
#include <kindling/nn/sequential.h>
#include <kindling/tensor/ops.h>

namespace kindling::testing {

/// Two convolutions, the second in two groups, and a fully connected layer: [N, 8, 8, 3] -> [N, 5].
inline Sequential small_model(uint64_t seed = 1) {
  Rng rng(seed);
  Sequential net;
  net.add("conv1", Conv2d(3, 8, {.kernel = 3, .padding = 1, .relu = true}, rng));
  net.add("pool1", MaxPool2d({.kernel = 2, .stride = 2}));
  net.add("conv2", Conv2d(8, 12, {.kernel = 3, .groups = 2, .bias = false, .relu = true}, rng));
  net.add("pool2", GlobalAvgPool());
  net.add("fc", Linear(12, 5, rng));
  return net;
}

/// Pictures of neighbouring pixels that are alike, so that inputs of a convolution are correlated.
inline data::DatasetPtr small_pictures(int64_t count = 24) {
  Rng rng(7);
  Tensor x = Tensor::normal({count, 10, 10, 3}, 0, 1, rng);
  x = x.slice(1, 0, 8) + x.slice(1, 1, 9) + x.slice(1, 2, 10);
  x = x.slice(2, 0, 8) + x.slice(2, 1, 9) + x.slice(2, 2, 10);
  return std::make_shared<data::TensorDataset>(x.contiguous(), Tensor::zeros({count}, DType::i64));
}

inline Tensor logits_of(Module& model, const data::Dataset& pictures) {
  const EvaluationMode evaluation(model);
  const NoGrad no_grad;
  Tensor all = Tensor::empty({pictures.size(), 8, 8, 3});
  for (int64_t i = 0; i < pictures.size(); ++i) all.select(0, i).copy_(pictures.get(i).input);
  return model(all).value();
}

}  // namespace kindling::testing
