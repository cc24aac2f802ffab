#include <kindling/tensor/tensor.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include <kindling/tensor/kernels/table.h>
#include <kindling/tensor/kernels/tasks.h>
#include <kindling/tensor/strided.h>

namespace kindling {

using detail::copy_elements;

namespace {

// target[i] = static_cast<To>(source[i]) over a common shape; both may be strided.
template <class To, class From>
void convert(Tensor& target, const Tensor& source) {
  const detail::StridedLoop<2> loop(target.shape(), {target.strides(), source.strides()});
  To* to = target.data<To>();
  const From* from = source.data<From>();
  const int64_t to_stride = loop.stride(0), from_stride = loop.stride(1);
  loop.for_each_run([&](int64_t n, const std::array<int64_t, 2>& offsets) {
    To* y = to + offsets[0];
    const From* x = from + offsets[1];
    if (to_stride == 1 && from_stride == 1) {
      std::transform(x, x + n, y, [](From value) { return static_cast<To>(value); });
    } else {
      for (int64_t i = 0; i < n; ++i) y[i * to_stride] = static_cast<To>(x[i * from_stride]);
    }
  });
}

template <class Draw>
Tensor draw(const Shape& shape, DType dtype, const char* name, Draw draw_element) {
  Tensor result = Tensor::empty(shape, dtype);
  visit_floating(name, dtype, [&](auto t) {
    using T = decltype(t);
    T* out = result.data<T>();
    parallel_for(result.numel(), detail::kElementGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = draw_element(t, static_cast<uint64_t>(i));
    });
  });
  return result;
}

// The strides under which `shape` views the same elements in row-major order, if there are any.
bool view_strides(const Tensor& x, const Shape& shape, Strides& strides) {
  strides = Shape::filled(shape.rank(), 0);
  int64_t old_axis = x.rank() - 1, new_axis = shape.rank() - 1;
  while (new_axis >= 0) {
    // Take axes from both sides until they cover the same number of elements; the old ones must be one run.
    while (old_axis >= 0 && x.shape()[old_axis] == 1) --old_axis;
    if (old_axis < 0) {
      strides[new_axis--] = 1;  // only axes of size 1 are left
      continue;
    }
    int64_t old_count = x.shape()[old_axis], new_count = shape[new_axis], stride = x.strides()[old_axis];
    strides[new_axis] = stride;
    while (old_count != new_count) {
      if (new_count < old_count) {
        stride *= shape[new_axis--];
        new_count *= shape[new_axis];
        strides[new_axis] = stride;
      } else {
        const int64_t inner = old_axis--;
        while (x.shape()[old_axis] == 1) --old_axis;
        if (x.strides()[old_axis] != x.strides()[inner] * x.shape()[inner]) return false;
        old_count *= x.shape()[old_axis];
      }
    }
    --old_axis;
    --new_axis;
  }
  return true;
}

Tensor broadcast(const char* op, const Tensor& x, const Shape& shape) {
  check(broadcastable_to(x.shape(), shape), op, "cannot broadcast ", x.shape(), " to ", shape);
  Strides strides = Shape::filled(shape.rank(), 0);
  const int64_t added = shape.rank() - x.rank();
  for (int64_t axis = 0; axis < x.rank(); ++axis)
    if (x.shape()[axis] == shape[axis + added]) strides[axis + added] = x.strides()[axis];
  return x.with_layout(shape, strides, x.offset());
}

}  // namespace

void detail::copy_elements(Tensor& target, const Tensor& source) {
  visit(target.dtype(), [&](auto to) {
    visit(source.dtype(), [&](auto from) { convert<decltype(to), decltype(from)>(target, source); });
  });
}

Tensor Tensor::empty(const Shape& shape, DType dtype) {
  int64_t bytes = size_of(dtype);
  for (const int64_t size : shape) {
    check(size >= 0, "empty", "negative size in shape ", shape);
    check(!__builtin_mul_overflow(bytes, size, &bytes), "empty", "shape ", shape,
          " has more bytes than can be counted");
  }
  Tensor result;
  result.shape_ = shape;
  result.strides_ = contiguous_strides(shape);
  result.dtype_ = dtype;
  result.storage_ = Storage::allocate(static_cast<size_t>(bytes));
  return result;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype) {
  Tensor result = empty(shape, dtype);
  std::byte* bytes = result.storage_->data();
  const int64_t size = size_of(dtype);
  parallel_for(result.numel(), int64_t{1} << 20, [&](int64_t begin, int64_t end) {
    std::memset(bytes + begin * size, 0, static_cast<size_t>((end - begin) * size));
  });
  return result;
}

