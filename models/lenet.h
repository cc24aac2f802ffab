// LeNet for MNIST.
#pragma once

#include <kindling/nn/sequential.h>

namespace kindling {

struct LeNetOptions {
  int64_t classes = 10;
  int64_t channels = 1;
  int64_t size = 28;  ///< pixels, height and width; at least 13
};

/// LeNet (LeCun et al., Proc. IEEE 1998) as in Caffe's examples/mnist/lenet.prototxt: images
/// [N,size,size,channels] -> logits [N,classes]; 431,080 parameters for MNIST. Parts: conv1, pool1,
/// conv2, pool2, flatten, fc1, fc2.
Sequential lenet(const LeNetOptions& options, Rng& rng);

}  // namespace kindling
