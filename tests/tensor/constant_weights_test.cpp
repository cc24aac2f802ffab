#include <kindling/tensor/constant_weights.h>

#include <kindling/tensor/conv.h>
#include <kindling/tensor/conv_pool.h>
#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

TEST_CASE("ConstantWeights packs once, in all threads, and forgets at its end") {
  Rng rng(8);
  const Tensor x = random({4, 6, 6, 8}, rng, DType::f32);
  Tensor w = random({16, 3, 3, 8}, rng, DType::f32);
  const Tensor before = conv2d(x, w);
  {
    const ConstantWeights constant;
    int packed = 0;
    const WeightPacking packing{.product = WeightPacking::Product::adjoint};  // the direct method has none
    const auto pack = [&] {
      ++packed;
      return w;
    };
    parallel_for(8, 1, [&](int64_t, int64_t) { ConstantWeights::packed(w, packing, pack); });
    CHECK(packed == 1);
    CHECK(bitwise_equal(conv2d(x, w), before));
    CHECK(bitwise_equal(conv2d(x, w), before));
    CHECK(bitwise_equal(conv2d_input_grad(before, w, x.shape()), conv2d_input_grad(before, w.clone(), x.shape())));
    {
      const ConstantWeights inner;
      ConstantWeights::packed(w, packing, pack);
      CHECK(packed == 2);
    }
  }
  w.mul_(2);
  check_close(conv2d(x, w), before * 2.0, 1e-6);
}

TEST_CASE("ConstantWeights tells weights apart that share memory, and conv2d from its input gradient") {
  Rng rng(9);
  const Tensor x = random({2, 5, 5, 4}, rng), both = random({2, 4, 3, 3, 4}, rng);
  const Conv2dOptions options{.padding = 1};
  const auto results = [&] {
    std::vector<Tensor> all;
    for (const Tensor& w : {both.select(0, 0), both.select(0, 1), both.select(0, 1).reshape({12, 3, 1, 4})}) {
      const Tensor y = conv2d(x, w, {}, options);
      all.push_back(y);
      all.push_back(conv2d_input_grad(y, w, x.shape(), options));
    }
    return all;
  };
  const Conv2dOptions grouped{.padding = 1, .groups = 2};
  const Tensor w = both.select(0, 0), wide = random({2, 5, 5, 8}, rng);
  const std::vector<Tensor> expected = results();
  const Tensor expected_grouped = conv2d(wide, w, {}, grouped);
  const ConstantWeights constant;
  for (int repeat = 0; repeat < 2; ++repeat) {
    const std::vector<Tensor> found = results();
    for (size_t i = 0; i < expected.size(); ++i) CHECK(bitwise_equal(found[i], expected[i]));
    CHECK(bitwise_equal(conv2d(wide, w, {}, grouped), expected_grouped));
  }
}

TEST_CASE("ConstantWeights tells Winograd's schemes and products apart") {
  Rng rng(10);
  const Tensor w = random({16, 3, 3, 16}, rng);
  // By tiles of 2 and of 4 pixels: outputs, and gradients as turned convolutions and as the adjoint.
  const auto results = [&] {
    std::vector<Tensor> all;
    for (const auto& [size, padding] : {std::pair{4, 0}, {10, 0}, {2, 1}, {10, 1}}) {
      Rng pixels(11);
      const Tensor x = random({1, size, size, 16}, pixels);
      all.push_back(conv2d(x, w, {}, {.padding = padding}));
      all.push_back(conv2d_input_grad(all.back(), w, x.shape(), {.padding = padding}));
    }
    return all;
  };
  const std::vector<Tensor> expected = results();
  const ConstantWeights constant;
  for (int repeat = 0; repeat < 2; ++repeat) {
    const std::vector<Tensor> found = results();
    for (size_t i = 0; i < expected.size(); ++i) CHECK(bitwise_equal(found[i], expected[i]));
  }
}

TEST_CASE("PackedWeights do not grow by weights that are copied for an operation") {
  Rng rng(3);
  const Tensor x = random({1, 8, 8, 16}, rng), pixel = random({1, 9, 9, 2}, rng);
  const Tensor w = strided(random({16, 3, 3, 16}, rng)), first = strided(random({4, 3, 3, 2}, rng));
  PackedWeights kept;
  const auto use = [&] {
    const ConstantWeights constant(kept);
    conv2d(x, w, {}, {.padding = 1});
    conv2d_input_grad(x, w, x.shape(), {.padding = 1});
    conv2d_max_pool2d(pixel, first, {}, {.conv = {}, .pool = {.kernel = 2, .stride = 2}});
  };
  use();
  const int64_t before = memory::stats().bytes_in_use;
  for (int i = 0; i < 3; ++i) use();
  CHECK(memory::stats().bytes_in_use == before);
}
