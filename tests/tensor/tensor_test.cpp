#include <kindling/tensor/tensor.h>

#include <cmath>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

using Floats = std::vector<float>;
using Ints = std::vector<int64_t>;

// 0, 1, 2, ... so that an element tells where it came from.
Tensor counting(const Shape& shape) { return Tensor::arange(shape.numel()).reshape(shape); }

}  // namespace

TEST_CASE("tensors are made of what was asked for") {
  CHECK(Tensor::zeros({2, 2}).to_vector<float>() == Floats{0, 0, 0, 0});
  CHECK(Tensor::ones({3}, DType::u8).to_vector<uint8_t>() == std::vector<uint8_t>{1, 1, 1});
  CHECK(Tensor::full({2}, -1.5, DType::f64).to_vector<double>() == std::vector<double>{-1.5, -1.5});
  CHECK(Tensor::scalar(7).shape() == Shape{});
  CHECK(Tensor::arange(3).dtype() == DType::i64);
  CHECK(Tensor::arange(3, DType::f32).to_vector<float>() == Floats{0, 1, 2});
  CHECK(Tensor::arange(0).numel() == 0);
  CHECK(Tensor::from<float>({1, 2, 3, 4}, {2, 2}).at<float>({1, 0}) == 3);
  CHECK(Tensor::from<int64_t>({5, 6}).shape() == Shape{2});
  CHECK(Tensor::zeros({3'000'000}).to_vector<float>() == Floats(3'000'000));  // cleared in more than one piece
  CHECK_FALSE(Tensor().defined());
  CHECK(Tensor::empty({0}).defined());
}

TEST_CASE("impossible tensors are refused") {
  check_throws([] { Tensor::empty({2, -1}); }, "empty: negative size in shape [2, -1]");
  check_throws(
      [] {
        Tensor::empty({int64_t{1} << 40, int64_t{1} << 30});
      },
      "empty: shape [1099511627776, 1073741824] has more bytes than can be counted");
  check_throws([] { Tensor::from<float>({1, 2, 3}, {2, 2}); }, "from: 3 values for shape [2, 2]");
  Rng rng;
  check_throws([&] { Tensor::uniform({2}, 0, 1, rng, DType::i64); }, "uniform: needs f32 or f64, got i64");
  check_throws([&] { Tensor::normal({2}, 0, 1, rng, DType::u8); }, "normal: needs f32 or f64, got u8");
}

TEST_CASE("elements are reached by index") {
  Tensor x = counting({2, 3, 4});
  CHECK(x.at<int64_t>({1, 2, 3}) == 23);
  x.at<int64_t>({0, 1, 0}) = -7;
  CHECK(x.select(0, 0).select(0, 1).at<int64_t>({0}) == -7);
  CHECK(x.size(0) == 2);
  CHECK(x.size(-1) == 4);
  check_throws([&] { x.size(3); }, "size: axis 3 is out of range for rank 3");
  check_throws([&] { x.at<int64_t>({0, 3, 0}); }, "at: index [0, 3, 0] is outside shape [2, 3, 4]");
  check_throws([&] { x.at<int64_t>({0, 0, -1}); }, "at: index [0, 0, -1] is outside shape [2, 3, 4]");
  check_throws([&] { x.at<int64_t>({0, 0}); }, "at: index [0, 0] for shape [2, 3, 4]");
  check_throws([&] { x.at<float>({0, 0, 0}); }, "data: tensor is i64, asked for f32");
}

TEST_CASE("item is the only element, converted") {
  CHECK(Tensor::full({1, 1, 1}, 2.5).item() == 2.5);
  CHECK(Tensor::scalar(3, DType::i64).item<float>() == 3.F);
  check_throws([] { Tensor::zeros({2}).item(); }, "item: needs exactly one element, got shape [2]");
  check_throws([] { Tensor::zeros({0}).item(); }, "item: needs exactly one element, got shape [0]");
}

