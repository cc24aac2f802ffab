// Facts of the safetensors format that its reader and writer share.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace kindling::safetensors {

static_assert(std::endian::native == std::endian::little, "tensors are stored as they are in memory: little-endian");

inline constexpr char kMetadataKey[] = "__metadata__";
inline constexpr int64_t kLengthBytes = 8;
/// Larger headers are refused, as by the format's own library.
inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;

// Checksums, which the format itself lacks, are the first entry of the metadata. A header that has them begins so:
//   {"__metadata__":{"kindling_crc32":"1c291ca3 0f6ab34e ...
// The first is that of the 8 bytes of the length and of the header, in which it stands as 00000000 itself; then follows
// that of each tensor's bytes, in the order of their places.
inline constexpr char kChecksumKey[] = "kindling_crc32";
inline constexpr std::string_view kChecksumStart = R"({"__metadata__":{"kindling_crc32":")";
inline constexpr size_t kChecksumDigits = 8;

/// As kChecksumDigits lower-case hexadecimal digits.
std::string hex(uint32_t number);
/// The checksum of a header, in which its own checksum is zeros, and of the length before it.
uint32_t header_crc32(const std::string& header);

}  // namespace kindling::safetensors
