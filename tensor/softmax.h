// Softmax over the last axis. Shifted by the largest element, so no input overflows.
#pragma once

#include <kindling/tensor/tensor.h>

namespace kindling {

/// exp(x_i) / sum_j exp(x_j)
Tensor softmax(const Tensor& x);
/// x_i - log sum_j exp(x_j)
Tensor log_softmax(const Tensor& x);

}  // namespace kindling