TEST_CASE("an undefined tensor has no elements to read") {
  check_throws([] { Tensor().item(); }, "data: tensor is undefined");
  check_throws([] { Tensor().data<float>(); }, "data: tensor is undefined");
}

TEST_CASE("slice takes every step-th element of a range") {
  const Tensor x = counting({3, 8});
  CHECK(x.slice(1, 2, 5).select(0, 1).to_vector<int64_t>() == Ints{10, 11, 12});
  CHECK(x.slice(-1, 1, 8, 3).select(0, 0).to_vector<int64_t>() == Ints{1, 4, 7});
  CHECK(x.slice(1, 0, 7, 3).size(1) == 3);  // 0, 3, 6
  CHECK(x.slice(1, 0, 6, 3).size(1) == 2);  // 0, 3
  CHECK(x.slice(0, 1, 3).slice(0, 1, 2).to_vector<int64_t>() == x.select(0, 2).to_vector<int64_t>());
  CHECK(x.slice(1, 1, 8, 2).slice(1, 1, 4, 2).select(0, 0).to_vector<int64_t>() == Ints{3, 7});
  CHECK(x.slice(0, 3, 3).shape() == Shape{0, 8});
  check_throws([&] { x.slice(1, 3, 9); }, "slice: range 3:9:1 does not fit axis 1 of shape [3, 8]");
  check_throws([&] { x.slice(1, 5, 4); }, "slice: range 5:4:1 does not fit axis 1 of shape [3, 8]");
  check_throws([&] { x.slice(0, -1, 2); }, "slice: range -1:2:1 does not fit axis 0 of shape [3, 8]");
  check_throws([&] { x.slice(0, 0, 2, 0); }, "slice: range 0:2:0 does not fit axis 0 of shape [3, 8]");
  check_throws([&] { x.slice(2, 0, 1); }, "slice: axis 2 is out of range for rank 2");
}

TEST_CASE("permute and transpose move axes, not elements") {
  const Tensor x = counting({2, 3, 4});
  const Tensor moved = x.permute({2, 0, -2});
  REQUIRE(moved.shape() == Shape{4, 2, 3});
  for_each_index(moved.shape(), [&](const Shape& at) {
    CHECK(moved.at<int64_t>(at) == x.at<int64_t>({at[1], at[2], at[0]}));
  });
  CHECK(bitwise_equal(x.transpose(), x.permute({0, 2, 1})));
  CHECK(bitwise_equal(x.transpose(0, -1), x.permute({2, 1, 0})));
  CHECK(moved.storage() == x.storage());
  CHECK_FALSE(moved.is_contiguous());
  check_throws([&] { x.permute({0, 1}); }, "permute: axes [0, 1] for shape [2, 3, 4]");
  check_throws([&] { x.permute({0, 1, -2}); }, "permute: axis -2 is repeated in [0, 1, -2]");
  check_throws([&] { x.permute({0, 1, 3}); }, "permute: axis 3 is out of range for rank 3");
  check_throws([] { Tensor::zeros({3}).transpose(); }, "transpose: axis -2 is out of range for rank 1");
}

TEST_CASE("select takes an axis away, unsqueeze adds one, squeeze takes it away again") {
  const Tensor x = counting({2, 3});
  CHECK(x.select(1, 2).to_vector<int64_t>() == Ints{2, 5});
  CHECK(x.select(-2, 1).to_vector<int64_t>() == Ints{3, 4, 5});
  CHECK(x.unsqueeze(0).shape() == Shape{1, 2, 3});
  CHECK(x.unsqueeze(-1).shape() == Shape{2, 3, 1});
  CHECK(x.unsqueeze(1).is_contiguous());
  CHECK(bitwise_equal(x.unsqueeze(1).squeeze(1), x));
  check_throws([&] { x.select(0, 2); }, "select: index 2 is outside axis 0 of shape [2, 3]");
  check_throws([&] { x.select(0, -1); }, "select: index -1 is outside axis 0 of shape [2, 3]");
  check_throws([&] { x.squeeze(1); }, "squeeze: axis 1 of shape [2, 3] is not of size 1");
  check_throws([&] { x.unsqueeze(3); }, "unsqueeze: axis 3 is out of range for rank 3");
}

