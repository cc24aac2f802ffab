// The pieces of a .kndz file: what they hold once they are decoded. Internal to io/. docs/kndz.md describes them.
#pragma once

#include <string>
#include <string_view>

#include <kindling/io/byte_reader.h>
#include <kindling/io/kndz_format.h>

namespace kindling::kndz {

/// A row of the table: a tensor without its contents.
struct Row {
  CodedTensor tensor;
  uint32_t parameter = 0, bytes = 0;
};

/// Says that a tensor's piece, which begins there, is wrong.
struct Place {
  const std::string& path;
  int64_t offset;
  const std::string& name;

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    refuse(path, offset, "tensor \"", name, "\": ", parts...);
  }
};

/// Fills in the contents of the row's tensor from its piece. The models go on from piece to piece.
/// Both throw FileError if the piece is not of a tensor like this.
void decode_range(Row& row, std::string_view piece, const Place& place, Models& models);
void decode_huffman(Row& row, std::string_view piece, const Place& place);

}  // namespace kindling::kndz
