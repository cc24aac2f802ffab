// Activation functions made of other operations. relu, tanh, sigmoid and softplus are in elementwise.h.
#pragma once

#include <kindling/autograd/ops/elementwise.h>

namespace kindling {

/// min(max(x, low), high). The gradient is 1 on the closed interval [low, high], 0 outside.
Variable clamp(const Variable& x, double low, double high);
/// x where x > 0, else slope x; the derivative at 0 is slope.
Variable leaky_relu(const Variable& x, double slope = 0.01);
/// x where x > 0, else alpha (exp(x) - 1); the derivative at 0 is alpha (Clevert et al.,
/// arXiv:1511.07289).
Variable elu(const Variable& x, double alpha = 1.0);
/// x sigmoid(x), also called swish (Ramachandran et al., arXiv:1710.05941).
Variable silu(const Variable& x);
inline Variable swish(const Variable& x) { return silu(x); }
/// x Phi(x), Phi the standard normal distribution function, by erf (Hendrycks and Gimpel,
/// arXiv:1606.08415).
Variable gelu(const Variable& x);
/// x tanh(softplus(x)) (Misra, arXiv:1908.08681).
Variable mish(const Variable& x);
/// min(max(x, 0), 6); kinks as clamp.
Variable relu6(const Variable& x);
/// relu6(x + 3) / 6 (Howard et al., arXiv:1905.02244).
Variable hard_sigmoid(const Variable& x);
/// x hard_sigmoid(x)
Variable hard_swish(const Variable& x);

}  // namespace kindling
