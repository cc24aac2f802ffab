// Dropout: share, scale, and masks that depend on step and element alone.
#include <kindling/nn/dropout.h>

#include <cmath>

#include <catch2/catch.hpp>

#include <kindling/autograd/ops/reduce.h>
#include <kindling/tensor/reduce.h>
#include <kindling/tests/support/tensors.h>

using namespace kindling;

namespace {

const Shape kShape{8, 5, 5, 32};

Dropout layer_of_seed(uint64_t seed, double p = 0.5) {
  Rng rng(seed);
  return Dropout(p, rng);
}

}  // namespace

TEST_CASE("Dropout zeroes a share p of the elements and scales the others by 1 / (1 - p)") {
  const double p = GENERATE(0.1, 0.5, 0.9);
  Dropout layer = layer_of_seed(1, p);
  const int64_t n = 100000;
  const auto y = layer(Tensor::ones({1, n})).value().to_vector<float>();
  int64_t zeros = 0;
  for (const float v : y) {
    if (v == 0.0F)
      ++zeros;
    else
      REQUIRE(v == static_cast<float>(1 / (1 - p)));
  }
  // Five standard deviations of a binomial count.
  CHECK_THAT(static_cast<double>(zeros), Catch::WithinAbs(p * n, 5 * std::sqrt(n * p * (1 - p))));
}

TEST_CASE("In evaluation, and for p = 0, dropout is the identity") {
  Rng rng(1);
  const Tensor x = Tensor::uniform({4, 7}, -1, 1, rng);
  Dropout layer = layer_of_seed(1);
  layer.eval();
  CHECK(layer(x).value().storage() == x.storage());
  CHECK(layer_of_seed(1, 0.0)(x).value().storage() == x.storage());
}

TEST_CASE("The gradient goes through the kept elements, scaled alike") {
  Dropout layer = layer_of_seed(1);
  const Variable x(Tensor::ones(kShape), true);
  const Variable y = layer(x);
  sum(y).backward();
  CHECK(bitwise_equal(x.grad(), y.value()));
}

TEST_CASE("Without a RandomStep each call has a mask of its own, the same for the same seed") {
  const Tensor x = Tensor::ones(kShape);
  Dropout layer = layer_of_seed(1), again = layer_of_seed(1), other = layer_of_seed(2);
  const Tensor first = layer(x).value(), second = layer(x).value();
  CHECK_FALSE(bitwise_equal(first, second));
  CHECK(bitwise_equal(again(x).value(), first));
  CHECK(bitwise_equal(again(x).value(), second));
  CHECK_FALSE(bitwise_equal(other(x).value(), first));
}

TEST_CASE("Under a RandomStep the mask depends on the step, not on the calls before") {
  const Tensor x = Tensor::ones(kShape);
  Dropout layer = layer_of_seed(1), resumed = layer_of_seed(1);
  Tensor expected;
  for (uint64_t step = 0; step < 4; ++step) {
    const RandomStep guard(step);
    expected = layer(x).value();
  }
  const RandomStep guard(3);
  CHECK(bitwise_equal(resumed(x).value(), expected));
  CHECK(bitwise_equal(resumed(x).value(), expected));
}

TEST_CASE("A batch cut into parts draws the masks of the whole") {
  const Tensor x = Tensor::ones(kShape);
  Dropout layer = layer_of_seed(1);
  const RandomStep guard(17);
  const Tensor whole = layer(x).value();
  for (const auto& [begin, end] : {std::pair{0, 3}, std::pair{3, 4}, std::pair{4, 8}}) {
    const RandomStep part(17, begin);
    CHECK(bitwise_equal(layer(x.slice(0, begin, end)).value(), whole.slice(0, begin, end).contiguous()));
  }
  CHECK(RandomStep::current()->sample_offset() == 0);
}

TEST_CASE("Masks have the same bits for any number of threads") {
  Dropout layer = layer_of_seed(1);
  const Tensor mask = layer.mask({64, 1000}, DType::f32, 5);
  testing::check_same_bits_for_all_threads([&] { return layer.mask({64, 1000}, DType::f32, 5); });
  CHECK(bitwise_equal(layer.mask({64, 1000}, DType::f64, 5).to(DType::f32), mask));
}

TEST_CASE("A long mask goes on where a shorter one ends, and does not repeat") {
  constexpr int64_t kPart = 1 << 15, kParts = 4;  // as much as a thread draws at once, several times
  const Dropout layer = layer_of_seed(1);
  const Tensor whole = layer.mask({kParts * kPart}, DType::f32, 5);
  for (int64_t part = 0; part < kParts; ++part) {
    const Tensor piece = whole.slice(0, part * kPart, (part + 1) * kPart);
    CHECK(bitwise_equal(piece, layer.mask({kPart}, DType::f32, 5, part * kPart)));
    if (part > 0) CHECK_FALSE(bitwise_equal(piece, whole.slice(0, 0, kPart)));
  }
}

TEST_CASE("A mask is made of the words of its stream's blocks, from any element on, on every instruction set") {
  const Rng stream = Rng(1).split().fork(5);  // of layer_of_seed(1), step 5
  const Dropout layer = layer_of_seed(1, 0.25);
  const auto word = [&](uint64_t i) {
    const uint64_t half = i % 4 < 2 ? stream.bits(i / 4) : stream.fork(i / 4).stream();
    return static_cast<uint32_t>(half >> (i % 2 * 32));
  };
  testing::for_each_isa([&] {
    for (const int64_t first : {0, 1, 3, 62, 1001}) {
      const auto mask = layer.mask({150}, DType::f64, 5, first).to_vector<double>();
      for (int64_t i = 0; i < 150; ++i)
        CHECK((mask[static_cast<size_t>(i)] == 0) == (word(static_cast<uint64_t>(first + i)) < 1u << 30));
    }
  });
}

TEST_CASE("Dropout refuses probabilities below 0, and 1 and above") {
  CHECK_THROWS_WITH(layer_of_seed(1, 1.0), "dropout: probability must be in [0, 1), got 1");
  CHECK_THROWS_WITH(layer_of_seed(1, -0.5), "dropout: probability must be in [0, 1), got -0.5");
}
