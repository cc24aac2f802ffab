#include <kindling/io/tensor_file.h>

namespace kindling {

TensorFile read_safetensors(const std::string& path) {
  const SafetensorsFile file(path);
  TensorFile result{path, {}, file.metadata()};
  for (const TensorEntry& entry : file.entries()) result.tensors.push_back({entry.name, entry.dtype, file.read(entry)});
  return result;
}

}  // namespace kindling