TEST_CASE("broadcast_to repeats elements without copying them") {
  const Tensor x = counting({2, 1}), wide = x.broadcast_to({3, 2, 4});
  CHECK(wide.strides() == Strides{0, 1, 0});
  CHECK(wide.storage() == x.storage());
  for_each_index(wide.shape(), [&](const Shape& at) { CHECK(wide.at<int64_t>(at) == at[1]); });
  CHECK(Tensor::scalar(4).broadcast_to({2, 0}).numel() == 0);
  check_throws([&] { x.broadcast_to({3, 4}); }, "broadcast_to: cannot broadcast [2, 1] to [3, 4]");
  check_throws([&] { x.broadcast_to({2}); }, "broadcast_to: cannot broadcast [2, 1] to [2]");
}

TEST_CASE("writing to a view writes to all") {
  Tensor x = Tensor::zeros({2, 3});
  x.slice(1, 1, 3).fill_(5);
  x.transpose().select(0, 0).copy_(Tensor::from<float>({1, 2}));
  x.reshape({6}).slice(0, 5, 6).mul_(-1);
  CHECK(x.to_vector<float>() == Floats{1, 5, 5, 2, 5, -5});
  Tensor copy = x.clone();
  copy.fill_(0);
  CHECK(x.at<float>({0, 1}) == 5);
}

TEST_CASE("contiguous copies only what has gaps") {
  const Tensor x = counting({4, 6});
  CHECK(x.contiguous().storage() == x.storage());
  CHECK(x.slice(0, 1, 3).contiguous().storage() == x.storage());  // rows in one run
  const Tensor column = x.slice(1, 1, 3);
  CHECK(column.contiguous().storage() != x.storage());
  CHECK(column.contiguous().strides() == Strides{2, 1});
  CHECK(bitwise_equal(column.contiguous(), column));
}

TEST_CASE("in-place functions broadcast, take strided operands, and say what does not fit") {
  Rng rng(1);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor start = random({4, 5}, rng, dtype), other = random({5}, rng, dtype);
    for (Tensor x : {start.clone(), strided(start)}) {
      x.add_(other, 0.5);
      for_each_index(x.shape(), [&](const Shape& at) {
        const double expected = start.slice(0, at[0], at[0] + 1).slice(1, at[1], at[1] + 1).item() +
                                0.5 * other.slice(0, at[1], at[1] + 1).item();
        CHECK(std::abs(x.select(0, at[0]).select(0, at[1]).item() - expected) < (dtype == DType::f32 ? 1e-6 : 1e-15));
      });
    }
  }
  Tensor x = Tensor::from<float>({1, 2});
  CHECK(x.add_(x).to_vector<float>() == Floats{2, 4});
  CHECK(x.mul_(0.5).to_vector<float>() == Floats{1, 2});
  CHECK(x.copy_(Tensor::scalar(9, DType::i64)).to_vector<float>() == Floats{9, 9});  // converts
  check_throws([&] { x.copy_(Tensor::zeros({3})); }, "copy_: cannot broadcast [3] to [2]");
  check_throws([&] { x.add_(Tensor::zeros({2, 2})); }, "add_: cannot broadcast [2, 2] to [2]");
  check_throws([&] { x.add_(Tensor::zeros({2}, DType::f64)); },
               "add_: operands have dtypes f32 and f64; convert one with to()");
  check_throws([] { Tensor::arange(3).mul_(2); }, "mul_: needs f32 or f64, got i64");
}

