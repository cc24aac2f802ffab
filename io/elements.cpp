#include <kindling/io/elements.h>

#include <algorithm>
#include <cstring>

namespace kindling {
namespace {

/// The numbers of sign, 5 exponent and 10 mantissa bits (IEEE 754 binary16), exactly.
float widen_f16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1F, mantissa = bits & 0x3FF;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t wide_exponent = exponent == 0x1F ? 0xFF : exponent + (127 - 15);
  return std::bit_cast<float>(sign | (wide_exponent << 23) | (mantissa << 13));
}

/// bfloat16 is the upper half of a float.
float widen_bf16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

/// x / 2^shift, rounded to the nearest, of two that are equally near to the even one.
uint32_t shifted_down(uint32_t x, uint32_t shift) {
  const uint32_t half = 1u << (shift - 1), rest = x & ((1u << shift) - 1);
  return (x >> shift) + (rest > half || (rest == half && (x >> shift & 1) != 0) ? 1 : 0);
}

uint16_t narrow_f16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
  const auto result = [&](uint32_t rest) { return static_cast<uint16_t>(sign | rest); };
  if (magnitude > 0x7F800000) return result(0x7E00);   // NaN
  if (magnitude >= 0x47800000) return result(0x7C00);  // from 65,536 on
  if (magnitude < 0x33000000) return result(0);        // below 2^-25
  const uint32_t exponent = magnitude >> 23;
  if (exponent > 112) return result(shifted_down(magnitude - (112u << 23), 13));   // may round up to infinity
  return result(shifted_down((magnitude & 0x7FFFFF) | 0x800000, 126 - exponent));  // subnormal: multiples of 2^-24
}

uint16_t narrow_bf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  return static_cast<uint16_t>(x == x ? shifted_down(bits, 16) : bits >> 16 | 0x40);
}

/// Calls f(file number of type T) -> number of type To for every element.
template <class T, class To, class F>
void convert(int64_t n, const char* from, std::endian order, To* to, F f) {
  for (int64_t i = 0; i < n; ++i, from += sizeof(T)) {
    char raw[sizeof(T)];
    std::memcpy(raw, from, sizeof(T));
    if (order != std::endian::native) std::reverse(raw, raw + sizeof(T));
    T value;
    std::memcpy(&value, raw, sizeof(T));
    to[i] = f(value);
  }
}

template <class T>
void convert_integers(const char* from, std::endian order, Tensor& to) {
  convert<T>(to.numel(), from, order, to.data<int64_t>(), [](T x) { return static_cast<int64_t>(x); });
}

}  // namespace

int64_t element_bytes(std::string_view dtype) {
  if (dtype == "F64" || dtype == "I64") return 8;
  if (dtype == "F32" || dtype == "I32" || dtype == "U32") return 4;
  if (dtype == "F16" || dtype == "BF16" || dtype == "I16" || dtype == "U16") return 2;
  return dtype == "I8" || dtype == "U8" || dtype == "BOOL" ? 1 : 0;
}

DType memory_dtype(std::string_view dtype) {
  if (dtype == "F64") return DType::f64;
  if (dtype == "U8" || dtype == "BOOL") return DType::u8;
  return dtype.starts_with('I') || dtype.starts_with('U') ? DType::i64 : DType::f32;
}

const char* file_dtype(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "F32";
    case DType::f64:
      return "F64";
    case DType::i64:
      return "I64";
    case DType::u8:
      break;
  }
  return "U8";
}

Tensor decode_elements(std::string_view dtype, const Shape& shape, const char* from, std::endian order) {
  Tensor result = Tensor::empty(shape, memory_dtype(dtype));
  const int64_t n = result.numel(), bytes = element_bytes(dtype);
  if (dtype == "F16" || dtype == "BF16") {
    convert<uint16_t>(n, from, order, result.data<float>(), dtype == "F16" ? widen_f16 : widen_bf16);
  } else if (dtype == "I32") {
    convert_integers<int32_t>(from, order, result);
  } else if (dtype == "I16") {
    convert_integers<int16_t>(from, order, result);
  } else if (dtype == "I8") {
    convert_integers<int8_t>(from, order, result);
  } else if (dtype == "U32") {
    convert_integers<uint32_t>(from, order, result);
  } else if (dtype == "U16") {
    convert_integers<uint16_t>(from, order, result);
  } else {
    visit(result.dtype(), [&](auto t) {
      using T = decltype(t);
      if (order == std::endian::native || bytes == 1) {
        if (n > 0) std::memcpy(result.data<T>(), from, static_cast<size_t>(n * bytes));
      } else {
        convert<T>(n, from, order, result.data<T>(), [](T x) { return x; });
      }
    });
  }
  return result;
}

std::string encode_elements(std::string_view dtype, const Tensor& tensor) {
  const Tensor values = tensor.contiguous();
  const std::string_view bytes = bytes_of(values);
  if (dtype == "F32") return std::string(bytes);
  std::string result;
  const float* const from = values.data<float>();
  for (int64_t i = 0; i < values.numel(); ++i) {
    const uint16_t bits = dtype == "F16" ? narrow_f16(from[i]) : narrow_bf16(from[i]);
    result += {static_cast<char>(bits & 0xFF), static_cast<char>(bits >> 8)};
  }
  return result;
}

std::string_view bytes_of(const Tensor& tensor) {
  return visit(tensor.dtype(), [&](auto t) {
    using T = decltype(t);
    return std::string_view(reinterpret_cast<const char*>(tensor.data<T>()),
                            static_cast<size_t>(tensor.numel()) * sizeof(T));
  });
}

}  // namespace kindling
