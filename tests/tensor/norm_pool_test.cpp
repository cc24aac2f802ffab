#include <kindling/tensor/norm_pool.h>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

struct Case {
  Shape x;
  Pool2dOptions pool;
};
const Case kCases[] = {
    {{2, 32, 32, 64}, {.kernel = 3, .stride = 2, .ceil_mode = true}},
    {{3, 9, 7, 20}, {.kernel = 2}},
    {{1, 90, 100, 48}, {.kernel = 3, .stride = 2}},  // several bands of one image
    {{2, 11, 8, 3}, {.kernel = {2, 3}, .stride = {3, 1}, .padding = 1}},
    {{4, 5, 5, 17}, {.kernel = 5}},
    {{2, 6, 6, 5}, {.kernel = 3, .stride = 1, .padding = 1}},
};

template <class T>
void check_case(const Case& c, Activation activation) {
  Rng rng(5);
  const Shape channels{c.x.back()};
  const Tensor x = random(c.x, rng, dtype_of<T>()), gamma = random(channels, rng, dtype_of<T>()),
               beta = random(channels, rng, dtype_of<T>());
  const BatchNormStats stats = batch_norm_stats(x, 1e-3);
  const Poison poison;
  const MaxPool2dResult expected = max_pool2d(batch_norm_apply(x, stats, gamma, beta, activation), c.pool);
  const MaxPool2dResult result = batch_norm_max_pool2d(x, stats, gamma, beta, activation, c.pool);
  CHECK(bitwise_equal(result.values, expected.values));
  CHECK(bitwise_equal(result.argmax, expected.argmax));
  const Tensor grad = random(result.values.shape(), rng, dtype_of<T>());
  const auto grads_of = [&] {
    return batch_norm_max_pool2d_grads(grad, result.argmax, x, stats, gamma, beta, activation, c.pool);
  };
  const BatchNormGrads by_bands = grads_of();
  const BatchNormGrads apart =
      batch_norm_grads(max_unpool2d(grad, result.argmax, c.x, c.pool), x, stats, gamma, beta, activation);
  const double tolerance = sizeof(T) == 4 ? 3e-6 : 1e-13;
  check_close(by_bands.dx, apart.dx, tolerance);
  check_close(by_bands.dgamma, apart.dgamma, tolerance);
  check_close(by_bands.dbeta, apart.dbeta, tolerance);
  check_same_bits_for_all_threads([&] { return grads_of().dx; });
  check_same_bits_for_all_threads([&] { return grads_of().dgamma; });
}

}  // namespace

TEST_CASE("batch normalisation and max pooling in bands are the two one after the other") {
  for (const Case& c : kCases)
    for (const Activation activation : {Activation::none, Activation::relu}) {
      INFO("x " << c.x << ", pool " << c.pool.kernel << (activation == Activation::relu ? ", ReLU" : ""));
      for_each_isa([&] {
        check_case<float>(c, activation);
        check_case<double>(c, activation);
      });
    }
}

TEST_CASE("batch normalisation and max pooling report what does not fit") {
  const Tensor x = Tensor::zeros({2, 4, 4, 3}), channels = Tensor::ones({3});
  const BatchNormStats stats{channels, channels};
  const auto pooled = [&](const Tensor& beta, const Pool2dOptions& pool) {
    return batch_norm_max_pool2d(x, stats, channels, beta, Activation::none, pool);
  };
  CHECK_THROWS_WITH(pooled(Tensor::ones({4}), {}), Catch::StartsWith("batch_norm: bias must be [3], got [4]"));
  CHECK_THROWS_WITH(pooled(channels, {.kernel = 5}), Catch::StartsWith("max_pool2d: output would be empty"));
  CHECK_THROWS_WITH(batch_norm_max_pool2d(Tensor::zeros({0, 4, 4, 3}), stats, channels, channels, Activation::none, {}),
                    Catch::StartsWith("batch_norm: needs [..., C] with at least one element"));
  const MaxPool2dResult y = pooled(channels, {});
  CHECK_THROWS_WITH(batch_norm_max_pool2d_grads(x, y.argmax, x, stats, channels, channels, Activation::none, {}),
                    Catch::StartsWith("batch_norm_grads: gradient must be [2, 2, 2, 3], got [2, 4, 4, 3]"));
}
