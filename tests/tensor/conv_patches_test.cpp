#include <kindling/tensor/conv_patches.h>

#include <catch2/catch.hpp>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

TEST_CASE("conv2d_patches: times the rows of the weight it is the convolution, group by group") {
  Rng rng(1);
  const Conv2dOptions options{.stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 2}, .groups = 3};
  const Tensor x = random({2, 7, 9, 6}, rng), w = random({12, 3, 2, 2}, rng);
  const Tensor y = conv2d(x, w, {}, options);
  for (int64_t g = 0; g < 3; ++g) {
    const Tensor rows = w.slice(0, 4 * g, 4 * g + 4).reshape({4, 12});
    const Tensor patches = conv2d_patches(x, w.shape(), options, g);
    check_close(matmul(patches, transpose(rows)).reshape({2, y.size(1), y.size(2), 4}), y.slice(3, 4 * g, 4 * g + 4),
                1e-14);
  }
  check_same_bits_for_all_threads([&] { return conv2d_patches(strided(x), w.shape(), options, 1); });
}

TEST_CASE("conv2d_patches: mistakes") {
  const Tensor x = Tensor::zeros({1, 8, 9, 3});
  check_throws(
      [&] {
        conv2d_patches(x, {2, 3, 3, 4});
      },
      "conv2d_patches: input has 3 channels, weight expects 4: input [1, 8, 9, 3], weight [2, 3, 3, 4]");
  check_throws([&] { conv2d_patches(x, {2, 3, 3, 3}, {}, 1); }, "conv2d_patches: there is no group 1 of 1");
}
