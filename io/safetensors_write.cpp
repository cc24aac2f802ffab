// Writing safetensors files.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include <kindling/io/atomic_file.h>
#include <kindling/io/safetensors.h>
#include <kindling/io/safetensors_format.h>

namespace kindling {
namespace {

using Json = nlohmann::ordered_json;

const char* file_dtype(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "F32";
    case DType::f64:
      return "F64";
    case DType::i64:
      return "I64";
    case DType::u8:
      break;
  }
  return "U8";
}

int64_t bytes_of(const Tensor& tensor) { return tensor.numel() * size_of(tensor.dtype()); }

void check_names(const std::string& path, const std::vector<NamedTensor>& tensors) {
  std::set<std::string> seen;
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name == safetensors::kMetadataKey)
      throw FileError(path + ": a tensor cannot be named \"" + tensor.name + "\"");
    if (!seen.insert(tensor.name).second) throw FileError(path + ": two tensors are named \"" + tensor.name + "\"");
  }
}

std::string make_header(const std::string& path, const std::vector<NamedTensor>& tensors, const Metadata& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header[safetensors::kMetadataKey] = metadata;
  int64_t offset = 0;
  for (const auto& [name, value] : tensors) {
    const int64_t end = offset + bytes_of(value);
    header[name] = {{"dtype", file_dtype(value.dtype())},
                    {"shape", std::vector<int64_t>(value.shape().begin(), value.shape().end())},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::type_error&) {
    throw FileError(path + ": names and metadata must be UTF-8");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the elements are aligned in the file
  return text;
}

}  // namespace

void write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors, const Metadata& metadata) {
  check_names(path, tensors);
  std::vector<NamedTensor> ordered = tensors;
  std::stable_sort(ordered.begin(), ordered.end(), [](const NamedTensor& a, const NamedTensor& b) {
    return size_of(a.value.dtype()) > size_of(b.value.dtype());
  });

  const std::string header = make_header(path, ordered, metadata);
  const uint64_t length = header.size();
  AtomicFile file(path);
  file.write(&length, sizeof length);
  file.write(header);
  for (const NamedTensor& tensor : ordered) {
    const Tensor value = tensor.value.contiguous();
    visit(value.dtype(), [&](auto t) { file.write(value.data<decltype(t)>(), static_cast<size_t>(bytes_of(value))); });
  }
  file.commit();
}

}  // namespace kindling
