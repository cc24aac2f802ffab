// The elements of tensors as files have them. Internal to io/.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include <kindling/tensor/tensor.h>

namespace kindling {

/// Bytes of an element whose type in the file is "F64", "F32", "F16", "BF16", "I64", "I32", "I16",
/// "I8", "U32", "U16", "U8" or "BOOL" (safetensors' words, used for all formats); 0 for any other.
int64_t element_bytes(std::string_view dtype);

/// The dtype of the tensor that such elements become: F64 and F32 stay what they are, F16 and BF16
/// become f32, U8 and BOOL u8, the other integers i64. Nothing is rounded.
DType memory_dtype(std::string_view dtype);

/// "F32", "F64", "I64" or "U8".
const char* file_dtype(DType dtype);

/// The tensor of `shape` whose elements stand at `from`, one after the other (row by row), in
/// numel * element_bytes(dtype) bytes.
Tensor decode_elements(std::string_view dtype, const Shape& shape, const char* from,
                       std::endian order = std::endian::little);

/// The inverse, for "F32", "F16" and "BF16", little-endian: each f32 becomes the nearest number of
/// that type, of two that are equally near the even one. What is too large becomes infinite.
std::string encode_elements(std::string_view dtype, const Tensor& tensor);

/// The elements of a contiguous tensor as they are in memory. Valid while the tensor is.
std::string_view bytes_of(const Tensor& tensor);

}  // namespace kindling
