#include <kindling/tensor/index.h>

#include <cmath>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

using Ints = std::vector<int64_t>;

Tensor random_index(const Shape& shape, int64_t bound, Rng& rng) {
  Tensor index = Tensor::empty(shape, DType::i64);
  for_each_index(shape, [&](const Shape& at) { index.at<int64_t>(at) = rng.next_below(bound); });
  return index;
}

}  // namespace

TEST_CASE("concat joins along any axis, and slices take it apart again") {
  const Poison poison;
  Rng rng(1);
  for (const DType dtype : {DType::f32, DType::f64})
    for (const int64_t axis : {0, 1, 2, -1}) {
      std::vector<Tensor> parts;
      for (const int64_t size : {2, 1, 0, 4}) {
        Shape shape{3, 5, 2};
        shape[normalize_axis("test", axis, 3)] = size;
        parts.push_back(random(shape, rng, dtype));
      }
      parts[3] = strided(parts[3]);
      const Tensor all = concat(parts, axis);
      CHECK(all.size(axis) == 7);
      int64_t begin = 0;
      for (const Tensor& part : parts) {
        CHECK(bitwise_equal(all.slice(axis, begin, begin + part.size(axis)), part));
        begin += part.size(axis);
      }
    }
  CHECK(concat({Tensor::arange(2), Tensor::arange(1)}, 0).to_vector<int64_t>() == Ints{0, 1, 0});
}

TEST_CASE("concat reports what does not fit") {
  const Tensor x = Tensor::zeros({2, 3});
  check_throws([] { concat({}, 0); }, "concat: needs at least one tensor");
  check_throws([&] { concat({x, Tensor::zeros({3, 3})}, 1); }, "concat: shapes [2, 3] and [3, 3] differ off axis 1");
  check_throws([&] { concat({x, Tensor::zeros({3})}, 0); }, "concat: shapes [2, 3] and [3] differ off axis 0");
  check_throws(
      [&] {
        concat({x, x.to(DType::f64)}, 0);
      },
      "concat: operands have dtypes f32 and f64; convert one with to()");
  check_throws([&] { concat({x}, 2); }, "concat: axis 2 is out of range for rank 2");
}

TEST_CASE("slice_scatter is the adjoint of slice, and zero elsewhere") {
  const Poison poison;
  Rng rng(2);
  for (const int64_t axis : {0, 1, -1})
    for (const int64_t step : {1, 2, 3}) {
      const Shape shape{7, 8, 9};
      const Tensor x = random(shape, rng), part = x.slice(axis, 1, 6, step), g = random(part.shape(), rng);
      const Tensor scattered = slice_scatter(g, shape, axis, 1, step);
      CHECK(bitwise_equal(scattered.slice(axis, 1, 6, step), g));
      CHECK(std::abs(dot(scattered, x) - dot(g, part)) < 1e-12);
      CHECK(std::abs(norm(scattered) - norm(g)) < 1e-12);
    }
  CHECK(norm(slice_scatter(Tensor::zeros({0, 3}), {4, 3}, 0, 4)) == 0);
  check_throws(
      [] {
        slice_scatter(Tensor::zeros({2, 3}), {4, 2}, 0, 0);
      },
      "slice_scatter: slice [2, 3] does not fit shape [4, 2] along axis 0");
  check_throws(
      [] {
        slice_scatter(Tensor::zeros({2, 3}), {4, 3}, 0, 1, 3);
      },
      "slice_scatter: range 1:5:3 does not fit axis 0 of shape [4, 3]");
  check_throws([] { slice_scatter(Tensor::zeros({2}), {4}, 0, 0, 0); },
               "slice_scatter: range 0:1:0 does not fit axis 0 of shape [4]");
}

TEST_CASE("pad adds zeros on both sides") {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4}, {2, 2});
  CHECK(pad(x, 1, 1, 2).to_vector<float>() == std::vector<float>{0, 1, 2, 0, 0, 0, 3, 4, 0, 0});
  CHECK(pad(x, -2, 1, 0).to_vector<float>() == std::vector<float>{0, 0, 1, 2, 3, 4});
  CHECK(bitwise_equal(pad(x, 0, 0, 0), x));
  CHECK(pad(Tensor::zeros({0}), 0, 1, 1).to_vector<float>() == std::vector<float>{0, 0});
  check_throws([&] { pad(x, 0, -1, 0); }, "pad: needs amounts of at least 0, got -1 and 0");
  check_throws([&] { pad(x, 2, 1, 1); }, "pad: axis 2 is out of range for rank 2");
}

