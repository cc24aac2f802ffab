// Files of named tensors, in the formats of other programs. Here a file's tensors have its own names and its own order
// of axes; io/ knows nothing of models.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <kindling/io/safetensors.h>

namespace kindling {

/// A tensor of a file.
struct StoredTensor {
  StoredTensor(std::string name, std::string dtype, const Tensor& in_memory);
  StoredTensor(std::string name, std::string dtype, const Shape& shape, std::function<Tensor()> value);

  std::string name;
  std::string dtype;  ///< in the file: "F64", "F32", "F16", "BF16", "I64" to "I8", "U64" to "U8" or "BOOL"
  Shape shape;
  /// The elements: F16 and BF16 as f32, U8 and BOOL as u8, other integers as i64. Those of
  /// safetensors are read when they are asked for, and each time anew. Throws FileError if that
  /// fails, or if the checksum is wrong.
  std::function<Tensor()> value;
};

/// Everything in a file.
struct TensorFile {
  std::string path;
  std::vector<StoredTensor> tensors;  ///< in the file's order
  Metadata metadata;                  ///< notes, where the format has any
};

/// Reads the header. The file stays open as long as a tensor of it is left.
TensorFile read_safetensors(const std::string& path);
/// The same of a file that is open already.
TensorFile to_tensor_file(std::shared_ptr<const SafetensorsFile> file);

enum class FileFormat : uint8_t { safetensors, pytorch, caffe, deep_compression, kndz, npy, npz };

/// "safetensors", "PyTorch", "Caffe", "Deep Compression", "kndz", "npy", "npz".
const char* name_of(FileFormat format);
/// The format of a file, by its first bytes, or by its name where these tell nothing. Throws
/// FileError if it cannot be read.
FileFormat format_of_file(const std::string& path);
/// The format that a name asks for, by its ending; safetensors for an ending of no other.
FileFormat format_of_name(const std::string& path);
/// Whether files of that format have a place for notes.
bool holds_notes(FileFormat format);

/// Reads a file of any format, but see StoredTensor::value. Throws FileError if it cannot be read
/// or is damaged.
///
/// Memory is bounded by the file's bytes: tensors take at most as many, twice as many if they are
/// of 16-bit floats or 32-bit integers, and 4 or 8 times as many if of 16-bit or 8-bit integers,
/// which become i64. Deflated entries of .npz and .pth count with the bytes that they inflate to,
/// at most 1032 times their own. Views in a .pth that are no rows in order are copied, to at most
/// twice the file and 64 MB. Deep Compression always gives the 5 MB of its network, and .kndz at
/// most 4096 bytes for each of its own.
TensorFile read_tensor_file(const std::string& path);
/// Writes a file, atomically. `notes` must be empty where the format holds none. Throws FileError
/// if it cannot be written.
void write_tensor_file(const std::string& path, FileFormat format, const std::vector<NamedTensor>& tensors,
                       const Metadata& notes);

}  // namespace kindling
