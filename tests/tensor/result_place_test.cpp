#include <kindling/tensor/result_place.h>

#include <thread>

#include <kindling/tensor/norm.h>
#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

bool is_at(const Tensor& x, const Tensor& place) {
  return x.storage() == place.storage() && x.offset() == place.offset() && x.strides() == place.strides();
}

}  // namespace

TEST_CASE("a result goes where it is told to, once, if it fits") {
  const Tensor whole = Tensor::zeros({2, 3, 8}), half = whole.slice(2, 4, 8);
  const ResultPlace here(half);
  CHECK_FALSE(is_at(detail::result_of({2, 3, 5}, DType::f32), half));
  CHECK_FALSE(is_at(detail::result_of({2, 3, 4}, DType::f64), half));
  CHECK(is_at(detail::result_of({2, 3, 4}, DType::f32), half));
  CHECK_FALSE(is_at(detail::result_of({2, 3, 4}, DType::f32), half));
}

TEST_CASE("result places are nested, of one thread, and slices of the last axis") {
  const Tensor a = Tensor::zeros({2, 4}), b = Tensor::zeros({2, 4});
  {
    const ResultPlace outer(a);
    {
      const ResultPlace inner(b);
      std::thread([&] { CHECK_FALSE(is_at(detail::result_of({2, 4}, DType::f32), b)); }).join();
      CHECK(is_at(detail::result_of({2, 4}, DType::f32), b));
      CHECK_FALSE(is_at(detail::result_of({2, 4}, DType::f32), a));
    }
    CHECK(is_at(detail::result_of({2, 4}, DType::f32), a));
  }
  CHECK(detail::result_of({2, 4}, DType::f32).is_unique());
  const ResultPlace scattered(Tensor::zeros({4, 2}).transpose());
  CHECK(detail::result_of({2, 4}, DType::f32).is_contiguous());
}

TEST_CASE("batch normalisation writes into a slice, and reads its gradient there") {
  Rng rng(1);
  const Tensor x = random({50, 6}, rng), gamma = random({6}, rng), beta = random({6}, rng), grad = random({50, 6}, rng);
  const BatchNormStats stats = batch_norm_stats(x, 1e-5);
  for (const Activation activation : {Activation::none, Activation::relu})
    for_each_isa([&] {
      const Tensor y = batch_norm_apply(x, stats, gamma, beta, activation);
      Tensor whole = Tensor::full({50, 11}, 5.0, DType::f64), half = whole.slice(1, 2, 8);
      const ResultPlace here(half);
      CHECK(is_at(batch_norm_apply(x, stats, gamma, beta, activation), half));
      CHECK(bitwise_equal(half, y));
      CHECK(bitwise_equal(whole.slice(1, 8, 11), Tensor::full({50, 3}, 5.0, DType::f64)));
      half.copy_(grad);
      const BatchNormGrads expected = batch_norm_grads(grad, x, stats, gamma, beta, activation);
      const BatchNormGrads actual = batch_norm_grads(half, x, stats, gamma, beta, activation);
      CHECK(bitwise_equal(actual.dx, expected.dx));
      CHECK(bitwise_equal(actual.dgamma, expected.dgamma));
    });
}
