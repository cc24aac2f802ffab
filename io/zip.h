// Zip archives, the containers of PyTorch's and NumPy's files. Internal to io/.
//
// An archive is read from its end. The last record says where the directory is. The directory has a
// record for each entry: name, method (0: stored, 8: deflated), CRC-32, both sizes, and where its
// data begin. There stands a second, local header before them, which repeats the name. Archives with
// more than 65,535 entries or 4 GB keep the larger numbers in additional records ("zip64").
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <kindling/io/atomic_file.h>
#include <kindling/io/byte_reader.h>

namespace kindling {

struct ZipEntry {
  std::string_view name;      ///< in the file
  int64_t offset = 0;         ///< of its data in the file
  uint64_t stored_bytes = 0;  ///< of its data in the file
  uint64_t bytes = 0;         ///< of its contents; the same unless they are deflated
  uint32_t crc32 = 0;         ///< of its contents
  bool deflated = false;
};

/// The contents of an entry.
class ZipContents {
 public:
  /// A part of the file. `place` is its offset.
  ZipContents(std::string path, std::string_view stored, int64_t place)
      : path_(std::move(path)), stored_(stored), place_(place) {}
  /// No part of the file. Messages then count bytes from the first of these.
  ZipContents(std::string path, std::string inflated) : path_(std::move(path)), inflated_(std::move(inflated)) {}

  std::string_view bytes() const { return inflated_.empty() ? stored_ : inflated_; }
  /// Valid while this object and the file's bytes are.
  ByteReader reader() const { return {path_, bytes(), place_}; }

 private:
  std::string path_, inflated_;
  std::string_view stored_;
  int64_t place_ = 0;
};

/// An archive whose directory has been checked: the entries lie in the file without overlap, no
/// name repeats, and no entry says that it inflates to more than deflate can do (1032 times its
/// size). So all contents together have at most 1032 times the bytes of the file. Whatever is wrong
/// throws FileError with path and offset.
class ZipArchive {
 public:
  /// `file` is the whole file, and must outlive the archive.
  ZipArchive(std::string path, std::string_view file);

  /// In the directory's order.
  const std::vector<ZipEntry>& entries() const { return entries_; }
  /// The entry of this name, or null.
  const ZipEntry* find(const std::string& name) const;
  /// Throws FileError if the data are damaged: each entry has a checksum.
  ZipContents read(const ZipEntry& entry) const;

 private:
  std::string inflate(const ZipEntry& entry, std::string_view data) const;

  std::string path_;
  std::string_view file_;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string_view, size_t> index_;  // of an entry by its name
};

/// Writes an archive of stored entries, atomically. The bytes depend on the arguments alone: there
/// are no times. Contents begin at multiples of 64 bytes, as PyTorch's do, so that a program may
/// map the file and use them in place.
class ZipWriter {
 public:
  explicit ZipWriter(const std::string& path) : path_(path), file_(path) {}

  /// The contents are the parts, one after the other. Throws FileError if the archive grows beyond
  /// 4 GB or 65,535 entries.
  void add(const std::string& name, std::initializer_list<std::string_view> parts);
  /// Writes the directory. Call it once, last.
  void commit();

 private:
  void write(std::string_view bytes);

  std::string path_;
  AtomicFile file_;
  uint64_t offset_ = 0;  // of the next byte
  uint32_t entries_ = 0;
  std::string directory_;  // so far
};

}  // namespace kindling
