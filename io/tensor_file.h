// Files of named tensors, in the formats of other programs. Here a file's tensors have its own names and its own order
// of axes; io/ knows nothing of models.
#pragma once

#include <string>
#include <vector>

#include <kindling/io/safetensors.h>

namespace kindling {

/// A tensor of a file.
struct StoredTensor {
  std::string name;
  std::string dtype;  ///< in the file: "F64", "F32", "F16", "BF16", "I64" to "I8", "U64" to "U8" or "BOOL"
  Tensor value;       ///< F16 and BF16 as f32, U8 and BOOL as u8, other integers as i64
};

/// Everything in a file.
struct TensorFile {
  std::string path;
  std::vector<StoredTensor> tensors;  ///< in the file's order
  Metadata metadata;                  ///< notes, where the format has any
};

/// Whole, with checked checksums.
TensorFile read_safetensors(const std::string& path);

}  // namespace kindling
