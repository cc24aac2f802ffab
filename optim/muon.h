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

/// The polar factor U V' of x [m, n] = U S V', roughly: five steps of Newton and Schulz,
///   x = x / ||x||;  x = 3.4445 x - 4.7750 (x x') x + 2.0315 (x x')^2 x
/// which bring singular values from about 0.002 ||x|| on into 0.7 to 1.2 (not to 1: steeper, and as good for training).
/// Zeros stay zeros. Throws ShapeError if x is not a matrix.
Tensor orthogonalize(const Tensor& x);

/// Jordan et al. 2024 (kellerjordan.github.io/posts/muon) with the scale of Liu et al., arXiv:2502.16982, eq. 4.
/// Parameters with two axes or more are matrices [m, n], the first axis against all others (convolutions: outputs
/// against patches):
///   v = mu v + g;  w -= lr (0.2 sqrt(max(m, n)) orthogonalize(g + mu v) + weight_decay w)
/// so the update's root mean square is about 0.2 lr, as AdamW's is, and one learning rate serves both; all other
/// parameters are AdamW's. Moments: "velocity" of matrices, "m" and "v" of others.
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
};

}  // namespace kindling
