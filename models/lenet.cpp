#include <kindling/models/lenet.h>

#include <kindling/models/definition.h>
#include <kindling/nn/conv.h>
#include <kindling/nn/fn.h>
#include <kindling/nn/linear.h>
#include <kindling/nn/pool.h>

namespace kindling {
namespace {

/// Pixels after a convolution of 5 and a pool of 2 that rounds up.
int64_t conv_and_pool(int64_t pixels) { return (pixels - 4 + 1) / 2; }

}  // namespace

Sequential lenet(const LeNetOptions& options, Rng& rng) {
  check(options.size >= 13, "lenet", "needs images of at least 13 pixels, got ", options.size);
  const int64_t pixels = conv_and_pool(conv_and_pool(options.size));
  const Pool2dOptions halve{.kernel = 2, .stride = 2, .ceil_mode = true};
  const Initializer xavier = init::caffe_xavier();

  // The 1998 network has tanh and trained subsampling; Caffe's has max pools and one ReLU, in fc1 (its "ip1").
  Sequential net;                                                                      // pixels of MNIST
  net.add("conv1", Conv2d(options.channels, 20, {.kernel = 5, .init = xavier}, rng));  // 28 -> 24
  net.add("pool1", MaxPool2d(halve));                                                  // 24 -> 12
  net.add("conv2", Conv2d(20, 50, {.kernel = 5, .init = xavier}, rng));                // 12 -> 8
  net.add("pool2", MaxPool2d(halve));                                                  // 8 -> 4
  net.add("flatten", Flatten());
  net.add("fc1", Linear(pixels * pixels * 50, 500, {.relu = true, .init = xavier}, rng));
  net.add("fc2", Linear(500, options.classes, {.init = xavier}, rng));
  net.set_definition(define("lenet", {.classes = options.classes, .channels = options.channels, .size = options.size}));
  return net;
}

}  // namespace kindling
