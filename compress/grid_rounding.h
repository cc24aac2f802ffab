// Rounding a matrix to a uniform grid, by what it costs in bits and in loss.
#pragma once

#include <cstdint>
#include <vector>

#include <kindling/compress/curvature.h>
#include <kindling/tensor/tensor.h>

namespace kindling {

struct GridOptions {
  double step = 0;      ///< the grid is step * {..., -1, 0, 1, ...}
  double lambda = 0;    ///< loss that a bit is worth; 0: the bits do not matter
  int passes = 2;       ///< each counts anew what numbers cost, by the result of the one before
  int refinements = 6;  ///< passes of coordinate descent behind them
};

struct GridMatrix {
  std::vector<int32_t> codes;  ///< [O, K], row-major: the weight becomes step * code
  double bits = 0;             ///< by RateModel
  double rise = 0;             ///< of the loss, to second order
};

/// Rounds each row of `weight` [O, K] one column after the other, to the code q that minimises
///   1/2 R_jj^2 (aim - step q)^2 + lambda bits(q)
/// where the aim of a column makes good the errors of those before it (CurvatureFactor). The errors
/// of the columns add up to `rise` exactly, so each decision weighs what it costs against what it
/// saves. It looks no further ahead. Rates as in CERWU (arXiv:2505.18758), by RateModel.
///
/// Then coordinate descent makes good what was decided too early: code after code moves by one, or
/// to 0, where that lowers 1/2 d'Hd + lambda bits with all others as they are.
///
/// Same bits for any number of threads. Throws ShapeError if the columns are not those of `factor`,
/// if the step is not above 0, or if it is so small that a code would not fit into 32 bits.
GridMatrix round_to_grid(const Tensor& weight, const CurvatureFactor& factor, const GridOptions& options);

/// The step at which rounding to nearest costs as much loss as the last bit is worth, where the
/// codes are large: with errors of step^2 / 12 in each column, and half of them for each bit more
/// twice over, step^2 = 12 lambda / (ln 2 mean R_jj^2), the mean being geometric.
double natural_step(const CurvatureFactor& factor, double lambda);

}  // namespace kindling
