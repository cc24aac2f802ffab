// AlexNet, in Caffe's form, in torchvision's and in one for CIFAR.
#pragma once

#include <kindling/models/form.h>
#include <kindling/nn/sequential.h>

namespace kindling {

struct AlexNetOptions {
  int64_t classes = 0;  ///< 0: of the data it is for, 1000 (ImageNet) or 10 (CIFAR)
  Form form = Form::torchvision;
  double dropout = 0.5;  ///< before or after fc6 and fc7
};

/// AlexNet (Krizhevsky et al., NIPS 2012), one of the first two below. Images -> logits
/// [N,classes]. Parts: conv1 ... conv5, fc6 ... fc8 and what is between them. The fully connected
/// layers fix the input's size.
Sequential alexnet(const AlexNetOptions& options, Rng& rng);

/// With two groups of channels and local response normalisation; images [N,227,227,3]; 60,965,224
/// parameters.
Sequential alexnet_caffe(const AlexNetOptions& options, Rng& rng);
/// "One weird trick" (Krizhevsky, arXiv:1404.5997): one group, narrower, no normalisation; images
/// [N,224,224,3]; 61,100,840 parameters.
Sequential alexnet_torchvision(const AlexNetOptions& options, Rng& rng);
/// torchvision's for images of 32 pixels, [N,32,32,3]: conv1 is 5x5 and keeps the size, and pools
/// round up, so that 4 pixels are left for fc6. 36,054,858 parameters with 10 classes. It has no
/// other form; options.form does not matter.
Sequential alexnet_cifar(const AlexNetOptions& options, Rng& rng);

}  // namespace kindling
