// Walks over protobuf's messages where they lie: nothing is copied, and every error knows its byte. Internal to io/.
//
// A message is a row of fields. A field is a tag, which is 8 * number + kind, and its contents. What they are depends
// on the kind: 0 is a varint, a number of 7 bits a byte, lowest first, whose last byte is below 128; 1 is 8 bytes; 5 is
// 4 bytes; 2 is a length and so many bytes, as of text, of another message, or of many numbers.
// https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <kindling/io/byte_reader.h>

namespace kindling {

struct ProtobufField {
  enum class Kind : uint8_t { varint = 0, eight_bytes = 1, length = 2, four_bytes = 5 };

  uint64_t number = 0;
  Kind kind = Kind::varint;
  int64_t tag_offset = 0;  ///< in the file, of the tag
  int64_t offset = 0;      ///< in the file, of `bytes`
  uint64_t value = 0;      ///< of a varint
  std::string_view bytes;  ///< of the other kinds
};

/// The number at the reader's place. Throws FileError if it does not fit 64 bits.
inline uint64_t read_varint(ByteReader& reader) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = reader.number<uint8_t>("a number");
    const uint64_t bits = byte & 127U;
    if (shift == 63 && bits > 1) break;
    value |= bits << shift;
    if (byte < 128) return value;
  }
  reader.fail("a number of more than 64 bits ends here");
}

/// The field at the reader's place. Throws FileError if it does not end with the message.
inline ProtobufField read_field(ByteReader& reader) {
  using Kind = ProtobufField::Kind;
  ProtobufField field;
  field.tag_offset = reader.offset();
  const uint64_t tag = read_varint(reader);
  field.number = tag >> 3;
  field.kind = static_cast<Kind>(tag & 7);
  const bool known = field.kind <= Kind::length || field.kind == Kind::four_bytes;
  if (!known || field.number == 0 || tag > UINT32_MAX)
    refuse(reader.path(), field.tag_offset, "no protobuf: a field has the number ", field.number, " and the kind ",
           tag & 7);
  if (field.kind == Kind::varint) {
    field.value = read_varint(reader);
    return field;
  }
  const uint64_t bytes = field.kind == Kind::length ? read_varint(reader) : field.kind == Kind::four_bytes ? 4 : 8;
  field.offset = reader.offset();
  field.bytes = reader.take(bytes, "a field");
  return field;
}

/// Throws FileError, which names the field as `what`, unless it is of that kind.
inline void check_kind(const std::string& path, const ProtobufField& field, ProtobufField::Kind kind,
                       const char* what) {
  if (field.kind == kind) return;
  refuse(path, field.tag_offset, what, " is of the kind ", static_cast<int>(field.kind), ", it should be of ",
         static_cast<int>(kind));
}

/// Calls f(field) for each field of the message that `bytes` are; `offset` is their place in the
/// file.
template <class F>
void for_each_field(const std::string& path, std::string_view bytes, int64_t offset, F f) {
  ByteReader reader(path, bytes, offset);
  while (!reader.at_end()) f(read_field(reader));
}

}  // namespace kindling
