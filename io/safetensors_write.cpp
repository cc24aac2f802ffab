// Writing safetensors files.
#include <algorithm>
#include <nlohmann/json.hpp>

#include <kindling/io/atomic_file.h>
#include <kindling/io/crc32.h>
#include <kindling/io/elements.h>
#include <kindling/io/safetensors.h>
#include <kindling/io/safetensors_format.h>
#include <kindling/io/texts.h>

namespace kindling {
namespace {

using Json = nlohmann::json;

void check_names(const std::string& path, const std::vector<NamedTensor>& tensors, const Metadata& metadata) {
  if (metadata.contains(safetensors::kChecksumKey))
    throw FileError(path + ": metadata cannot be named \"" + safetensors::kChecksumKey + "\"");
  for (const NamedTensor& tensor : tensors)
    if (tensor.name == safetensors::kMetadataKey)
      throw FileError(path + ": a tensor cannot be named \"" + tensor.name + "\"");
  check_texts(path, tensors, metadata);
}

/// "00000000" for the header, then the checksum of each tensor.
std::string checksums(const std::vector<NamedTensor>& tensors) {
  std::string words(safetensors::kChecksumDigits, '0');
  for (const auto& [name, value] : tensors) words += " " + safetensors::hex(crc32(bytes_of(value)));
  return words;
}

std::string make_header(const std::vector<NamedTensor>& tensors, const Metadata& metadata) {
  std::string text(safetensors::kChecksumStart);
  text += checksums(tensors) + '"';
  for (const auto& [name, note] : metadata) text += ',' + Json(name).dump() + ':' + Json(note).dump();
  text += '}';
  int64_t offset = 0;
  for (const auto& [name, value] : tensors) {
    const int64_t end = offset + static_cast<int64_t>(bytes_of(value).size());
    text += ',' + Json(name).dump() + R"(:{"dtype":")" + file_dtype(value.dtype()) + R"(","shape":)" +
            Json(std::vector<int64_t>(value.shape().begin(), value.shape().end())).dump() + R"(,"data_offsets":[)" +
            std::to_string(offset) + ',' + std::to_string(end) + "]}";
    offset = end;
  }
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the elements are aligned in the file
  text.replace(safetensors::kChecksumStart.size(), safetensors::kChecksumDigits,
               safetensors::hex(safetensors::header_crc32(text)));
  return text;
}

}  // namespace

void write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors, const Metadata& metadata) {
  check_names(path, tensors, metadata);
  std::vector<NamedTensor> ordered = tensors;
  for (NamedTensor& tensor : ordered) tensor.value = tensor.value.contiguous();
  std::stable_sort(ordered.begin(), ordered.end(), [](const NamedTensor& a, const NamedTensor& b) {
    return size_of(a.value.dtype()) > size_of(b.value.dtype());
  });

  const std::string header = make_header(ordered, metadata);
  const uint64_t length = header.size();
  AtomicFile file(path);
  file.write(&length, sizeof length);
  file.write(header);
  for (const auto& [name, value] : ordered) file.write(bytes_of(value));
  file.commit();
}

}  // namespace kindling
