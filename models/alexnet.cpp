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

// Windows overlap (section 3.4 of the paper). Rounding up matters to images of 32 pixels alone.
MaxPool2d max_pool() { return MaxPool2d({.kernel = 3, .stride = 2, .ceil_mode = true}); }

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

int64_t classes_of(const AlexNetOptions& options, int64_t of_data) {
  return options.classes > 0 ? options.classes : of_data;
}

// What is behind conv1 in torchvision's AlexNet and in its form for CIFAR; `pixels` are left behind pool5.
void add_torchvision_rows(Sequential& net, int64_t pixels, int64_t classes, double dropout, Rng& rng) {
  net.add("pool1", max_pool());  // of 224 pixels: 55 -> 27; of 32: 32 -> 16
  net.add("conv2", pytorch_conv(64, 192, {.kernel = 5, .padding = 2, .relu = true}, rng));
  net.add("pool2", max_pool());  // 27 -> 13; 16 -> 8
  net.add("conv3", pytorch_conv(192, 384, {.kernel = 3, .padding = 1, .relu = true}, rng));
  net.add("conv4", pytorch_conv(384, 256, {.kernel = 3, .padding = 1, .relu = true}, rng));
  net.add("conv5", pytorch_conv(256, 256, {.kernel = 3, .padding = 1, .relu = true}, rng));
  net.add("pool5", max_pool());  // 13 -> 6; 8 -> 4
  net.add("flatten", Flatten());
  net.add("dropout5", Dropout(dropout, rng));  // before fully connected layers, not after as in Caffe
  net.add("fc6", pytorch_linear(pixels * pixels * 256, 4096, {.relu = true}, rng));
  net.add("dropout6", Dropout(dropout, rng));
  net.add("fc7", pytorch_linear(4096, 4096, {.relu = true}, rng));
  net.add("fc8", pytorch_linear(4096, classes, {}, rng));
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
  const int64_t classes = classes_of(options, 1000);
  net.add("fc8", Linear(4096, classes, {.init = init::normal(0.0, 0.01)}, rng));
  net.set_definition(define("alexnet", {.classes = classes, .form = Form::caffe, .dropout = options.dropout}));
  return net;
}

// torchvision/models/alexnet.py; its adaptive pool to 6x6 does nothing to images of 224 pixels and is left out.
Sequential alexnet_torchvision(const AlexNetOptions& options, Rng& rng) {
  const int64_t classes = classes_of(options, 1000);
  Sequential net;
  net.add("conv1", pytorch_conv(3, 64, {.kernel = 11, .stride = 4, .padding = 2, .relu = true}, rng));  // 224 -> 55
  add_torchvision_rows(net, 6, classes, options.dropout, rng);
  net.set_definition(define("alexnet", {.classes = classes, .form = Form::torchvision, .dropout = options.dropout}));
  return net;
}

Sequential alexnet_cifar(const AlexNetOptions& options, Rng& rng) {
  const int64_t classes = classes_of(options, 10);
  Sequential net;
  net.add("conv1", pytorch_conv(3, 64, {.kernel = 5, .padding = 2, .relu = true}, rng));  // 32 -> 32
  add_torchvision_rows(net, 4, classes, options.dropout, rng);
  net.set_definition(define("alexnet_cifar", {.classes = classes, .form = options.form, .dropout = options.dropout}));
  return net;
}

}  // namespace kindling
