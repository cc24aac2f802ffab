#include <kindling/tensor/shape.h>

#include <algorithm>
#include <ostream>

namespace kindling {

Shape::Shape(const int64_t* first, const int64_t* last) {
  check(last - first <= kMaxRank, "shape", "rank ", last - first, " is above the largest, ", kMaxRank);
  for (const int64_t* size = first; size != last; ++size) push_back(*size);
}

Shape Shape::filled(int64_t rank, int64_t size) {
  Shape shape;
  for (int64_t i = 0; i < rank; ++i) shape.push_back(size);
  return shape;
}

int64_t Shape::numel() const {
  int64_t n = 1;
  for (const int64_t size : *this) n *= size;
  return n;
}

void Shape::push_back(int64_t size) {
  check(rank_ < kMaxRank, "shape", "rank is above the largest, ", kMaxRank);
  sizes_[static_cast<size_t>(rank_++)] = size;
}

Shape Shape::without(int64_t axis) const {
  Shape result;
  for (int64_t i = 0; i < rank_; ++i)
    if (i != axis) result.push_back((*this)[i]);
  return result;
}

Shape Shape::with_inserted(int64_t axis, int64_t size) const {
  Shape result;
  for (int64_t i = 0; i <= rank_; ++i) {
    if (i == axis) result.push_back(size);
    if (i < rank_) result.push_back((*this)[i]);
  }
  return result;
}

bool operator==(const Shape& a, const Shape& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '[';
  for (int64_t i = 0; i < shape.rank(); ++i) out << (i == 0 ? "" : ", ") << shape[i];
  return out << ']';
}

std::ostream& operator<<(std::ostream& out, Size2 size) {
  if (size.h == size.w) return out << size.h;
  return out << size.h << 'x' << size.w;
}

Strides contiguous_strides(const Shape& shape) {
  Strides strides = shape;
  int64_t stride = 1;
  for (int64_t axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

int64_t normalize_axis(const char* op, int64_t axis, int64_t rank) {
  check(axis >= -rank && axis < rank, op, "axis ", axis, " is out of range for rank ", rank);
  return axis < 0 ? axis + rank : axis;
}

std::array<bool, Shape::kMaxRank> reduced_axes(const char* op, int64_t rank, const Shape& axes) {
  std::array<bool, Shape::kMaxRank> reduced{};
  if (axes.rank() == 0) reduced.fill(true);
  for (const int64_t axis : axes) reduced[static_cast<size_t>(normalize_axis(op, axis, rank))] = true;
  return reduced;
}

Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  Shape result = Shape::filled(std::max(a.rank(), b.rank()), 1);
  for (int64_t i = 1; i <= result.rank(); ++i) {
    const int64_t size_a = i <= a.rank() ? a[a.rank() - i] : 1;
    const int64_t size_b = i <= b.rank() ? b[b.rank() - i] : 1;
    check(size_a == size_b || size_a == 1 || size_b == 1, op, "shapes ", a, " and ", b, " do not broadcast: sizes ",
          size_a, " and ", size_b, " differ, ", i, " from the end");
    result[result.rank() - i] = size_a == 1 ? size_b : size_a;
  }
  return result;
}

bool broadcastable_to(const Shape& from, const Shape& to) {
  if (from.rank() > to.rank()) return false;
  for (int64_t i = 1; i <= from.rank(); ++i) {
    const int64_t size = from[from.rank() - i];
    if (size != 1 && size != to[to.rank() - i]) return false;
  }
  return true;
}

}  // namespace kindling
