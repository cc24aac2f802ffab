#include <kindling/io/tensor_file.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <kindling/io/caffe.h>
#include <kindling/io/deep_compression.h>
#include <kindling/io/kndz.h>
#include <kindling/io/npy.h>
#include <kindling/io/pytorch.h>

namespace kindling {
namespace {

struct Ending {
  std::string_view text;
  FileFormat format;
};
constexpr Ending kEndings[] = {{".pth", FileFormat::pytorch},      {".pt", FileFormat::pytorch},
                               {".caffemodel", FileFormat::caffe}, {".net", FileFormat::deep_compression},
                               {".kndz", FileFormat::kndz},        {".npy", FileFormat::npy},
                               {".npz", FileFormat::npz}};

/// The layer and the kind of a tensor's name: "fire2/squeeze1x1" and "weight".
std::pair<std::string, std::string> split(const std::string& name) {
  const size_t slash = name.rfind('/');
  return slash == std::string::npos ? std::pair(name, std::string())
                                    : std::pair(name.substr(0, slash), name.substr(slash + 1));
}

/// The inverse of to_tensor_file(): tensors that follow each other and have one layer's name are
/// that layer's blobs.
CaffeNet to_caffe_net(const std::string& path, const std::vector<NamedTensor>& tensors) {
  CaffeNet net{path, "", {}};
  for (const NamedTensor& tensor : tensors) {
    const auto [layer, kind] = split(tensor.name);
    if (net.layers.empty() || net.layers.back().name != layer) {
      const int64_t rank = tensor.value.rank();
      const bool is_weight = kind == "weight", is_norm = kind == "mean";
      if (layer.empty() || !(is_norm || (is_weight && (rank == 1 || rank == 2 || rank == 4))))
        throw FileError(path + ": Caffe has no layer whose first tensor is \"" + tensor.name + "\"");
      net.layers.push_back({layer,
                            is_norm     ? "BatchNorm"
                            : rank == 4 ? "Convolution"
                            : rank == 2 ? "InnerProduct"
                                        : "Scale",
                            {}});
    }
    net.layers.back().blobs.push_back(tensor.value);
  }
  return net;
}

}  // namespace

StoredTensor::StoredTensor(std::string name, std::string dtype, const Tensor& in_memory)
    : StoredTensor(std::move(name), std::move(dtype), in_memory.shape(), [in_memory] { return in_memory; }) {}

StoredTensor::StoredTensor(std::string name, std::string dtype, const Shape& shape, std::function<Tensor()> value)
    : name(std::move(name)), dtype(std::move(dtype)), shape(shape), value(std::move(value)) {}

const char* name_of(FileFormat format) {
  switch (format) {
    case FileFormat::pytorch:
      return "PyTorch";
    case FileFormat::caffe:
      return "Caffe";
    case FileFormat::deep_compression:
      return "Deep Compression";
    case FileFormat::kndz:
      return "kndz";
    case FileFormat::npy:
      return "npy";
    case FileFormat::npz:
      return "npz";
    case FileFormat::safetensors:
      break;
  }
  return "safetensors";
}

FileFormat format_of_name(const std::string& path) {
  const auto* const found =
      std::find_if(std::begin(kEndings), std::end(kEndings), [&](const Ending& e) { return path.ends_with(e.text); });
  return found == std::end(kEndings) ? FileFormat::safetensors : found->format;
}

FileFormat format_of_file(const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) return FileFormat::safetensors;  // whose reader says what is wrong
  char first[9] = {};
  std::ifstream(path, std::ios::binary).read(first, sizeof first);
  const std::string_view bytes(first, sizeof first);
  const FileFormat by_name = format_of_name(path);
  if (by_name == FileFormat::caffe || by_name == FileFormat::deep_compression)
    return by_name;  // may begin with anything
  if (bytes.starts_with("PK\x03\x04")) return by_name == FileFormat::npz ? by_name : FileFormat::pytorch;
  if (bytes.starts_with("KNDZ")) return FileFormat::kndz;
  if (bytes.starts_with("\x93NUMPY")) return FileFormat::npy;
  if (bytes[8] == '{') return FileFormat::safetensors;
  return bytes.starts_with("\x80\x02") ? FileFormat::pytorch : by_name;
}

bool holds_notes(FileFormat format) {
  return format == FileFormat::safetensors || format == FileFormat::pytorch || format == FileFormat::kndz;
}

TensorFile read_tensor_file(const std::string& path) {
  switch (format_of_file(path)) {
    case FileFormat::pytorch:
      return read_pytorch(path);
    case FileFormat::caffe:
      return to_tensor_file(read_caffemodel(path));
    case FileFormat::deep_compression:
      return read_deep_compression(path);
    case FileFormat::kndz:
      return read_kndz_weights(path);
    case FileFormat::npy:
      return read_npy(path);
    case FileFormat::npz:
      return read_npz(path);
    case FileFormat::safetensors:
      break;
  }
  return read_safetensors(path);
}

void write_tensor_file(const std::string& path, FileFormat format, const std::vector<NamedTensor>& tensors,
                       const Metadata& notes) {
  switch (format) {
    case FileFormat::pytorch:
      return write_pytorch(path, tensors, notes);
    case FileFormat::caffe:
      return write_caffemodel(path, to_caffe_net(path, tensors));
    case FileFormat::deep_compression:
      throw FileError(path + ": a .net file holds codes, not weights: write_deep_compression() writes it");
    case FileFormat::kndz: {
      std::vector<CodedTensor> plain;
      for (const NamedTensor& tensor : tensors) plain.push_back(plain_tensor(tensor.name, tensor.value));
      write_kndz(path, plain, notes);
      return;
    }
    case FileFormat::npy:
      if (tensors.size() != 1)
        throw FileError(path + ": an .npy file holds one array, not " + std::to_string(tensors.size()) +
                        ": name an .npz file");
      return write_npy(path, tensors[0].value);
    case FileFormat::npz:
      return write_npz(path, tensors);
    case FileFormat::safetensors:
      write_safetensors(path, tensors, notes);
  }
}

TensorFile read_safetensors(const std::string& path) {
  return to_tensor_file(std::make_shared<const SafetensorsFile>(path));
}

TensorFile to_tensor_file(std::shared_ptr<const SafetensorsFile> file) {
  TensorFile result{file->path(), {}, file->metadata()};
  for (const TensorEntry& entry : file->entries())
    result.tensors.emplace_back(entry.name, entry.dtype, entry.shape, [file, &entry] { return file->read(entry); });
  return result;
}

}  // namespace kindling
