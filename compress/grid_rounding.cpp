#include <kindling/compress/grid_rounding.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <kindling/compress/rate_model.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/ops.h>

namespace kindling {
namespace {

struct RowCost {
  double bits = 0, rise = 0;
};

/// The magnitude that costs least, for an aim of `x` steps: of 0 and the four next to x. Others are
/// rarely cheaper, as smaller numbers are the frequent ones.
int64_t cheapest(double x, double loss_of_a_step, double lambda, const double* bits) {
  const auto nearest = static_cast<int64_t>(std::floor(x + 0.5));
  int64_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  const auto consider = [&](int64_t m) {
    const double error = x - static_cast<double>(m);
    const double cost = loss_of_a_step * error * error + lambda * RateModel::cost(bits, m);
    if (cost < least) {
      least = cost;
      best = m;
    }
  };
  consider(0);
  for (int64_t m = std::max<int64_t>(1, nearest - 2); m <= nearest + 1; ++m) consider(m);
  return best;
}

/// Of all rows of a matrix.
class Rounding {
 public:
  Rounding(const Tensor& weight, const CurvatureFactor& factor, const GridOptions& options)
      : factor_(factor), options_(options), rows_(weight.size(0)), weight_(weight.to_vector<double>()) {}

  /// By what numbers cost in `rates`; to `codes`.
  RowCost run(const RateModel& rates, std::vector<int32_t>& codes) const {
    constexpr int64_t kRows = 4;
    std::vector<RowCost> costs(static_cast<size_t>(rows_));
    parallel_for(rows_, kRows, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) costs[static_cast<size_t>(row)] = round_row(row, rates, codes);
    });
    RowCost sum;
    for (const RowCost& cost : costs) {
      sum.bits += cost.bits;
      sum.rise += cost.rise;
    }
    return sum;
  }

  std::vector<int32_t> nearest() const {
    std::vector<int32_t> codes;
    for (const double w : weight_) codes.push_back(static_cast<int32_t>(std::lround(w / options_.step)));
    return codes;
  }

 private:
  RowCost round_row(int64_t row, const RateModel& rates, std::vector<int32_t>& codes) const {
    const RowCost cost = one_after_the_other(row, rates, codes);
    if (options_.refinements == 0 || factor_.factor.empty()) return cost;
    return refined(row, rates, codes);
  }

  /// Numbers that belong to column `j` of the order in which columns are rounded.
  struct Place {
    double weight;
    int32_t* code;
    const double* bits;  ///< what magnitudes cost
  };
  Place place(int64_t row, int64_t j, const RateModel& rates, std::vector<int32_t>& codes) const {
    const int64_t column = factor_.order[static_cast<size_t>(j)], i = row * factor_.columns + column;
    return {weight_[static_cast<size_t>(i)], codes.data() + i, rates.at(row, column)};
  }

  RowCost one_after_the_other(int64_t row, const RateModel& rates, std::vector<int32_t>& codes) const {
    std::vector<double> owed(static_cast<size_t>(factor_.columns));  // sum_{i<j} R_ij e_i
    RowCost cost;
    for (int64_t j = 0; j < factor_.columns; ++j) {
      const Place here = place(row, j, rates, codes);
      const double r = factor_.diagonal[static_cast<size_t>(j)];
      const double aim = here.weight + owed[static_cast<size_t>(j)] / r, x = std::abs(aim) / options_.step;
      const double loss = 0.5 * r * r * options_.step * options_.step;
      const int64_t magnitude = std::min<int64_t>(cheapest(x, loss, options_.lambda, here.bits), kLargestCode);
      *here.code = static_cast<int32_t>(aim < 0 ? -magnitude : magnitude);
      cost.bits += RateModel::cost(here.bits, magnitude);
      cost.rise += loss * (x - static_cast<double>(magnitude)) * (x - static_cast<double>(magnitude));
      if (!factor_.factor.empty()) add_row(factor_.factor, j, j + 1, here.weight - options_.step * *here.code, owed);
    }
    return cost;
  }

