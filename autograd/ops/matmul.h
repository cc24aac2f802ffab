// Differentiable matrix products.
#pragma once

#include <kindling/autograd/variable.h>
#include <kindling/tensor/linear.h>
#include <kindling/tensor/matmul.h>

namespace kindling {

/// [..., m,k] x [..., k,n] -> [..., m,n] with leading axes that broadcast.
Variable matmul(const Variable& a, const Variable& b);

/// x [rows,in], w [out,in], bias [out] or undefined -> x w^T + bias [rows,out].
Variable linear(const Variable& x, const Variable& w, const Variable& bias = {});
/// Its gradient by w: grad [rows,out], x [rows,in] -> grad^T x [out,in].
Variable linear_weight_grad(const Variable& grad, const Variable& x, const Out& out = {});

}  // namespace kindling
