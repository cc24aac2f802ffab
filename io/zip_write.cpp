// Writing zip archives.
#include <kindling/io/byte_writer.h>
#include <kindling/io/crc32.h>
#include <kindling/io/zip.h>
#include <kindling/io/zip_format.h>

namespace kindling {
namespace {

using namespace zip;

constexpr size_t kAlignment = 64;         // as PyTorch's
constexpr uint16_t kPaddingId = 0x4246;   // "FB", the extra field that PyTorch pads with
constexpr uint16_t kVersion = 20;         // of the format, 2.0
constexpr uint16_t kUtf8 = 0x0800;        // names are UTF-8
constexpr uint32_t kNoTime = 0x00210000;  // 1 January 1980, 0:00

/// What the local header and the record of the directory have in common.
std::string common_fields(const std::string& name, uint32_t sum, uint32_t bytes, uint16_t extra_bytes) {
  std::string fields;
  append_number(fields, kVersion);
  append_number(fields, kUtf8);
  append_number(fields, kStored);
  append_number(fields, kNoTime);
  append_number(fields, sum);
  append_number(fields, bytes);
  append_number(fields, bytes);
  append_number(fields, static_cast<uint16_t>(name.size()));
  append_number(fields, extra_bytes);
  return fields;
}

}  // namespace

void ZipWriter::write(std::string_view bytes) {
  file_.write(bytes);
  offset_ += bytes.size();
}

void ZipWriter::add(const std::string& name, std::initializer_list<std::string_view> parts) {
  uint64_t bytes = 0;
  uint32_t sum = 0;
  for (const std::string_view part : parts) {
    sum = crc32(part, sum);
    bytes += part.size();
  }
  if (name.size() > 0x7FFF) throw FileError(path_ + ": a name of " + std::to_string(name.size()) + " bytes");
  if (entries_ == 0xFFFE || offset_ + bytes + directory_.size() > 0xF0000000)
    throw FileError(path_ + ": would have more than 4 GB or 65,534 entries; a safetensors file may");

  const size_t unpadded = offset_ + kLocalBytes + name.size() + 4;  // 4: the padding's own header
  const auto padding = static_cast<uint16_t>((kAlignment - unpadded % kAlignment) % kAlignment);
  std::string header;
  append_number(header, kLocalSignature);
  header += common_fields(name, sum, static_cast<uint32_t>(bytes), static_cast<uint16_t>(4 + padding)) + name;
  append_number(header, kPaddingId);
  append_number(header, padding);
  header.append(padding, 'Z');

  append_number(directory_, kEntrySignature);
  append_number(directory_, kVersion);  // of the writer
  directory_ += common_fields(name, sum, static_cast<uint32_t>(bytes), 0);
  directory_.append(10, '\0');  // comment, disk and attributes
  append_number(directory_, static_cast<uint32_t>(offset_));
  directory_ += name;

  ++entries_;
  write(header);
  for (const std::string_view part : parts) write(part);
}

void ZipWriter::commit() {
  std::string end;
  append_number(end, kEndSignature);
  append_number(end, uint32_t{0});  // disks
  append_number(end, static_cast<uint16_t>(entries_));
  append_number(end, static_cast<uint16_t>(entries_));
  append_number(end, static_cast<uint32_t>(directory_.size()));
  append_number(end, static_cast<uint32_t>(offset_));
  append_number(end, uint16_t{0});  // comment
  write(directory_ + end);
  file_.commit();
}

}  // namespace kindling