TEST_CASE("gather picks along any axis, and scatter_add is its adjoint") {
  const Poison poison;
  Rng rng(3);
  const Shape shape{4, 5, 6};
  const Tensor x = random(shape, rng);
  for (const int64_t axis : {0, 1, 2, -3})
    for (const Shape& picked : {Shape{4, 5, 6}, Shape{2, 3, 4}, Shape{1, 1, 1}}) {
      const int64_t at_axis = normalize_axis("test", axis, 3);
      Shape sizes = picked;
      sizes[at_axis] += 5;  // more picks than there are elements: some repeat
      const Tensor index = random_index(sizes, shape[at_axis], rng), y = gather(x, axis, index);
      for_each_index(sizes, [&](const Shape& at) {
        Shape source = at;
        source[at_axis] = index.at<int64_t>(at);
        CHECK(y.at<double>(at) == x.at<double>(source));
      });
      CHECK(bitwise_equal(gather(strided(x), axis, strided(index)), y));
      const Tensor g = random(sizes, rng), back = scatter_add(g, axis, index, shape);
      CHECK(std::abs(dot(back, x) - dot(g, y)) < 1e-12);
      CHECK(bitwise_equal(scatter_add(strided(g), axis, strided(index), shape), back));
    }
  CHECK(gather(x, 0, Tensor::empty({0, 5, 6}, DType::i64)).shape() == Shape{0, 5, 6});
}

TEST_CASE("scatter_add adds up repeated indices, also of integers") {
  const Tensor index = Tensor::from<int64_t>({2, 0, 2, 2});
  CHECK(scatter_add(Tensor::from<int64_t>({1, 10, 100, 1000}), 0, index, {4}).to_vector<int64_t>() ==
        Ints{10, 0, 1101, 0});
}

TEST_CASE("gather and scatter_add report what does not fit") {
  const Tensor x = Tensor::zeros({2, 3}), src = Tensor::zeros({1, 2});
  const auto index = [](int64_t a, int64_t b) { return Tensor::from<int64_t>({a, b}, {1, 2}); };
  check_throws([&] { gather(x, 1, index(0, 3)); }, "gather: index 3 is outside [0, 3)");
  check_throws([&] { gather(x, 0, index(-1, 0)); }, "gather: index -1 is outside [0, 2)");
  check_throws([&] { gather(x, 1, src); }, "gather: index must be i64, got f32");
  check_throws([&] { gather(x, 1, Tensor::arange(3)); }, "gather: index [3] and tensor [2, 3] differ in rank");
  check_throws(
      [&] {
        gather(x, 1, Tensor::zeros({3, 1}, DType::i64));
      },
      "gather: index [3, 1] is larger than tensor [2, 3] along axis 0");
  check_throws([&] { scatter_add(src, 1, index(0, 3), {2, 3}); }, "scatter_add: index 3 is outside [0, 3)");
  check_throws([&] { scatter_add(x, 1, index(0, 1), {2, 3}); }, "scatter_add: source [2, 3] and index [1, 2] differ");
}

TEST_CASE("one_hot has a one at every class") {
  const Tensor labels = Tensor::from<int64_t>({2, 0, 1, 2});
  const std::vector<double> expected{0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1};
  for (const DType dtype : {DType::f32, DType::f64, DType::i64, DType::u8}) {
    const Tensor hot = one_hot(labels, 3, dtype);
    CHECK(hot.shape() == Shape{4, 3});
    CHECK(hot.dtype() == dtype);
    CHECK(hot.to_vector<double>() == expected);
  }
  CHECK(one_hot(Tensor::empty({0}, DType::i64), 3).shape() == Shape{0, 3});
  check_throws([&] { one_hot(labels, 2); }, "one_hot: class 2 is outside [0, 2)");
  check_throws([] { one_hot(Tensor::from<int64_t>({-1}), 2); }, "one_hot: class -1 is outside [0, 2)");
  check_throws([] { one_hot(Tensor::zeros({2}), 2); }, "one_hot: needs i64 [n], got f32 [2]");
  check_throws([] { one_hot(Tensor::zeros({2, 1}, DType::i64), 2); }, "one_hot: needs i64 [n], got i64 [2, 1]");
}
