// Writing PyTorch's files.
#include <algorithm>
#include <nlohmann/json.hpp>

#include <kindling/io/elements.h>
#include <kindling/io/pytorch.h>
#include <kindling/io/pytorch_format.h>
#include <kindling/io/pytorch_state.h>
#include <kindling/io/texts.h>
#include <kindling/io/zip.h>

namespace kindling {
namespace {

using namespace pytorch;

constexpr char kArchive[] = "archive/";  // PyTorch's name too, where there is no file name

/// Operations of a pickle (see pickle.h), protocol 2.
class PickleWriter {
 public:
  void operation(char code) { program_ += code; }
  void operations(std::string_view codes) { program_ += codes; }
  void global(std::string_view module, std::string_view name) {
    program_.append("c").append(module).append("\n").append(name).append("\n");
  }
  void text(std::string_view text) {
    program_ += 'X';  // BINUNICODE
    put(static_cast<uint32_t>(text.size()));
    program_ += text;
  }
  void integer(int64_t number) {
    if (number <= INT32_MAX) {
      program_ += 'J';  // BININT
      put(static_cast<int32_t>(number));
    } else {
      program_ += "\x8a\x08";  // LONG1 of 8 bytes
      put(number);
    }
  }
  void tuple(const Shape& numbers) {
    program_ += '(';
    for (const int64_t number : numbers) integer(number);
    program_ += 't';
  }
  const std::string& program() const { return program_; }

 private:
  template <class T>
  void put(T number) {
    program_.append(reinterpret_cast<const char*>(&number), sizeof number);
  }

  std::string program_;
};

/// "FloatStorage".
std::string_view storage_name(DType dtype) {
  const auto types = storage_types();
  const auto type = std::find_if(types.begin(), types.end(), [&](auto& t) { return t.dtype == file_dtype(dtype); });
  return type->global.substr(type->global.find('.') + 1);
}

/// _rebuild_tensor_v2(storage, offset = 0, shape, strides, requires_grad = False, hooks =
/// OrderedDict())
void write_tensor(PickleWriter& to, const Tensor& tensor, size_t key) {
  to.global("torch._utils", "_rebuild_tensor_v2");
  to.operations("((");
  to.text("storage");
  to.global("torch", storage_name(tensor.dtype()));
  to.text(std::to_string(key));
  to.text("cpu");
  to.integer(tensor.numel());
  to.operations("tQ");  // TUPLE, BINPERSID: the storage
  to.integer(0);
  to.tuple(tensor.shape());
  to.tuple(contiguous_strides(tensor.shape()));
  to.operation('\x89');  // NEWFALSE
  to.global("collections", "OrderedDict");
  to.operations(")R");  // EMPTY_TUPLE, REDUCE: an empty OrderedDict
  to.operations("tR");  // the call of _rebuild_tensor_v2
}

std::string make_program(const std::vector<NamedTensor>& tensors) {
  PickleWriter to;
  to.operations("\x80\x02");  // PROTO 2
  to.global("collections", "OrderedDict");
  to.operations(")R(");  // an empty OrderedDict, MARK
  for (size_t key = 0; key < tensors.size(); ++key) {
    to.text(tensors[key].name);
    write_tensor(to, tensors[key].value, key);
  }
  to.operations("u.");  // SETITEMS, STOP
  return to.program();
}

}  // namespace

void write_pytorch(const std::string& path, const std::vector<NamedTensor>& tensors, const Metadata& metadata) {
  check_texts(path, tensors, metadata);
  const std::string notes = metadata.empty() ? "" : nlohmann::json(metadata).dump();
  if (notes.size() > kMaxMetadataBytes) throw FileError(path + ": the metadata have more than 4 MB");
  const std::string archive = kArchive;
  ZipWriter file(path);
  file.add(archive + kProgram, {make_program(tensors)});
  file.add(archive + kByteOrder, {"little"});
  for (size_t key = 0; key < tensors.size(); ++key)
    file.add(archive + kStorages + std::to_string(key), {bytes_of(tensors[key].value.contiguous())});
  file.add(archive + "version", {"3\n"});
  if (!notes.empty()) file.add(archive + kMetadata, {notes});
  file.commit();
}

}  // namespace kindling
