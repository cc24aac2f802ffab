#include <kindling/tensor/linear.h>

#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/matmul.h>
#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

// Samples around the widths of tiles and the number from which matmul takes over; inputs around the depth of a block.
std::vector<std::array<int64_t, 3>> sizes() {
  std::vector<std::array<int64_t, 3>> result;
  for (const int64_t samples : {1, 2, 7, 16, 17, 33, 64, 127, 128, 129})
    for (const auto& [in, out] : {std::pair<int64_t, int64_t>{1, 1}, {5, 49}, {70, 3}, {513, 20}, {1100, 97}})
      result.push_back({samples, in, out});
  return result;
}

}  // namespace

TEST_CASE("linear and its weights' gradient are products of matrices, on every instruction set") {
  const Poison poison;
  for_each_isa([] {
    Rng rng(1);
    for (const auto& [N, I, O] : sizes()) {
      INFO(N << " samples, " << I << " -> " << O);
      // All positive: a sum that nearly cancels would be compared with itself alone where there is one result.
      const Tensor x = abs(random({N, I}, rng)), w = abs(random({O, I}, rng)), bias = abs(random({O}, rng)),
                   grad = abs(random({N, O}, rng));
      const Tensor y = add(matmul(x, transpose(w)), bias), dw = matmul(transpose(grad), x);
      check_close(linear(x, w, bias), y, 1e-13);
      check_close(linear(strided(x), strided(w)), sub(y, bias), 1e-12);
      check_close(linear_weight_grad(strided(grad), strided(x)), dw, 1e-13);
      Tensor sum = w.clone();
      linear_weight_grad(grad, x, {sum, true});
      check_close(sum, add(w, dw), 1e-13);
      const DType f32 = DType::f32;
      check_close(linear(x.to(f32), w.to(f32), bias.to(f32)), y, 2e-6);
      check_close(linear_weight_grad(grad.to(f32), x.to(f32)), dw, 2e-6);
    }
  });
}

TEST_CASE("linear has the same bits for any number of threads, and for a sample whatever goes with it") {
  Rng rng(2);
  const Tensor x = random({33, 600}, rng, DType::f32), w = random({130, 600}, rng, DType::f32),
               grad = random({33, 130}, rng, DType::f32);
  check_same_bits_for_all_threads([&] { return linear(x, w); });
  check_same_bits_for_all_threads([&] { return linear_weight_grad(grad, x); });
  CHECK(bitwise_equal(linear(x, w).slice(0, 5, 9), linear(x.slice(0, 5, 9), w)));
}

TEST_CASE("linear of nothing") {
  CHECK(linear(Tensor::empty({0, 3}), Tensor::zeros({2, 3})).shape() == Shape{0, 2});
  CHECK(linear(Tensor::empty({2, 0}), Tensor::empty({3, 0}), Tensor::full({3}, 4)).to_vector<float>() ==
        std::vector<float>(6, 4));
  CHECK(linear_weight_grad(Tensor::empty({0, 2}), Tensor::empty({0, 3})).to_vector<float>() ==
        std::vector<float>(6, 0));
}

TEST_CASE("linear reports what does not fit") {
  const Tensor x = Tensor::zeros({4, 5}), w = Tensor::zeros({2, 5}), grad = Tensor::zeros({4, 2});
  check_throws([&] { linear(x, Tensor::zeros({2, 3})); }, "linear: input [4, 5] and weight [2, 3] do not fit");
  check_throws([&] { linear(Tensor::zeros({5}), w); }, "linear: input [5] and weight [2, 5] do not fit");
  check_throws([&] { linear(x, w, Tensor::zeros({5})); }, "linear: bias must be [2], got [5]: weight [2, 5]");
  check_throws(
      [&] {
        linear_weight_grad(Tensor::zeros({3, 2}), x);
      },
      "linear_weight_grad: cannot multiply [3, 2] by [4, 5]");
  check_throws(
      [&] {
        linear_weight_grad(grad, x, {transpose(Tensor::zeros({5, 2})), true});
      },
      "linear_weight_grad: the destination must be contiguous: shape [2, 5], strides [1, 2]");
}
