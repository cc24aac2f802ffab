// Reading zip archives, which may come from anywhere. https://pkware.cachefly.net/webdocs/APPNOTE/APPNOTE-6.3.9.TXT
#include <zlib.h>

#include <algorithm>

#include <kindling/io/crc32.h>
#include <kindling/io/zip.h>
#include <kindling/io/zip_format.h>

namespace kindling {
namespace {

using namespace zip;

struct Directory {
  uint64_t entries, bytes, offset;
};

/// Where the last record of the archive begins. A comment of up to 65,535 bytes may follow it.
size_t find_end_record(const std::string& path, std::string_view file) {
  const size_t last = file.size() < kEndBytes ? 0 : file.size() - kEndBytes;
  const size_t first = last < 0xFFFF ? 0 : last - 0xFFFF;
  for (size_t place = last + 1; place-- > first && file.size() >= kEndBytes;) {
    if (file.substr(place, 4) != "PK\5\6") continue;
    ByteReader record(path, file.substr(place), static_cast<int64_t>(place));
    record.take(kEndBytes - 2, "the end record");
    if (record.number<uint16_t>("the end record") == record.left()) return place;
  }
  refuse(path, static_cast<int64_t>(file.size()),
         "no zip archive ends here: the file is cut off, or it is of another kind");
}

/// The directory as the record of zip64 tells it, if there is one.
bool find_directory64(const std::string& path, std::string_view file, size_t end, Directory& found) {
  if (end < kLocator64Bytes) return false;
  ByteReader locator(path, file.substr(end - kLocator64Bytes, kLocator64Bytes));
  if (locator.number<uint32_t>("a signature") != kLocator64Signature) return false;
  locator.take(4, "the number of a disk");
  const uint64_t place = locator.number<uint64_t>("an offset");
  if (place > end) refuse(path, static_cast<int64_t>(end), "the zip64 record is said to be at byte ", place);
  ByteReader record(path, file.substr(place, end - place), static_cast<int64_t>(place));
  if (record.number<uint32_t>("the zip64 record") != kEnd64Signature) record.fail("this is no zip64 record");
  record.take(28, "the zip64 record");
  found.entries = record.number<uint64_t>("the zip64 record");
  found.bytes = record.number<uint64_t>("the zip64 record");
  found.offset = record.number<uint64_t>("the zip64 record");
  return true;
}

Directory find_directory(const std::string& path, std::string_view file) {
  const size_t end = find_end_record(path, file);
  Directory found{};
  if (!find_directory64(path, file, end, found)) {
    ByteReader record(path, file.substr(end), static_cast<int64_t>(end));
    record.take(10, "the end record");
    found.entries = record.number<uint16_t>("the end record");
    found.bytes = record.number<uint32_t>("the end record");
    found.offset = record.number<uint32_t>("the end record");
  }
  if (found.offset > end || found.bytes > end - found.offset)
    refuse(path, static_cast<int64_t>(end), "the directory is said to have ", found.bytes, " bytes from byte ",
           found.offset, " on, but it ends before byte ", end);
  return found;
}

/// Numbers of the directory that do not fit into 4 bytes are 0xFFFFFFFF there, and stand in this
/// order in the field 1 of the record's extra fields.
void read_extra64(ByteReader extra, ZipEntry& entry) {
  while (extra.left() >= 4) {
    const auto id = extra.number<uint16_t>("an extra field");
    const std::string_view field = extra.take(extra.number<uint16_t>("an extra field"), "an extra field");
    if (id != 1) continue;
    ByteReader numbers(extra.path(), field, extra.offset() - static_cast<int64_t>(field.size()));
    if (entry.bytes == kIn64) entry.bytes = numbers.number<uint64_t>("a size");
    if (entry.stored_bytes == kIn64) entry.stored_bytes = numbers.number<uint64_t>("a size");
    if (entry.offset == kIn64) entry.offset = numbers.number<int64_t>("an offset");
  }
}

/// One record of the directory. The entry's offset is still that of its local header.
ZipEntry read_entry(ByteReader& directory) {
  ZipEntry entry;
  const int64_t place = directory.offset();
  if (directory.number<uint32_t>("a record of the directory") != kEntrySignature)
    refuse(directory.path(), place, "here should begin a record of the directory");
  directory.take(4, "versions");
  const auto flags = directory.number<uint16_t>("flags");
  const auto method = directory.number<uint16_t>("a method");
  directory.take(4, "a time");
  entry.crc32 = directory.number<uint32_t>("a checksum");
  entry.stored_bytes = directory.number<uint32_t>("a size");
  entry.bytes = directory.number<uint32_t>("a size");
  const auto name_bytes = directory.number<uint16_t>("a length");
  const auto extra_bytes = directory.number<uint16_t>("a length");
  const auto comment_bytes = directory.number<uint16_t>("a length");
  directory.take(8, "attributes");
  entry.offset = directory.number<uint32_t>("an offset");
  entry.name = directory.take(name_bytes, "a name");
  const int64_t extra_place = directory.offset();
  read_extra64(ByteReader(directory.path(), directory.take(extra_bytes, "extra fields"), extra_place), entry);
  directory.take(comment_bytes, "a comment");

  const auto fail = [&](auto... parts) { refuse(directory.path(), place, "entry \"", entry.name, "\" ", parts...); };
  entry.deflated = method == kDeflated;
  if ((flags & 1) != 0) fail("is encrypted");
  if (method != kStored && method != kDeflated) fail("is compressed by method ", method, ", which is not read");
  if (!entry.deflated && entry.bytes != entry.stored_bytes)
    fail("is stored as it is, but with ", entry.stored_bytes, " bytes for its ", entry.bytes);
  if (entry.bytes / kMostInflation > entry.stored_bytes)
    fail("has ", entry.stored_bytes, " bytes, which cannot inflate to ", entry.bytes);
  return entry;
}

/// Moves the entry's offset from its local header to its data, which must end before `end`.
void find_data(const std::string& path, std::string_view file, uint64_t end, ZipEntry& entry) {
  const auto fail = [&](auto... parts) { refuse(path, entry.offset, "entry \"", entry.name, "\" ", parts...); };
  if (entry.offset < 0 || static_cast<uint64_t>(entry.offset) > end) fail("is outside the file");
  ByteReader header(path, file.substr(0, end).substr(static_cast<size_t>(entry.offset)), entry.offset);
  if (header.number<uint32_t>("a header") != kLocalSignature) fail("has no header here");
  header.take(22, "a header");
  const auto name_bytes = header.number<uint16_t>("a length");
  const auto extra_bytes = header.number<uint16_t>("a length");
  if (header.take(name_bytes, "a name") != entry.name) fail("has another name here");
  header.take(extra_bytes, "extra fields");
  if (entry.stored_bytes > header.left())
    fail("has ", entry.stored_bytes, " bytes, of which only ", header.left(), " are there");
  entry.offset = header.offset();
}

/// `places` are those of the local headers.
void check_no_overlap(const std::string& path, const std::vector<ZipEntry>& entries, std::vector<int64_t> places) {
  std::vector<int64_t> ends;
  for (const ZipEntry& entry : entries) ends.push_back(entry.offset + static_cast<int64_t>(entry.stored_bytes));
  std::sort(places.begin(), places.end());
  std::sort(ends.begin(), ends.end());
  for (size_t i = 1; i < places.size(); ++i)
    if (places[i] < ends[i - 1]) refuse(path, places[i], "entries overlap here");
}

}  // namespace

ZipArchive::ZipArchive(std::string path, std::string_view file) : path_(std::move(path)), file_(file) {
  const Directory found = find_directory(path_, file);
  ByteReader directory(path_, file.substr(found.offset, found.bytes), static_cast<int64_t>(found.offset));
  std::vector<int64_t> headers;
  for (uint64_t i = 0; i < found.entries; ++i) {
    const int64_t place = directory.offset();
    ZipEntry entry = read_entry(directory);
    headers.push_back(entry.offset);
    find_data(path_, file, found.offset, entry);
    if (!index_.emplace(entry.name, entries_.size()).second)
      refuse(path_, place, "a second entry is named \"", entry.name, "\"");
    entries_.push_back(entry);
  }
  if (!directory.at_end()) directory.fail("the directory should end here");
  check_no_overlap(path_, entries_, std::move(headers));
}

const ZipEntry* ZipArchive::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

std::string ZipArchive::inflate(const ZipEntry& entry, std::string_view data) const {
  std::string contents(entry.bytes, '\0');
  const auto fail = [&] { refuse(path_, entry.offset, "entry \"", entry.name, "\": its compressed data are damaged"); };
  z_stream stream{};
  constexpr int kNoHeader = -15;  // of zlib, which zip does without; a window of 2^15 bytes
  if (inflateInit2(&stream, kNoHeader) != Z_OK) fail();
  size_t taken = 0, made = 0;
  int status = Z_OK;
  while (status == Z_OK) {  // in pieces: zlib counts in 32 bits
    constexpr size_t kPiece = size_t{1} << 30;
    const size_t in = std::min(data.size() - taken, kPiece), out = std::min(contents.size() - made, kPiece);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data() + taken));
    stream.next_out = reinterpret_cast<Bytef*>(contents.data() + made);
    stream.avail_in = static_cast<uInt>(in);
    stream.avail_out = static_cast<uInt>(out);
    status = ::inflate(&stream, Z_NO_FLUSH);
    taken += in - stream.avail_in;
    made += out - stream.avail_out;
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END || taken != data.size() || made != contents.size()) fail();
  return contents;
}

ZipContents ZipArchive::read(const ZipEntry& entry) const {
  const std::string_view data = file_.substr(static_cast<size_t>(entry.offset), entry.stored_bytes);
  ZipContents contents = entry.deflated
                             ? ZipContents(path_ + ": in \"" + std::string(entry.name) + '"', inflate(entry, data))
                             : ZipContents(path_, data, entry.offset);
  if (crc32(contents.bytes()) != entry.crc32)
    refuse(path_, entry.offset, "entry \"", entry.name, "\": its checksum is wrong: the file is damaged");
  return contents;
}

}  // namespace kindling
