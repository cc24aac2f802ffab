// Facts of PyTorch's files that their reader and writer share.
#pragma once

#include <cstdint>
#include <string_view>

namespace kindling::pytorch {

// Entries of the archive, after "NAME/".
inline constexpr char kProgram[] = "data.pkl";
inline constexpr char kStorages[] = "data/";
inline constexpr char kByteOrder[] = "byteorder";
inline constexpr char kMetadata[] = "extra/kindling.json";
inline constexpr uint64_t kMaxMetadataBytes = uint64_t{4} << 20;

// The legacy form begins with the pickle of the integer 0x1950a86a20f9469cfc6c, of which these are the bytes.
inline constexpr std::string_view kLegacyMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
inline constexpr int64_t kLegacyVersion = 1001;

}  // namespace kindling::pytorch
