#include <kindling/tensor/kernels/fma_peak.h>

#include <cmath>

#include <catch2/catch.hpp>

using namespace kindling;

TEST_CASE("the FMA peak is a speed in GFLOP/s") {
  const double peak = kernels::sample_fma_peak();
  CHECK(std::isfinite(peak));
  CHECK(peak > 0.5);  // GFLOP/s: no processor of today is slower, however busy
  CHECK(peak < 1e6);
}
