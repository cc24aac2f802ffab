#include <kindling/compress/curvature.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <kindling/tensor/kernels/parallel.h>

namespace kindling {
namespace {

double dot_product(const double* a, const double* b, int64_t n) {
  double sums[4] = {};  // four at a time, so that additions need not wait for each other
  int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int64_t k = 0; k < 4; ++k) sums[k] += a[i + k] * b[i + k];
  for (; i < n; ++i) sums[0] += a[i] * b[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// H = R R' in place, of the upper triangle of `h` [n, n], from the last column to the first:
///   R_jj^2 = H_jj - sum_{k>j} R_jk^2,   R_ij = (H_ij - sum_{k>j} R_ik R_jk) / R_jj.
void factorise_in_place(std::vector<double>& h, int64_t n, double smallest) {
  const auto row = [&](int64_t i) { return h.data() + i * n; };
  for (int64_t j = n - 1; j >= 0; --j) {
    const int64_t behind = n - 1 - j;
    const double* const tail = row(j) + j + 1;
    const double pivot = std::sqrt(std::max(row(j)[j] - dot_product(tail, tail, behind), smallest));
    row(j)[j] = pivot;
    parallel_for(j, 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) row(i)[j] = (row(i)[j] - dot_product(row(i) + j + 1, tail, behind)) / pivot;
    });
  }
}

}  // namespace

CurvatureFactor factorise(const Tensor& hessian, double damping) {
  const int64_t n = hessian.rank() > 0 ? hessian.size(0) : 0;
  const bool full = hessian.rank() == 2;
  check(n > 0 && hessian.rank() <= 2 && (!full || hessian.size(1) == n), "factorise", "needs [K, K] or [K], got ",
        hessian.shape());
  if (!all_finite(hessian)) throw Error("factorise: the curvature is not finite");
  const std::vector<double> h = hessian.to_vector<double>();
  const auto entry = [&](int64_t i) { return h[static_cast<size_t>(full ? i * n + i : i)]; };
  double mean = 0;
  for (int64_t i = 0; i < n; ++i) mean += entry(i) / static_cast<double>(n);
  // A layer that nothing depends on costs nothing, whatever its weights become.
  const double added = mean > 0 ? damping * mean : 1e-30;

  CurvatureFactor result;
  result.columns = n;
  result.order.resize(static_cast<size_t>(n));
  result.diagonal.resize(static_cast<size_t>(n));
  std::iota(result.order.begin(), result.order.end(), 0);
  std::stable_sort(result.order.begin(), result.order.end(), [&](int64_t a, int64_t b) { return entry(a) > entry(b); });
  if (full) {
    for (const int64_t i : result.order)
      for (const int64_t j : result.order)
        result.damped.push_back(h[static_cast<size_t>(i * n + j)] + (i == j ? added : 0));
    result.factor = result.damped;
    factorise_in_place(result.factor, n, added * 1e-6);
  }
  for (size_t j = 0; j < result.order.size(); ++j)
    result.diagonal[j] = full ? result.factor[j * result.order.size() + j] : std::sqrt(entry(result.order[j]) + added);
  return result;
}

}  // namespace kindling
