#include <kindling/tensor/conv/window.h>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

// to[r * ld + k] by the definition, one element at a time; gaps between the runs keep what is there.
void check_read(const Tensor& x, const detail::Runs& runs, int64_t ld) {
  INFO(runs.count << " runs of " << runs.length << " from " << runs.first << ", " << runs.step << " apart, to " << ld);
  const detail::PaddedRow<const double> row{x.data<double>(), x.numel()};
  Tensor found = Tensor::full({runs.count, ld}, -7, DType::f64);
  row.read(runs, found.data<double>(), ld);
  for (int64_t r = 0; r < runs.count; ++r)
    for (int64_t k = 0; k < ld; ++k) {
      const int64_t at = runs.first + r * runs.step + k;
      const double inside = at >= 0 && at < x.numel() ? x.data<double>()[at] : 0.0;
      REQUIRE(found.data<double>()[r * ld + k] == (k < runs.length ? inside : -7.0));
    }
}

}  // namespace

TEST_CASE("runs of a padded row are its elements, and zeros beside it") {
  Rng rng(3);
  for (const int64_t size : {1, 6, 23}) {
    const Tensor x = random({size}, rng, DType::f64);
    for (const int64_t first : {-40, -5, -1, 0, 2, 22, 30})
      for (const int64_t step : {1, 3, 5})
        for (const int64_t length : {1, 3, 12})
          for (const int64_t count : {0, 1, 9})
            for (const int64_t gap : {0, 2}) check_read(x, {count, length, first, step}, length + gap);
  }
}

TEST_CASE("rows above and below an image are zeros") {
  const kernels::ConvShape s = detail::conv_shape("conv2d", {2, 3, 2, 2}, {1, 1, 1, 2}, {});
  const Tensor x = Tensor::ones({2, 3, 2, 2}, DType::f64);
  for (const int64_t h : {-2, -1, 0, 2, 3}) {
    Tensor found = Tensor::full({4}, -7, DType::f64);
    detail::padded_row<const double>(s, {x.data<double>(), 2}, 1, h).read({2, 2, 0, 2}, found.data<double>(), 2);
    CHECK(bitwise_equal(found, Tensor::full({4}, h >= 0 && h < 3 ? 1 : 0, DType::f64)));
  }
}