TEST_CASE("in-place functions count as writes and leave their name") {
  Tensor x = Tensor::zeros({2, 2});
  const Tensor view = x.transpose();
  uint64_t version = x.storage()->version();
  const auto wrote = [&](const std::string& writer) {
    CHECK(view.storage()->version() == ++version);
    CHECK(view.storage()->writer() == writer);
  };
  x.fill_(1);
  wrote("fill_");
  x.add_(x);
  wrote("add_");
  x.mul_(2);
  wrote("mul_");
  x.select(0, 1).copy_(Tensor::scalar(3));
  wrote("copy_");
  x.mark_written("mine");
  wrote("mine");
  matmul(x.clone(), x.clone(), {x, true});
  wrote("matmul");
  linear_weight_grad(x.clone(), x.clone(), {x, true});
  wrote("linear_weight_grad");
  const Tensor weights = x.reshape({2, 1, 1, 2}), image = Tensor::ones({1, 3, 3, 2});
  conv2d_weight_grad(image, image, weights.shape(), {}, {weights, true});
  wrote("conv2d_weight_grad");
  const Tensor gradient = x.reshape({1, 1, 2, 2});
  conv2d_input_grad(Tensor::ones({1, 1, 2, 3}), Tensor::ones({3, 1, 1, 2}), gradient.shape(), {}, {gradient, true});
  wrote("conv2d_input_grad");
}

TEST_CASE("is_unique tells whether the storage is shared") {
  const Tensor x = Tensor::zeros({2});
  CHECK(x.is_unique());
  const Tensor view = x.slice(0, 0, 1);
  CHECK_FALSE(x.is_unique());
}

TEST_CASE("random tensors are drawn element by element from a stream of their own") {
  Rng rng(3);
  Rng same = rng;
  const Tensor x = Tensor::uniform({7, 11}, -2, 6, rng, DType::f64), y = Tensor::normal({50}, 1, 0.5, rng, DType::f64);
  const Rng first = same.split(), second = same.split();
  for (int64_t i = 0; i < x.numel(); ++i)
    CHECK(x.reshape({77}).at<double>({i}) == -2 + 8 * first.uniform(static_cast<uint64_t>(i)));
  for (int64_t i = 0; i < y.numel(); ++i) CHECK(y.at<double>({i}) == 1 + 0.5 * second.normal(static_cast<uint64_t>(i)));
  check_same_bits_for_all_threads([] {
    Rng again(4);
    return Tensor::normal({50'000}, 0, 1, again);
  });
}

TEST_CASE("bitwise_equal compares bits, shapes and dtypes") {
  const Tensor x = Tensor::from<float>({1, NAN, 0});
  CHECK(bitwise_equal(x, x.clone()));
  CHECK(bitwise_equal(x, strided(x)));
  CHECK_FALSE(bitwise_equal(x, Tensor::from<float>({1, NAN, -0.F})));
  CHECK_FALSE(bitwise_equal(x, x.unsqueeze(0)));
  CHECK_FALSE(bitwise_equal(Tensor::zeros({2}), Tensor::zeros({2}, DType::f64)));
  CHECK(bitwise_equal(Tensor::empty({0, 3}), Tensor::empty({0, 3})));
}

TEST_CASE("all_finite finds the one element that is not") {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const double bad : {NAN, INFINITY, -INFINITY}) {
      Tensor x = Tensor::zeros({3, 5}, dtype);
      CHECK(all_finite(x));
      x.select(0, 2).slice(0, 4, 5).fill_(bad);
      CHECK_FALSE(all_finite(x));
      CHECK_FALSE(all_finite(x.transpose()));
      CHECK(all_finite(x.slice(1, 0, 4)));
    }
  CHECK(all_finite(Tensor::arange(3)));
  CHECK(all_finite(Tensor::empty({0})));
}

TEST_CASE("relative_distance is ||a - b|| / ||b||") {
  const Tensor a = Tensor::from<double>({3, 4}), b = Tensor::from<double>({0, 4});
  CHECK(relative_distance(a, b) == 0.75);
  CHECK(relative_distance(a, a) == 0);
  CHECK(relative_distance(Tensor::zeros({2}), Tensor::zeros({2})) == 0);
  CHECK(std::isnan(relative_distance(Tensor::from<double>({NAN, 4}), b)));
  check_throws([&] { relative_distance(a, Tensor::zeros({3})); }, "relative_distance: shapes [2] and [3] differ");
}
