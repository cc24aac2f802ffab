// The n-dimensional array. No gradients here: see autograd/variable.h.
#pragma once

#include <algorithm>
#include <iosfwd>
#include <memory>
#include <vector>

#include <kindling/tensor/dtype.h>
#include <kindling/tensor/rng.h>
#include <kindling/tensor/shape.h>
#include <kindling/tensor/storage.h>

namespace kindling {

/// A view of `shape` and `strides` (in elements) on shared storage. Copying a Tensor copies the
/// handle; `clone` copies the elements. Activations are [N, H, W, C], convolution weights [O, KH,
/// KW, I].
class Tensor {
 public:
  /// No tensor at all: `defined()` is false.
  Tensor() = default;

  /// Elements are not set.
  static Tensor empty(const Shape& shape, DType dtype = DType::f32);
  static Tensor zeros(const Shape& shape, DType dtype = DType::f32);
  static Tensor ones(const Shape& shape, DType dtype = DType::f32);
  static Tensor full(const Shape& shape, double value, DType dtype = DType::f32);
  /// A scalar, shape [].
  static Tensor scalar(double value, DType dtype = DType::f32);
  /// {0, 1, ..., n - 1}, shape [n].
  static Tensor arange(int64_t n, DType dtype = DType::i64);
  /// Copies `values`, row-major. Throws ShapeError if their number is not that of `shape`.
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape);
  template <class T>
  static Tensor from(const std::vector<T>& values) {
    return from(values, {static_cast<int64_t>(values.size())});
  }
  /// Element i (row-major) is `low + (high - low) * rng.uniform(i)`; the stream is split off `rng`.
  static Tensor uniform(const Shape& shape, double low, double high, Rng& rng, DType dtype = DType::f32);
  static Tensor normal(const Shape& shape, double mean, double stddev, Rng& rng, DType dtype = DType::f32);

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  const Strides& strides() const { return strides_; }
  int64_t rank() const { return shape_.rank(); }
  /// Size of `axis`, which counts from the end when negative.
  int64_t size(int64_t axis) const;
  int64_t numel() const { return shape_.numel(); }
  DType dtype() const { return dtype_; }
  /// Row-major without gaps.
  bool is_contiguous() const;

  /// A pointer to the first element. Throws ShapeError if T is not the dtype. Autograd's check for
  /// changed tensors does not see writes through it. Call `mark_written` after changing a tensor
  /// that others may have saved.
  template <class T>
  T* data();
  template <class T>
  const T* data() const;
  /// The element at `index`, e.g. `x.at<float>({n, h, w, c})`. Throws ShapeError if it is outside.
  template <class T>
  T& at(const Shape& index);
  template <class T>
  const T& at(const Shape& index) const;
  /// The only element, as T. Throws ShapeError if there is not exactly one.
  template <class T = double>
  T item() const;
  /// All elements in row-major order, converted to T.
  template <class T>
  std::vector<T> to_vector() const;

  // Views: no element is copied, and writing to one writes to all.

  /// The same elements in row-major order under another shape. One size may be -1, and is then
  /// computed. A view if the strides allow it, else a copy.
  Tensor reshape(const Shape& shape) const;
  /// Axis i of the result is axis `axes[i]` of this.
  Tensor permute(const Shape& axes) const;
  Tensor transpose(int64_t axis_a = -2, int64_t axis_b = -1) const;
  /// Elements begin, begin + step, ... before `end` of `axis`, where 0 <= begin <= end <= size and
  /// step >= 1.
  Tensor slice(int64_t axis, int64_t begin, int64_t end, int64_t step = 1) const;
  /// Element `index` of `axis`. The axis is removed.
  Tensor select(int64_t axis, int64_t index) const;
  /// NumPy's broadcasting, by strides of zero. Do not write to the result.
  Tensor broadcast_to(const Shape& shape) const;
  Tensor unsqueeze(int64_t axis) const;
  Tensor squeeze(int64_t axis) const;

  /// This, if it is contiguous, else a contiguous copy.
  Tensor contiguous() const;
  Tensor clone() const;
  /// Converted element by element; this itself if it already has the dtype. Floating to integer
  /// rounds towards zero. What the integer type cannot hold gives an unspecified value.
  Tensor to(DType dtype) const;

  // In place. Shapes must match or broadcast to this one. They count as a write (see Storage::version). The other
  // operand may be this tensor, but not another view of the same elements.
  Tensor& copy_(const Tensor& source);
  Tensor& fill_(double value);
  /// this += scale * other
  Tensor& add_(const Tensor& other, double scale = 1.0);
  Tensor& mul_(double factor);

  const std::shared_ptr<Storage>& storage() const { return storage_; }
  int64_t offset() const { return offset_; }
  void mark_written(const char* writer) { storage_->mark_written(writer); }
  /// Whether no other tensor shares the storage.
  bool is_unique() const { return storage_.use_count() == 1; }
  /// A view with explicit strides on the same storage, for kernels and the views above.
  Tensor with_layout(const Shape& shape, const Strides& strides, int64_t offset) const;

 private:
  std::shared_ptr<Storage> storage_;
  int64_t offset_ = 0;
  Shape shape_;
  Strides strides_;
  DType dtype_ = DType::f32;
};

/// "tensor f32 [2, 3]" and the elements in nested brackets; long axes are shortened to their three
/// first and last.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

/// Throws ShapeError naming `op` unless the dtypes are the same.
void check_same_dtype(const char* op, const Tensor& a, const Tensor& b);
/// Whether shapes and dtypes are equal and every element has the same bits.
bool bitwise_equal(const Tensor& a, const Tensor& b);
/// Whether every element is finite. True for integers.
bool all_finite(const Tensor& x);
/// ||a - b|| / max(||b||, tiny), in double.
double relative_distance(const Tensor& a, const Tensor& b);

// Implementation of the small templates.

template <class T>
T* Tensor::data() {
  check(defined(), "data", "tensor is undefined");
  check(dtype_ == dtype_of<T>(), "data", "tensor is ", dtype_, ", asked for ", dtype_of<T>());
  return reinterpret_cast<T*>(storage_->data()) + offset_;
}

template <class T>
const T* Tensor::data() const {
  return const_cast<Tensor*>(this)->data<T>();
}

template <class T>
T& Tensor::at(const Shape& index) {
  check(index.rank() == rank(), "at", "index ", index, " for shape ", shape_);
  int64_t position = 0;
  for (int64_t axis = 0; axis < rank(); ++axis) {
    check(index[axis] >= 0 && index[axis] < shape_[axis], "at", "index ", index, " is outside shape ", shape_);
    position += index[axis] * strides_[axis];
  }
  return data<T>()[position];
}

template <class T>
const T& Tensor::at(const Shape& index) const {
  return const_cast<Tensor*>(this)->at<T>(index);
}

template <class T>
Tensor Tensor::from(const std::vector<T>& values, const Shape& shape) {
  check(static_cast<int64_t>(values.size()) == shape.numel(), "from", values.size(), " values for shape ", shape);
  Tensor result = empty(shape, dtype_of<T>());
  std::copy(values.begin(), values.end(), result.data<T>());
  return result;
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Tensor flat = to(dtype_of<T>()).contiguous();
  const T* first = flat.data<T>();
  return std::vector<T>(first, first + numel());
}

template <class T>
T Tensor::item() const {
  check(numel() == 1, "item", "needs exactly one element, got shape ", shape_);
  return *to(dtype_of<T>()).template data<T>();
}

}  // namespace kindling
