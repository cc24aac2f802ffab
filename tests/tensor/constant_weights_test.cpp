#include <kindling/tensor/constant_weights.h>

#include <kindling/tensor/conv.h>
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
    const auto pack = [&] {
      ++packed;
      return w;
    };
    parallel_for(8, 1, [&](int64_t, int64_t) { ConstantWeights::packed(w, 99, pack); });
    CHECK(packed == 1);
    CHECK(bitwise_equal(conv2d(x, w), before));
    CHECK(bitwise_equal(conv2d(x, w), before));
    CHECK(bitwise_equal(conv2d_input_grad(before, w, x.shape()), conv2d_input_grad(before, w.clone(), x.shape())));
    {
      const ConstantWeights inner;
      ConstantWeights::packed(w, 99, pack);
      CHECK(packed == 2);
    }
  }
  w.mul_(2);
  check_close(conv2d(x, w), before * 2.0, 1e-6);
}
