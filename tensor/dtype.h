// Element types of tensors.
#pragma once

#include <cstdint>
#include <iosfwd>

#include <kindling/tensor/check.h>

namespace kindling {

/// f32 is the working type. f64 runs the same kernels, so that gradients can be checked to 1e-8.
/// i64 holds labels and indices; u8 holds pixels, masks and the argmax of pooling. A type for
/// storage alone (bf16) would be added here and in `size_of`.
enum class DType : uint8_t { f32, f64, i64, u8 };

/// Bytes per element.
constexpr int64_t size_of(DType dtype) { return dtype == DType::u8 ? 1 : dtype == DType::f32 ? 4 : 8; }
constexpr bool is_floating(DType dtype) { return dtype == DType::f32 || dtype == DType::f64; }
/// "f32", "f64", "i64", "u8".
const char* name_of(DType dtype);
std::ostream& operator<<(std::ostream& out, DType dtype);

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::f32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::f64;
}
template <>
constexpr DType dtype_of<int64_t>() {
  return DType::i64;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::u8;
}

/// Calls `f(T{})` with the C++ type of `dtype`:
///   visit(x.dtype(), [&](auto t) { using T = decltype(t); ... })
template <class F>
decltype(auto) visit(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::i64:
      return f(int64_t{});
    case DType::u8:
      break;
  }
  return f(uint8_t{});
}

/// Throws ShapeError naming `op` unless `dtype` is f32 or f64.
inline void check_floating(const char* op, DType dtype) {
  check(is_floating(dtype), op, "needs f32 or f64, got ", name_of(dtype));
}

/// As `visit`, for f32 and f64 alone. Throws ShapeError naming `op` for any other.
template <class F>
decltype(auto) visit_floating(const char* op, DType dtype, F&& f) {
  check_floating(op, dtype);
  return dtype == DType::f32 ? f(float{}) : f(double{});
}

}  // namespace kindling
