// Differentiable matrix product.
#pragma once

#include <kindling/autograd/variable.h>
#include <kindling/tensor/matmul.h>

namespace kindling {

/// [..., m,k] x [..., k,n] -> [..., m,n] with leading axes that broadcast.
Variable matmul(const Variable& a, const Variable& b);

}  // namespace kindling