Tensor Tensor::ones(const Shape& shape, DType dtype) { return full(shape, 1.0, dtype); }

Tensor Tensor::full(const Shape& shape, double value, DType dtype) {
  Tensor result = empty(shape, dtype);
  visit(dtype,
        [&](auto t) { std::fill_n(result.data<decltype(t)>(), result.numel(), static_cast<decltype(t)>(value)); });
  return result;
}

Tensor Tensor::scalar(double value, DType dtype) { return full({}, value, dtype); }

Tensor Tensor::arange(int64_t n, DType dtype) {
  Tensor result = empty({n}, dtype);
  visit(dtype, [&](auto t) {
    for (int64_t i = 0; i < n; ++i) result.data<decltype(t)>()[i] = static_cast<decltype(t)>(i);
  });
  return result;
}

Tensor Tensor::uniform(const Shape& shape, double low, double high, Rng& rng, DType dtype) {
  const Rng stream = rng.split();
  return draw(shape, dtype, "uniform", [&](auto t, uint64_t i) {
    return detail::below<decltype(t)>(high, low, low + (high - low) * stream.uniform(i));
  });
}

Tensor Tensor::normal(const Shape& shape, double mean, double stddev, Rng& rng, DType dtype) {
  const Rng stream = rng.split();
  return draw(shape, dtype, "normal",
              [&](auto t, uint64_t i) { return static_cast<decltype(t)>(mean + stddev * stream.normal(i)); });
}

int64_t Tensor::size(int64_t axis) const { return shape_[normalize_axis("size", axis, rank())]; }

bool Tensor::is_contiguous() const {
  int64_t stride = 1;
  for (int64_t axis = rank() - 1; axis >= 0; --axis) {
    if (shape_[axis] != 1 && strides_[axis] != stride) return false;
    stride *= shape_[axis];
  }
  return true;
}

Tensor Tensor::with_layout(const Shape& shape, const Strides& strides, int64_t offset) const {
  Tensor view = *this;
  view.shape_ = shape;
  view.strides_ = strides;
  view.offset_ = offset;
  return view;
}

Tensor Tensor::reshape(const Shape& wanted) const {
  Shape shape = wanted;
  int64_t unknown = -1, known = 1;
  for (int64_t axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == -1) {
      check(unknown == -1, "reshape", "more than one -1 in shape ", wanted);
      unknown = axis;
    } else {
      check(shape[axis] >= 0, "reshape", "negative size in shape ", wanted);
      known *= shape[axis];
    }
  }
  if (unknown >= 0) {
    check(known > 0 && numel() % known == 0, "reshape", "cannot reshape ", shape_, " to ", wanted);
    shape[unknown] = numel() / known;
  }
  check(shape.numel() == numel(), "reshape", "cannot reshape ", shape_, " to ", wanted);
  if (numel() == 0 || is_contiguous()) return with_layout(shape, contiguous_strides(shape), offset_);
  Strides strides;
  if (view_strides(*this, shape, strides)) return with_layout(shape, strides, offset_);
  return contiguous().reshape(shape);
}

Tensor Tensor::permute(const Shape& axes) const {
  check(axes.rank() == rank(), "permute", "axes ", axes, " for shape ", shape_);
  Shape shape;
  Strides strides;
  std::array<bool, Shape::kMaxRank> used{};
  for (const int64_t given : axes) {
    const int64_t axis = normalize_axis("permute", given, rank());
    check(!used[static_cast<size_t>(axis)], "permute", "axis ", given, " is repeated in ", axes);
    used[static_cast<size_t>(axis)] = true;
    shape.push_back(shape_[axis]);
    strides.push_back(strides_[axis]);
  }
  return with_layout(shape, strides, offset_);
}

Tensor Tensor::transpose(int64_t axis_a, int64_t axis_b) const {
  axis_a = normalize_axis("transpose", axis_a, rank());
  axis_b = normalize_axis("transpose", axis_b, rank());
  Shape shape = shape_;
  Strides strides = strides_;
  std::swap(shape[axis_a], shape[axis_b]);
  std::swap(strides[axis_a], strides[axis_b]);
  return with_layout(shape, strides, offset_);
}

Tensor Tensor::slice(int64_t axis, int64_t begin, int64_t end, int64_t step) const {
  axis = normalize_axis("slice", axis, rank());
  check(0 <= begin && begin <= end && end <= shape_[axis] && step >= 1, "slice", "range ", begin, ":", end, ":", step,
        " does not fit axis ", axis, " of shape ", shape_);
  Shape shape = shape_;
  Strides strides = strides_;
  shape[axis] = ceil_div(end - begin, step);
  strides[axis] *= step;
  return with_layout(shape, strides, offset_ + begin * strides_[axis]);
}

