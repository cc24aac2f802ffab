// Facts of the zip format that its reader and writer share.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kindling::zip {

inline constexpr uint32_t kLocalSignature = 0x04034b50;      // "PK\3\4"
inline constexpr uint32_t kEntrySignature = 0x02014b50;      // "PK\1\2"
inline constexpr uint32_t kEndSignature = 0x06054b50;        // "PK\5\6"
inline constexpr uint32_t kEnd64Signature = 0x06064b50;      // "PK\6\6"
inline constexpr uint32_t kLocator64Signature = 0x07064b50;  // "PK\6\7"

inline constexpr size_t kLocalBytes = 30;
inline constexpr size_t kEndBytes = 22;
inline constexpr size_t kLocator64Bytes = 20;
/// Instead of a number that stands in a zip64 field.
inline constexpr uint32_t kIn64 = 0xFFFFFFFF;

inline constexpr uint16_t kStored = 0, kDeflated = 8;
/// A match of 258 bytes takes at least 2 bits.
inline constexpr uint64_t kMostInflation = 1032;

}  // namespace kindling::zip
