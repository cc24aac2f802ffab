// Pooling layers.
#include <kindling/nn/pool.h>

#include <catch2/catch.hpp>

#include <kindling/tensor/reduce.h>

using namespace kindling;

namespace {

/// 0, 1, 2, ... in [1, 4, 4, 1].
Tensor ramp() { return Tensor::arange(16, DType::f32).reshape({1, 4, 4, 1}); }

}  // namespace

TEST_CASE("MaxPool2d takes the largest of each window, the overhanging ones too in ceil mode") {
  CHECK(MaxPool2d({.kernel = 2})(ramp()).value().to_vector<float>() == std::vector<float>{5, 7, 13, 15});
  CHECK(MaxPool2d({.kernel = 3, .stride = 2})(ramp()).value().to_vector<float>() == std::vector<float>{10});
  CHECK(MaxPool2d({.kernel = 3, .stride = 2, .ceil_mode = true})(ramp()).value().to_vector<float>() ==
        std::vector<float>{10, 11, 14, 15});
}

TEST_CASE("AvgPool2d takes means") {
  CHECK(AvgPool2d({.kernel = 2})(ramp()).value().to_vector<float>() == std::vector<float>{2.5, 4.5, 10.5, 12.5});
}

TEST_CASE("GlobalAvgPool leaves one number per image and channel") {
  Rng rng(1);
  const Tensor x = Tensor::uniform({2, 5, 3, 4}, -1, 1, rng);
  const Tensor y = GlobalAvgPool()(x).value();
  CHECK(y.shape() == Shape{2, 4});
  CHECK(relative_distance(y, mean(x.reshape({2, 15, 4}), {1})) < 1e-6);  // f32 sums in another order
}

TEST_CASE("Pools name images that are too small") {
  CHECK_THROWS_AS(MaxPool2d({.kernel = 5})(ramp()), ShapeError);
  CHECK_THROWS_WITH(GlobalAvgPool()(Tensor::zeros({2, 3})), "global_avg_pool: needs [N, H, W, C], got [2, 3]");
}
