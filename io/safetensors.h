// The safetensors format: named tensors in one file. Eight bytes of header length (little-endian), a JSON header with
// each tensor's dtype, shape and byte range, then the elements. https://github.com/huggingface/safetensors
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <kindling/tensor/tensor.h>

namespace kindling {

struct NamedTensor {
  std::string name;
  Tensor value;
};

/// Notes in a file's header ("__metadata__"): text under names.
using Metadata = std::map<std::string, std::string>;

/// One tensor as the header describes it.
struct TensorEntry {
  std::string name;
  std::string
      dtype;  ///< as in the file: "F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U32", "U16", "U8" or "BOOL"
  Shape shape;
  int64_t offset = 0;  ///< of the first element, in bytes from the start of the file
  int64_t bytes = 0;
  std::optional<uint32_t> crc32 = {};  ///< checksum of these bytes; nothing if the file has none
};

/// An open file whose header has been checked in every respect: the JSON has no repeated names, the
/// dtypes are known, the shapes fit their byte ranges, and the ranges cover the data without
/// overlap or hole. Whatever is wrong throws FileError "<path>: byte <offset>: <what>". Files of
/// write_safetensors() also have checksums, of the header and of each tensor, which find a single
/// changed bit.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::string& path() const { return path_; }
  /// In file order.
  const std::vector<TensorEntry>& entries() const { return entries_; }
  /// Without the checksums.
  const Metadata& metadata() const { return metadata_; }
  bool has_checksums() const { return has_checksums_; }
  /// The entry of this name, or null.
  const TensorEntry* find(const std::string& name) const;
  /// The elements of one entry. F16 and BF16 become f32, BOOL becomes u8, and the other integers
  /// become i64. Throws FileError if the checksum is wrong.
  Tensor read(const TensorEntry& entry) const;
  /// As above, by name. Throws FileError if there is no such tensor.
  Tensor read(const std::string& name) const;

 private:
  void read_elements(const TensorEntry& entry, void* to) const;

  std::string path_;
  int descriptor_ = -1;
  bool has_checksums_ = false;
  std::vector<TensorEntry> entries_;
  std::unordered_map<std::string_view, size_t> index_;  // of an entry by its name
  Metadata metadata_;
};

/// Writes the tensors in their order, but wider elements first, so that all are aligned. Writes
/// atomically (see AtomicFile). The checksums are the metadata's entry "kindling_crc32", which
/// other readers ignore. The bytes depend on the arguments alone. Throws FileError if a name
/// repeats or is "__metadata__", or if the file cannot be written.
void write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors, const Metadata& metadata = {});

}  // namespace kindling
