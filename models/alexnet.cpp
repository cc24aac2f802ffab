#include <kindling/models/alexnet.h>

#include <cmath>
#include <utility>

#include <kindling/models/definition.h>
#include <kindling/nn/conv.h>
#include <kindling/nn/dropout.h>
#include <kindling/nn/fn.h>
#include <kindling/nn/linear.h>
#include <kindling/nn/norm.h>
#include <kindling/nn/pool.h>

namespace kindling {
namespace {

// Windows overlap (section 3.4 of the paper). Both forms come out at 6 pixels after pool5, so rounding does not matter.
MaxPool2d max_pool() { return MaxPool2d({.kernel = 3, .stride = 2}); }

// torchvision's AlexNet leaves PyTorch's initialisation: weights and biases from U(-b, b), b = 1 / sqrt(fan_in).
Conv2d pytorch_conv(int64_t in, int64_t out, ConvOptions options, Rng& rng) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(in * options.kernel.h * options.kernel.w));
  options.init = init::pytorch_default();
  options.bias_init = init::uniform(-bound, bound);
  return Conv2d(in, out, options, rng);
}

Linear pytorch_linear(int64_t in, int64_t out, LinearOptions options, Rng& rng) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(in));
  options.init = init::pytorch_default();
  options.bias_init = init::uniform(-bound, bound);
  return Linear(in, out, options, rng);
}

Definition define_alexnet(const AlexNetOptions& options, Form form) {
  return define("alexnet", {.classes = options.classes, .form = form, .dropout = options.dropout});
}

}  // namespace

Sequential alexnet(const AlexNetOptions& options, Rng& rng) {
  return options.form == Form::caffe ? alexnet_caffe(options, rng) : alexnet_torchvision(options, rng);
}

Sequential alexnet_caffe(const AlexNetOptions& options, Rng& rng) {
  // Layers, initialisers and the order "ReLU, normalisation, pool" of Caffe's models/bvlc_alexnet/train_val.prototxt.
  const Initializer tenth = init::constant(0.1), fc_init = init::normal(0.0, 0.005);
  const auto conv = [&rng](int64_t in, int64_t out, ConvOptions conv_options) {
    conv_options.init = init::normal(0.0, 0.01);
    return Conv2d(in, out, conv_options, rng);
  };
  const LocalResponseNormOptions norm{.size = 5, .alpha = 1e-4, .beta = 0.75};
  Sequential net;                                                            // pixels
  net.add("conv1", conv(3, 96, {.kernel = 11, .stride = 4, .relu = true}));  // 227 -> 55
  net.add("norm1", LocalResponseNorm(norm));
  net.add("pool1", max_pool());  // 55 -> 27
  net.add("conv2", conv(96, 256, {.kernel = 5, .padding = 2, .groups = 2, .relu = true, .bias_init = tenth}));
  net.add("norm2", LocalResponseNorm(norm));
  net.add("pool2", max_pool());  // 27 -> 13
  net.add("conv3", conv(256, 384, {.kernel = 3, .padding = 1, .relu = true}));
  net.add("conv4", conv(384, 384, {.kernel = 3, .padding = 1, .groups = 2, .relu = true, .bias_init = tenth}));
  net.add("conv5", conv(384, 256, {.kernel = 3, .padding = 1, .groups = 2, .relu = true, .bias_init = tenth}));
  net.add("pool5", max_pool());  // 13 -> 6
  net.add("flatten", Flatten());
  net.add("fc6", Linear(6 * 6 * 256, 4096, {.relu = true, .init = fc_init, .bias_init = tenth}, rng));
  net.add("dropout6", Dropout(options.dropout, rng));
  net.add("fc7", Linear(4096, 4096, {.relu = true, .init = fc_init, .bias_init = tenth}, rng));
  net.add("dropout7", Dropout(options.dropout, rng));
  net.add("fc8", Linear(4096, options.classes, {.init = init::normal(0.0, 0.01)}, rng));
  net.set_definition(define_alexnet(options, Form::caffe));
  return net;
}

Sequential alexnet_torchvision(const AlexNetOptions& options, Rng& rng) {
  // torchvision/models/alexnet.py; its adaptive pool to 6x6 does nothing to images of 224 pixels and is left out.
  Sequential net;                                                                                       // pixels
  net.add("conv1", pytorch_conv(3, 64, {.kernel = 11, .stride = 4, .padding = 2, .relu = true}, rng));  // 224 -> 55
  net.add("pool1", max_pool());                                                                         // 55 -> 27
  net.add("conv2", pytorch_conv(64, 192, {.kernel = 5, .padding = 2, .relu = true}, rng));
  net.add("pool2", max_pool());  // 27 -> 13
  net.add("conv3", pytorch_conv(192, 384, {.kernel = 3, .padding = 1, .relu = true}, rng));
  net.add("conv4", pytorch_conv(384, 256, {.kernel = 3, .padding = 1, .relu = true}, rng));
  net.add("conv5", pytorch_conv(256, 256, {.kernel = 3, .padding = 1, .relu = true}, rng));
  net.add("pool5", max_pool());  // 13 -> 6
  net.add("flatten", Flatten());
  net.add("dropout5", Dropout(options.dropout, rng));  // before fully connected layers, not after as in Caffe
  net.add("fc6", pytorch_linear(6 * 6 * 256, 4096, {.relu = true}, rng));
  net.add("dropout6", Dropout(options.dropout, rng));
  net.add("fc7", pytorch_linear(4096, 4096, {.relu = true}, rng));
  net.add("fc8", pytorch_linear(4096, options.classes, {}, rng));
  net.set_definition(define_alexnet(options, Form::torchvision));
  return net;
}

}  // namespace kindling
