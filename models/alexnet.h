// AlexNet, in Caffe's form and in torchvision's.
#pragma once

#include <kindling/models/form.h>
#include <kindling/nn/sequential.h>

namespace kindling {

struct AlexNetOptions {
  int64_t classes = 1000;
  Form form = Form::torchvision;
  double dropout = 0.5;  ///< before or after fc6 and fc7
};

/// AlexNet (Krizhevsky et al., NIPS 2012), one of the two below. Images -> logits [N,classes].
/// Parts: conv1 ... conv5, fc6 ... fc8 and what is between them. The fully connected layers fix the
/// input's size.
Sequential alexnet(const AlexNetOptions& options, Rng& rng);

/// With two groups of channels and local response normalisation; images [N,227,227,3]; 60,965,224
/// parameters.
Sequential alexnet_caffe(const AlexNetOptions& options, Rng& rng);
/// "One weird trick" (Krizhevsky, arXiv:1404.5997): one group, narrower, no normalisation; images
/// [N,224,224,3]; 61,100,840 parameters.
Sequential alexnet_torchvision(const AlexNetOptions& options, Rng& rng);

}  // namespace kindling
