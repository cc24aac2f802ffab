#include <kindling/tensor/softmax.h>

#include <algorithm>

#include <kindling/tensor/kernels/table.h>
#include <kindling/tensor/strided.h>

namespace kindling {
namespace {

template <class Row>
Tensor map_rows(const char* op, const Tensor& input, Row row) {
  check(input.rank() >= 1 && input.size(-1) > 0, op, "needs a last axis with at least one element, got shape ",
        input.shape());
  const Tensor x = input.contiguous();
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  const int64_t n = x.size(-1), rows = x.numel() / n;
  visit_floating(op, x.dtype(), [&](auto t) {
    using T = decltype(t);
    parallel_for(rows, std::max<int64_t>(1, detail::kElementGrain / (8 * n)), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) row(n, y.data<T>() + r * n, x.data<T>() + r * n);
    });
  });
  return y;
}

}  // namespace

Tensor softmax(const Tensor& x) {
  return map_rows("softmax", x, [](int64_t n, auto* y, const auto* row) {
    kernels::table<std::remove_reference_t<decltype(*y)>>().softmax_row(n, y, row);
  });
}

Tensor log_softmax(const Tensor& x) {
  return map_rows("log_softmax", x, [](int64_t n, auto* y, const auto* row) {
    kernels::table<std::remove_reference_t<decltype(*y)>>().log_softmax_row(n, y, row);
  });
}

}  // namespace kindling
