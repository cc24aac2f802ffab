// Facts of the safetensors format that its reader and writer share.
#pragma once

#include <bit>
#include <cstdint>

namespace kindling::safetensors {

static_assert(std::endian::native == std::endian::little, "tensors are stored as they are in memory: little-endian");

inline constexpr char kMetadataKey[] = "__metadata__";
inline constexpr int64_t kLengthBytes = 8;
/// Larger headers are refused, as by the format's own library.
inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;

}  // namespace kindling::safetensors
