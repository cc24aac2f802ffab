// Initialisers: how the weights of a new layer are drawn.
#pragma once

#include <cmath>
#include <functional>

#include <kindling/tensor/tensor.h>

namespace kindling {

/// Makes a new parameter (f32) of a shape. A random initialiser splits one stream off `rng` at each
/// call. So what a layer draws does not depend on the sizes of the layers before it.
using Initializer = std::function<Tensor(const Shape& shape, Rng& rng)>;

namespace init {

/// The number of inputs that one output sums over, and of outputs that one input reaches. For
/// weights [out, in]: in and out. For [O, KH, KW, I/groups]: KH KW I/groups and KH KW O, as in
/// PyTorch. Throws ShapeError for a rank below 2.
struct Fans {
  int64_t in, out;
};
Fans fans(const Shape& weight);

Initializer zeros();
Initializer constant(double value);
/// N(mean, stddev^2)
Initializer normal(double mean, double stddev);
/// U(low, high)
Initializer uniform(double low, double high);

/// U(-b, b), b = sqrt(6 / (fan_in + fan_out)). Keeps variances through layers that are linear
/// around 0 (Glorot and Bengio, AISTATS 2010, equation 16).
Initializer xavier_uniform();
/// N(0, 2 / (fan_in + fan_out))
Initializer xavier_normal();
/// U(-b, b), b = sqrt(6 / fan_in). The variance 2 / fan_in keeps variances through layers followed
/// by ReLU (He et al., arXiv:1502.01852, equation 10).
Initializer kaiming_uniform();
/// N(0, 2 / fan_in)
Initializer kaiming_normal();
/// U(-b, b), b = sqrt(3 / fan_in): what Caffe calls "xavier". Variance 1 / fan_in.
Initializer caffe_xavier();
/// U(-b, b), b = 1 / sqrt(fan_in): what PyTorch's layers start from.
Initializer pytorch_default();

}  // namespace init
}  // namespace kindling
