// Differentiable elementwise functions. Values are those of tensor/elementwise.h; binary ones broadcast.
#pragma once

#include <utility>

#include <kindling/autograd/variable.h>
#include <kindling/tensor/elementwise.h>

namespace kindling {

Variable add(const Variable& a, const Variable& b);
/// The same, in a's memory if nothing else holds it: in a + b + c every + but the first. A leaf is
/// no exception.
Variable add(Variable&& a, const Variable& b);
/// Records `sum`, which the caller has computed, as a + b. Of b only the node is needed.
Variable record_sum(Tensor sum, const Variable& a, const Variable& b);
Variable sub(const Variable& a, const Variable& b);
Variable mul(const Variable& a, const Variable& b);
Variable div(const Variable& a, const Variable& b);
/// Where a = b, the whole gradient goes to a. The same holds for minimum.
Variable maximum(const Variable& a, const Variable& b);
Variable minimum(const Variable& a, const Variable& b);
/// a^b. d/da is 0 where b = 0. d/db is 0 where a = 0 and b >= 0, and NaN where a < 0, or where a =
/// 0 and b < 0.
Variable pow(const Variable& a, const Variable& b);

/// Comparisons and sign are piecewise constant: their results are constants, through which no
/// gradient flows.
Variable equal(const Variable& a, const Variable& b);
Variable less(const Variable& a, const Variable& b);
Variable less_equal(const Variable& a, const Variable& b);
Variable greater(const Variable& a, const Variable& b);
Variable greater_equal(const Variable& a, const Variable& b);
Variable sign(const Variable& x);
/// a where mask != 0, else b. No gradient flows to the mask, and none to a value that was not
/// chosen.
Variable where(const Variable& mask, const Variable& a, const Variable& b);

Variable neg(const Variable& x);
/// d|x|/dx = 0 at 0.
Variable abs(const Variable& x);
Variable exp(const Variable& x);
Variable log(const Variable& x);
Variable log1p(const Variable& x);
/// The derivative is infinite at 0.
Variable sqrt(const Variable& x);
Variable rsqrt(const Variable& x);
Variable square(const Variable& x);
Variable reciprocal(const Variable& x);
Variable sin(const Variable& x);
Variable cos(const Variable& x);
Variable tanh(const Variable& x);
Variable sigmoid(const Variable& x);
Variable softplus(const Variable& x);
Variable erf(const Variable& x);
/// relu'(0) = 0.
Variable relu(const Variable& x);
/// grad where y > 0, else 0. No gradient flows to y.
Variable relu_grad(const Variable& grad, const Variable& y);

Variable add(const Variable& x, double scalar);
Variable mul(const Variable& x, double scalar);
/// x^exponent; the derivative is 0 everywhere for exponent 0.
Variable pow(const Variable& x, double exponent);

inline Variable operator+(const Variable& a, const Variable& b) { return add(a, b); }
inline Variable operator+(Variable&& a, const Variable& b) { return add(std::move(a), b); }
inline Variable operator-(const Variable& a, const Variable& b) { return sub(a, b); }
inline Variable operator*(const Variable& a, const Variable& b) { return mul(a, b); }
inline Variable operator/(const Variable& a, const Variable& b) { return div(a, b); }
inline Variable operator-(const Variable& x) { return neg(x); }
inline Variable operator+(const Variable& x, double s) { return add(x, s); }
inline Variable operator-(const Variable& x, double s) { return add(x, -s); }
inline Variable operator*(const Variable& x, double s) { return mul(x, s); }
inline Variable operator/(const Variable& x, double s) { return mul(x, 1.0 / s); }
inline Variable operator+(double s, const Variable& x) { return add(x, s); }
inline Variable operator-(double s, const Variable& x) { return add(neg(x), s); }
inline Variable operator*(double s, const Variable& x) { return mul(x, s); }
inline Variable operator/(double s, const Variable& x) { return mul(reciprocal(x), s); }

}  // namespace kindling
