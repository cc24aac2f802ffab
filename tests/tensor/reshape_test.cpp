// Tensor::reshape: which strided tensors can be seen under another shape, and which must be copied.
#include <optional>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

// Positions in memory of the elements, in row-major order.
std::vector<int64_t> positions(const Tensor& x) {
  std::vector<int64_t> result;
  for_each_index(x.shape(), [&](const Shape& index) {
    int64_t position = x.offset();
    for (int64_t axis = 0; axis < x.rank(); ++axis) position += index[axis] * x.strides()[axis];
    result.push_back(position);
  });
  return result;
}

// The definition: there is a view if every step along an axis of `shape` is the same step in memory wherever it starts.
bool can_be_viewed(const Tensor& x, const Shape& shape) {
  const std::vector<int64_t> at = positions(x);
  const Strides places = contiguous_strides(shape);
  int64_t i = 0;
  bool possible = true;
  for_each_index(shape, [&](const Shape& index) {
    int64_t expected = at[0];
    for (int64_t axis = 0; axis < shape.rank(); ++axis)
      if (shape[axis] > 1) expected += index[axis] * (at[static_cast<size_t>(places[axis])] - at[0]);
    possible = possible && at[static_cast<size_t>(i++)] == expected;
  });
  return possible;
}

// A tensor of up to four axes, sliced, permuted, broadcast and unsqueezed at random.
Tensor random_view(Rng& rng) {
  const auto below = [&](int64_t n) { return rng.next_below(n); };
  Shape shape;
  for (int64_t axis = 1 + below(4); axis > 0; --axis) shape.push_back(1 + below(4));
  Tensor x = Tensor::arange(shape.numel()).reshape(shape);
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    const int64_t begin = below(x.size(axis)), step = 1 + below(2);
    if (below(3) == 0) x = x.slice(axis, begin, x.size(axis), step);
  }
  const std::vector<int64_t> order = permutation(x.rank(), rng.split());
  if (below(3) == 0) x = x.permute(Shape(order));
  if (below(3) == 0) x = x.unsqueeze(below(x.rank() + 1));
  if (below(4) == 0) {
    Shape wide = x.shape();
    for (int64_t axis = 0; axis < wide.rank(); ++axis)
      if (wide[axis] == 1) wide[axis] = 2;
    x = x.broadcast_to(wide);
  }
  return x;
}

// A shape with n elements: factors of n in a random order, with ones between them.
Shape random_shape(int64_t n, Rng& rng) {
  Shape shape;
  while (n > 1 && shape.rank() < 6) {
    int64_t factor = 1 + rng.next_below(n);
    while (n % factor != 0) ++factor;
    shape.push_back(factor);
    n /= factor;
  }
  shape.push_back(n);
  return shape;
}

}  // namespace

TEST_CASE("reshape keeps the elements in order, and copies them only where no strides would do") {
  Rng rng(11);
  int views = 0, copies = 0;
  for (int i = 0; i < 3000; ++i) {
    const Tensor x = random_view(rng);
    const Shape shape = random_shape(x.numel(), rng);
    INFO("shape " << x.shape() << ", strides " << x.strides() << " -> " << shape);
    const Tensor y = x.reshape(shape);
    REQUIRE(y.shape() == shape);
    REQUIRE(y.to_vector<int64_t>() == x.to_vector<int64_t>());
    REQUIRE((y.storage() == x.storage()) == can_be_viewed(x, shape));
    ++(y.storage() == x.storage() ? views : copies);
  }
  CHECK(views > 1000);
  CHECK(copies > 100);
}

TEST_CASE("reshape works out one size") {
  const Tensor x = Tensor::zeros({2, 3, 4});
  CHECK(x.reshape({-1}).shape() == Shape{24});
  CHECK(x.reshape({4, -1}).shape() == Shape{4, 6});
  CHECK(x.reshape({24, -1}).shape() == Shape{24, 1});
  CHECK(Tensor::scalar(1).reshape({-1, 1}).shape() == Shape{1, 1});
  CHECK(Tensor::zeros({1, 1}).reshape({}).shape() == Shape{});
  CHECK(Tensor::zeros({0, 3}).reshape({5, -1}).shape() == Shape{5, 0});
  CHECK(Tensor::zeros({0, 3}).reshape({7, 0, 2}).shape() == Shape{7, 0, 2});
}

TEST_CASE("reshape reports what does not fit") {
  const Tensor x = Tensor::zeros({2, 3});
  check_throws([&] { x.reshape({4}); }, "reshape: cannot reshape [2, 3] to [4]");
  check_throws([&] { x.reshape({4, -1}); }, "reshape: cannot reshape [2, 3] to [4, -1]");
  check_throws([&] { x.reshape({-1, -1}); }, "reshape: more than one -1 in shape [-1, -1]");
  check_throws([&] { x.reshape({-2, -3}); }, "reshape: negative size in shape [-2, -3]");
  check_throws([] { Tensor::zeros({0}).reshape({0, -1}); }, "reshape: cannot reshape [0] to [0, -1]");
}