  /// Coordinate descent from the codes as they are.
  RowCost refined(int64_t row, const RateModel& rates, std::vector<int32_t>& codes) const {
    std::vector<double> slope(static_cast<size_t>(factor_.columns));  // H d, with d = step * codes - weight
    for (int64_t j = 0; j < factor_.columns; ++j) {
      const Place here = place(row, j, rates, codes);
      add_row(factor_.damped, j, 0, options_.step * *here.code - here.weight, slope);
    }
    for (int pass = 0; pass < options_.refinements; ++pass)
      for (int64_t j = 0; j < factor_.columns; ++j) {
        const Place here = place(row, j, rates, codes);
        const int32_t better = best_move(j, here, slope[static_cast<size_t>(j)]);
        if (better == *here.code) continue;
        add_row(factor_.damped, j, 0, options_.step * (better - *here.code), slope);
        *here.code = better;
      }
    RowCost cost;
    for (int64_t j = 0; j < factor_.columns; ++j) {
      const Place here = place(row, j, rates, codes);
      cost.bits += RateModel::cost(here.bits, std::abs(*here.code));
      cost.rise += 0.5 * (options_.step * *here.code - here.weight) * slope[static_cast<size_t>(j)];
    }
    return cost;
  }

  /// The code next to the one of column j, or 0, that lowers the cost most; or the code itself.
  int32_t best_move(int64_t j, const Place& here, double slope) const {
    const int32_t code = *here.code;
    const double before = RateModel::cost(here.bits, std::abs(code));
    const double h = factor_.damped[static_cast<size_t>(j * factor_.columns + j)];
    double least = 0;
    int32_t best = code;
    for (const int32_t other : {code - 1, code + 1, 0}) {
      const double move = options_.step * (other - code);
      const double change =
          (0.5 * h * move + slope) * move + options_.lambda * (RateModel::cost(here.bits, std::abs(other)) - before);
      if (change < least) {
        least = change;
        best = other;
      }
    }
    return best;
  }

  /// to[i] += factor * matrix[j][i] for i >= begin.
  void add_row(const std::vector<double>& matrix, int64_t j, int64_t begin, double factor,
               std::vector<double>& to) const {
    const double* const row = matrix.data() + j * factor_.columns;
    for (int64_t i = begin; i < factor_.columns; ++i) to[static_cast<size_t>(i)] += row[i] * factor;
  }

  static constexpr int64_t kLargestCode = 1'000'000'000;

  const CurvatureFactor& factor_;
  const GridOptions& options_;
  int64_t rows_;
  std::vector<double> weight_;  // [O, K]
};

}  // namespace

GridMatrix round_to_grid(const Tensor& weight, const CurvatureFactor& factor, const GridOptions& options) {
  check(weight.rank() == 2 && weight.size(1) == factor.columns, "round_to_grid", "weight ", weight.shape(),
        " does not have the ", factor.columns, " columns of the factor");
  check(options.step > 0 && options.lambda >= 0 && options.passes > 0, "round_to_grid", "needs a step above 0, got ",
        options.step, ", lambda ", options.lambda, " and ", options.passes, " passes");
  const Tensor values = abs(weight);
  check(weight.numel() == 0 || max(values).item() / options.step < 1e9, "round_to_grid", "step ", options.step,
        " is too small for weights up to ", weight.numel() == 0 ? 0.0 : max(values).item());
  const Rounding rounding(weight, factor, options);
  GridMatrix result{rounding.nearest()};
  for (int pass = 0; pass < options.passes; ++pass) {
    const RateModel rates(result.codes, weight.size(0), weight.size(1));
    const RowCost cost = rounding.run(rates, result.codes);
    result.bits = cost.bits;
    result.rise = cost.rise;
  }
  return result;
}

double natural_step(const CurvatureFactor& factor, double lambda) {
  double log_sum = 0;
  for (const double r : factor.diagonal) log_sum += 2 * std::log(r);
  const double mean = std::exp(log_sum / static_cast<double>(factor.diagonal.size()));
  return std::sqrt(12 * lambda / (std::log(2.0) * mean));
}

}  // namespace kindling
