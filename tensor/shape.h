// Shapes, and all arithmetic on them.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <vector>

#include <kindling/tensor/check.h>

namespace kindling {

/// A short list of sizes, or of strides in elements, kept inline. `Shape{}` is the shape of a
/// scalar: rank 0, 1 element.
class Shape {
 public:
  static constexpr int64_t kMaxRank = 8;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes) : Shape(sizes.begin(), sizes.end()) {}
  explicit Shape(const std::vector<int64_t>& sizes) : Shape(sizes.data(), sizes.data() + sizes.size()) {}
  Shape(const int64_t* first, const int64_t* last);
  /// `rank` times `size`.
  static Shape filled(int64_t rank, int64_t size);

  int64_t rank() const { return rank_; }
  int64_t operator[](int64_t axis) const { return sizes_[static_cast<size_t>(axis)]; }
  int64_t& operator[](int64_t axis) { return sizes_[static_cast<size_t>(axis)]; }
  const int64_t* begin() const { return sizes_.data(); }
  const int64_t* end() const { return sizes_.data() + rank_; }
  int64_t back() const { return sizes_[static_cast<size_t>(rank_ - 1)]; }

  /// Product of the sizes: the number of elements.
  int64_t numel() const;
  void push_back(int64_t size);
  Shape without(int64_t axis) const;
  Shape with_inserted(int64_t axis, int64_t size) const;

  friend bool operator==(const Shape& a, const Shape& b);

 private:
  std::array<int64_t, kMaxRank> sizes_{};
  int64_t rank_ = 0;
};

using Strides = Shape;

/// "[8, 32, 32, 3]".
std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// Row-major strides: the last axis has stride 1.
Strides contiguous_strides(const Shape& shape);

/// `axis` counted from the end when negative. Throws ShapeError if it is not in [-rank, rank).
int64_t normalize_axis(const char* op, int64_t axis, int64_t rank);

/// The axes that a reduction over `axes` takes, of a tensor of that rank; all if none is given.
/// Throws as normalize_axis().
std::array<bool, Shape::kMaxRank> reduced_axes(const char* op, int64_t rank, const Shape& axes);

/// NumPy's rule: aligned at the last axis, sizes equal or 1. Throws ShapeError with both shapes
/// otherwise.
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);
/// Whether `from` can be broadcast to `to`.
bool broadcastable_to(const Shape& from, const Shape& to);

/// Height and width in pixels; one number stands for both: `{.kernel = 3}`, `{.padding = {1, 0}}`.
struct Size2 {
  int64_t h = 0, w = 0;
  constexpr Size2(int64_t both) : h(both), w(both) {}  // NOLINT: implicit on purpose
  constexpr Size2(int64_t height, int64_t width) : h(height), w(width) {}
  friend constexpr bool operator==(Size2 a, Size2 b) { return a.h == b.h && a.w == b.w; }
};
std::ostream& operator<<(std::ostream& out, Size2 size);

}  // namespace kindling
