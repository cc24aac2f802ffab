// Muon: momentum whose matrices are made orthogonal.
#pragma once

#include <kindling/optim/adam.h>

namespace kindling {

struct MuonOptions {
  double lr = 0.01;
  double momentum = 0.95;     ///< mu of the matrices, beta1 of the others
  double beta2 = 0.95;        ///< of the others
  double weight_decay = 0.0;  ///< decoupled: w -= lr weight_decay w
};

/// An approximation of U V', where x = U S V' is the singular value decomposition of x [m, n]. It
/// takes five steps of Newton and Schulz:
///   x = x / ||x||;  x = 3.4445 x - 4.7750 (x x') x + 2.0315 (x x')^2 x
/// These bring singular values above about 0.002 ||x|| into 0.7 to 1.2. They do not converge to 1,
/// but they are fast, and train as well. In float the result is within 1e-3 of its norm from that
/// in double. A zero matrix stays zero. Throws ShapeError if x is not a matrix.
Tensor orthogonalize(const Tensor& x);

/// Jordan et al. 2024 (kellerjordan.github.io/posts/muon), with the scale of Liu et al.,
/// arXiv:2502.16982, equation 4. A parameter with two axes or more is a matrix [m, n]: the first
/// axis against all others (for a convolution, outputs against patches). A matrix is updated by
///   v = mu v + g;  w -= lr (0.2 sqrt(max(m, n)) orthogonalize(g + mu v) + weight_decay w)
/// The root mean square of this update is about 0.2 lr, like AdamW's. So one learning rate serves
/// both, and all other parameters are updated by AdamW. Moments: "velocity" of matrices, "m" and
/// "v" of others.
class Muon : public AdamW {
 public:
  Muon(Variables parameters, const MuonOptions& options = {});
  /// Throws ShapeError for values outside their range (momentum, beta2 in [0, 1), the others >= 0).
  Muon(std::vector<ParameterGroup> groups, const MuonOptions& options = {});

 protected:
  const char* name() const override { return "muon"; }
  std::vector<std::string> moment_names(const Shape& parameter) const override;
  void update(Slot& slot) override;
  bool deals_parameters() const override { return true; }
  bool mixes_elements() const override { return true; }
};

}  // namespace kindling
