#include <kindling/tensor/out.h>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

bool is_at(const Tensor& x, const Tensor& place) { return detail::same_elements(x, place); }

}  // namespace

TEST_CASE("a convolution writes or adds its result where it is told to, by every algorithm") {
  const Poison poison;
  Rng rng(3);
  const Tensor x = random({2, 5, 6, 17}, rng), w = random({9, 3, 3, 17}, rng), bias = random({9}, rng);
  for (const ConvAlgorithm algorithm :
       {ConvAlgorithm::automatic, ConvAlgorithm::direct, ConvAlgorithm::im2col, ConvAlgorithm::naive}) {
    const ConvAlgorithmGuard guard(algorithm);
    for (const bool with_relu : {false, true}) {
      const auto conv = [&](const Out& out) {
        return with_relu ? conv2d_relu(x, w, bias, {}, out) : conv2d(x, w, bias, {}, out);
      };
      const Tensor y = conv({});
      Tensor all = Tensor::full({2, 3, 4, 16}, 5.0, DType::f64);
      const Tensor half = all.slice(3, 3, 12);
      CHECK(is_at(conv({half}), half));
      CHECK(bitwise_equal(half, y));
      CHECK(is_at(conv({half, true}), half));
      CHECK(bitwise_equal(half, y + y));
      CHECK(bitwise_equal(all.slice(3, 0, 3), Tensor::full({2, 3, 4, 3}, 5.0, DType::f64)));
      CHECK(bitwise_equal(all.slice(3, 12, 16), Tensor::full({2, 3, 4, 4}, 5.0, DType::f64)));
      CHECK(bitwise_equal(conv({{}, true}), y));  // to nothing
    }
  }
}

TEST_CASE("batch normalisation writes or adds into a slice, and reads its gradient there") {
  Rng rng(1);
  const Tensor x = random({50, 6}, rng), gamma = random({6}, rng), beta = random({6}, rng), grad = random({50, 6}, rng);
  const BatchNormStats stats = batch_norm_stats(x, 1e-5);
  for (const Activation activation : {Activation::none, Activation::relu})
    for_each_isa([&] {
      const Tensor y = batch_norm_apply(x, stats, gamma, beta, activation);
      Tensor whole = Tensor::full({50, 11}, 5.0, DType::f64), half = whole.slice(1, 2, 8);
      CHECK(is_at(batch_norm_apply(x, stats, gamma, beta, activation, {half}), half));
      CHECK(bitwise_equal(half, y));
      CHECK(is_at(batch_norm_apply(x, stats, gamma, beta, activation, {half, true}), half));
      CHECK(bitwise_equal(half, y + y));
      CHECK(bitwise_equal(whole.slice(1, 8, 11), Tensor::full({50, 3}, 5.0, DType::f64)));
      half.copy_(grad);
      const BatchNormGrads expected = batch_norm_grads(grad, x, stats, gamma, beta, activation);
      const BatchNormGrads actual = batch_norm_grads(half, x, stats, gamma, beta, activation);
      CHECK(bitwise_equal(actual.dx, expected.dx));
      CHECK(bitwise_equal(actual.dgamma, expected.dgamma));
    });
}

TEST_CASE("a concatenation takes parts that lie in their slices as they are") {
  const Tensor a = Tensor::arange(4, DType::f64).reshape({2, 2}), b = Tensor::full({2, 3}, 7, DType::f64);
  const Tensor expected = concat({a, b}, 1);
  Tensor all = Tensor::zeros({2, 5}, DType::f64);
  CHECK(is_at(concat({a, b}, 1, {all}), all));
  CHECK(bitwise_equal(all, expected));
  CHECK(is_at(concat({a, b}, 1, {all, true}), all));
  CHECK(bitwise_equal(all, expected + expected));

  Tensor left = all.slice(1, 0, 2);
  left.copy_(a);
  const uint64_t version = all.storage()->version();
  CHECK(is_at(concat({left, b}, 1, {all}), all));
  CHECK(bitwise_equal(all, expected));
  CHECK(is_at(concat({left, all.slice(1, 2, 5)}, 1, {all}), all));
  CHECK(bitwise_equal(all, expected));
  CHECK(all.storage()->version() == version);  // what others keep of its slices is as it was
}

TEST_CASE("a write to all of a tensor's memory counts as a change in place, to a part of it only if it adds") {
  const Tensor x = Tensor::ones({1, 2, 2, 1}), w = Tensor::ones({3, 1, 1, 1});
  Tensor y = Tensor::zeros({1, 2, 2, 3}), wide = Tensor::zeros({1, 2, 2, 4});
  const Tensor part = wide.slice(3, 0, 3);
  conv2d(x, w, {}, {}, {y});
  CHECK(y.storage()->version() == 1);
  CHECK(y.storage()->writer() == std::string("conv2d"));
  conv2d(x, w, {}, {}, {part});
  CHECK(wide.storage()->version() == 0);
  conv2d(x, w, {}, {}, {part, true});
  CHECK(wide.storage()->version() == 1);
  concat({x, x, x}, 3, {y});
  CHECK(y.storage()->version() == 2);
}

TEST_CASE("destinations that do not fit are refused") {
  const Tensor x = Tensor::ones({1, 2, 2, 1}), w = Tensor::ones({3, 1, 1, 1});
  check_throws(
      [&] {
        conv2d(x, w, {}, {}, {Tensor::zeros({1, 2, 2, 4})});
      },
      "conv2d: the result is f32 [1, 2, 2, 3], its destination f32 [1, 2, 2, 4]");
  check_throws(
      [&] {
        conv2d(x, w, {}, {}, {Tensor::zeros({1, 2, 2, 3}, DType::f64)});
      },
      "conv2d: the result is f32 [1, 2, 2, 3], its destination f64 [1, 2, 2, 3]");
  check_throws(
      [&] {
        conv2d(x, w, {}, {}, {Tensor::zeros({1, 2, 3, 2}).transpose()});
      },
      "conv2d: the destination must be contiguous, or a slice of the last axis of such a tensor: "
      "shape [1, 2, 2, 3], strides [12, 6, 1, 2]");
}