Tensor Tensor::select(int64_t axis, int64_t index) const {
  axis = normalize_axis("select", axis, rank());
  check(0 <= index && index < shape_[axis], "select", "index ", index, " is outside axis ", axis, " of shape ", shape_);
  return with_layout(shape_.without(axis), strides_.without(axis), offset_ + index * strides_[axis]);
}

Tensor Tensor::broadcast_to(const Shape& shape) const { return broadcast("broadcast_to", *this, shape); }

Tensor Tensor::unsqueeze(int64_t axis) const {
  axis = normalize_axis("unsqueeze", axis, rank() + 1);
  return with_layout(shape_.with_inserted(axis, 1), strides_.with_inserted(axis, 0), offset_);
}

Tensor Tensor::squeeze(int64_t axis) const {
  axis = normalize_axis("squeeze", axis, rank());
  check(shape_[axis] == 1, "squeeze", "axis ", axis, " of shape ", shape_, " is not of size 1");
  return with_layout(shape_.without(axis), strides_.without(axis), offset_);
}

Tensor Tensor::contiguous() const { return is_contiguous() ? *this : clone(); }

Tensor Tensor::clone() const {
  Tensor result = empty(shape_, dtype_);
  copy_elements(result, *this);
  return result;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor result = empty(shape_, dtype);
  copy_elements(result, *this);
  return result;
}

Tensor& Tensor::copy_(const Tensor& source) {
  copy_elements(*this, broadcast("copy_", source, shape_));
  mark_written("copy_");
  return *this;
}

Tensor& Tensor::fill_(double value) {
  copy_elements(*this, scalar(value, dtype_).broadcast_to(shape_));
  mark_written("fill_");
  return *this;
}

Tensor& Tensor::add_(const Tensor& other, double scale) {
  check_same_dtype("add_", *this, other);
  const Tensor source = broadcast("add_", other, shape_);
  visit_floating("add_", dtype_, [&](auto t) {
    using T = decltype(t);
    const detail::StridedLoop<2> loop(shape_, {strides_, source.strides()});
    T* y = data<T>();
    const T* x = source.data<T>();
    loop.for_each_run([&](int64_t n, const std::array<int64_t, 2>& offsets) {
      kernels::table<T>().add_scaled(n, y + offsets[0], loop.stride(0), x + offsets[1], loop.stride(1),
                                     static_cast<T>(scale));
    });
  });
  mark_written("add_");
  return *this;
}

Tensor& Tensor::mul_(double factor) {
  visit_floating("mul_", dtype_, [&](auto t) {
    using T = decltype(t);
    const detail::StridedLoop<1> loop(shape_, {strides_});
    T* y = data<T>();
    loop.for_each_run([&](int64_t n, const std::array<int64_t, 1>& offsets) {
      T* run = y + offsets[0];
      for (int64_t i = 0; i < n; ++i) run[i * loop.stride(0)] *= static_cast<T>(factor);
    });
  });
  mark_written("mul_");
  return *this;
}

void check_same_dtype(const char* op, const Tensor& a, const Tensor& b) {
  check(a.dtype() == b.dtype(), op, "operands have dtypes ", a.dtype(), " and ", b.dtype(), "; convert one with to()");
}

bool bitwise_equal(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  const Tensor x = a.contiguous(), y = b.contiguous();
  return visit(x.dtype(), [&](auto t) {
    using T = decltype(t);
    return std::memcmp(x.data<T>(), y.data<T>(), static_cast<size_t>(x.numel()) * sizeof(T)) == 0;
  });
}

bool all_finite(const Tensor& x) {
  if (!is_floating(x.dtype())) return true;
  const Tensor flat = x.contiguous();
  return visit_floating("all_finite", flat.dtype(), [&](auto t) {
    const auto* first = flat.data<decltype(t)>();
    return std::all_of(first, first + flat.numel(), [](auto value) { return std::isfinite(value); });
  });
}

double relative_distance(const Tensor& a, const Tensor& b) {
  check(a.shape() == b.shape(), "relative_distance", "shapes ", a.shape(), " and ", b.shape(), " differ");
  const std::vector<double> x = a.to_vector<double>(), y = b.to_vector<double>();
  double distance = 0, size = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    distance += (x[i] - y[i]) * (x[i] - y[i]);
    size += y[i] * y[i];
  }
  constexpr double kTiny = 1e-300;
  return std::sqrt(distance) / std::max(std::sqrt(size), kTiny);
}

}  // namespace kindling
