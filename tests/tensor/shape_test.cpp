#include <kindling/tensor/shape.h>

#include <sstream>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

template <class T>
std::string printed(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

}  // namespace

TEST_CASE("a shape counts its elements and prints as a list") {
  CHECK(Shape{}.numel() == 1);
  CHECK(Shape{2, 3, 4}.numel() == 24);
  CHECK(Shape{2, 0, 4}.numel() == 0);
  CHECK(printed(Shape{}) == "[]");
  CHECK(printed(Shape{8, 32, 32, 3}) == "[8, 32, 32, 3]");
  CHECK(printed(Size2(3)) == "3");
  CHECK(printed(Size2(3, 1)) == "3x1");
}

TEST_CASE("shapes are equal if their sizes are, whatever they were before") {
  CHECK(Shape{2, 3} == Shape(std::vector<int64_t>{2, 3}));
  CHECK(Shape{2, 3} != Shape{2, 3, 1});
  CHECK(Shape{2, 3} != Shape{3, 2});
  Shape grown;
  grown.push_back(2);
  grown.push_back(3);
  CHECK(grown == Shape{2, 3});
  CHECK(Shape::filled(3, 7) == Shape{7, 7, 7});
  CHECK(Shape{5, 6}.back() == 6);
}

TEST_CASE("axes can be taken out and put in") {
  const Shape shape{2, 3, 4};
  CHECK(shape.without(0) == Shape{3, 4});
  CHECK(shape.without(2) == Shape{2, 3});
  CHECK(shape.with_inserted(0, 9) == Shape{9, 2, 3, 4});
  CHECK(shape.with_inserted(1, 9) == Shape{2, 9, 3, 4});
  CHECK(shape.with_inserted(3, 9) == Shape{2, 3, 4, 9});
  CHECK(Shape{}.with_inserted(0, 9) == Shape{9});
}

TEST_CASE("ranks end at eight") {
  Shape shape = Shape::filled(Shape::kMaxRank, 2);
  check_throws([&] { shape.push_back(1); }, "shape: rank is above the largest, 8");
  check_throws([] { Shape(std::vector<int64_t>(9, 1)); }, "shape: rank 9 is above the largest, 8");
  check_throws([&] { shape.with_inserted(0, 1); }, "shape: rank is above the largest, 8");
}

TEST_CASE("contiguous strides are row-major") {
  CHECK(contiguous_strides({}) == Strides{});
  CHECK(contiguous_strides({2, 3, 4}) == Strides{12, 4, 1});
  CHECK(contiguous_strides({5, 1, 7}) == Strides{7, 7, 1});
}

TEST_CASE("axes may be counted from the end") {
  CHECK(normalize_axis("op", 0, 3) == 0);
  CHECK(normalize_axis("op", 2, 3) == 2);
  CHECK(normalize_axis("op", -1, 3) == 2);
  CHECK(normalize_axis("op", -3, 3) == 0);
  check_throws([] { normalize_axis("op", 3, 3); }, "op: axis 3 is out of range for rank 3");
  check_throws([] { normalize_axis("op", -4, 3); }, "op: axis -4 is out of range for rank 3");
  check_throws([] { normalize_axis("op", 0, 0); }, "op: axis 0 is out of range for rank 0");
}

TEST_CASE("shapes broadcast by NumPy's rule, either way round") {
  struct Case {
    Shape a, b, both;
  };
  for (const Case& c : std::vector<Case>{{{}, {}, {}},
                                         {{}, {2, 3}, {2, 3}},
                                         {{3}, {2, 3}, {2, 3}},
                                         {{2, 1}, {3}, {2, 3}},
                                         {{4, 1, 3}, {2, 1}, {4, 2, 3}},
                                         {{1}, {0}, {0}},
                                         {{0, 3}, {1, 3}, {0, 3}}}) {
    INFO(c.a << " and " << c.b);
    CHECK(broadcast_shapes("op", c.a, c.b) == c.both);
    CHECK(broadcast_shapes("op", c.b, c.a) == c.both);
    CHECK(broadcastable_to(c.a, c.both));
    CHECK(broadcastable_to(c.b, c.both));
  }
  check_throws(
      [] {
        broadcast_shapes("op", {4, 2, 3}, {5, 3});
      },
      "op: shapes [4, 2, 3] and [5, 3] do not broadcast: sizes 2 and 5 differ, 2 from the end");
  check_throws([] { broadcast_shapes("op", {0}, {2}); },
               "op: shapes [0] and [2] do not broadcast: sizes 0 and 2 differ, 1 from the end");
}

TEST_CASE("broadcasting to a shape never shrinks or drops an axis") {
  CHECK_FALSE(broadcastable_to({2, 3}, {3}));
  CHECK_FALSE(broadcastable_to({2, 3}, {2, 1}));
  CHECK_FALSE(broadcastable_to({2}, {3}));
  CHECK_FALSE(broadcastable_to({1, 3}, {3}));
}
