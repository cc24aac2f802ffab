// Reading PyTorch's files, which may come from anywhere.
#include <nlohmann/json.hpp>

#include <kindling/io/atomic_file.h>
#include <kindling/io/elements.h>
#include <kindling/io/pickle.h>
#include <kindling/io/pytorch.h>
#include <kindling/io/pytorch_format.h>
#include <kindling/io/pytorch_state.h>
#include <kindling/io/zip.h>

namespace kindling {
namespace {

using namespace pytorch;
using pickle::Kind;
using pickle::Pickle;
using pickle::Value;

/// Bytes of the storage in the file; UINT64_MAX if they cannot be counted.
uint64_t bytes_of(const StorageId& id) {
  uint64_t bytes = 0;
  const bool overflow = __builtin_mul_overflow(id.numel, element_bytes(id.dtype), &bytes);
  return overflow ? UINT64_MAX : bytes;
}

// ---- The zip form

/// "NAME/" of NAME/data.pkl.
std::string find_prefix(const std::string& path, const ZipArchive& archive) {
  for (const ZipEntry& entry : archive.entries()) {
    const size_t slash = entry.name.find('/');
    if (slash == std::string_view::npos || entry.name.substr(slash + 1) != kProgram) continue;
    const std::string prefix(entry.name.substr(0, slash + 1));
    if (archive.find(prefix + "constants.pkl") != nullptr)
      throw FileError(path + ": is a TorchScript program, not weights: write model.state_dict() with torch.save");
    return prefix;
  }
  throw FileError(path + ": is a zip archive, but none that torch.save writes: it has no entry \"NAME/data.pkl\"");
}

std::endian byte_order(const std::string& path, const ZipArchive& archive, const std::string& prefix) {
  const ZipEntry* entry = archive.find(prefix + kByteOrder);
  if (entry == nullptr) return std::endian::little;
  const ZipContents contents = archive.read(*entry);
  if (contents.bytes() != "little" && contents.bytes() != "big")
    refuse(path, entry->offset, "the byte order is neither little nor big");
  return contents.bytes() == "big" ? std::endian::big : std::endian::little;
}

void read_metadata(const std::string& path, const ZipArchive& archive, const std::string& prefix, Metadata& metadata) {
  const ZipEntry* entry = archive.find(prefix + kMetadata);
  if (entry == nullptr) return;
  const auto fail = [&] { refuse(path, entry->offset, "the metadata are not a JSON object of texts"); };
  if (entry->bytes > kMaxMetadataBytes) fail();
  const ZipContents contents = archive.read(*entry);
  const auto json = nlohmann::json::parse(contents.bytes(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) fail();
  for (const auto& [name, text] : json.items()) {
    if (!text.is_string()) fail();
    metadata[name] = text.get<std::string>();
  }
}

TensorFile read_zip(const std::string& path, std::string_view file) {
  const ZipArchive archive(path, file);
  const std::string prefix = find_prefix(path, archive);
  const std::endian order = byte_order(path, archive, prefix);
  const ZipContents program = archive.read(*archive.find(prefix + kProgram));
  ByteReader in = program.reader();
  const Pickle state = pickle::read_pickle(in, allowed_globals());
  if (!in.at_end()) in.fail("the pickle ends here, ", in.left(), " bytes early");

  const auto load = [&](const StorageId& id) {
    const ZipEntry* entry = archive.find(prefix + kStorages + std::string(id.key));
    if (entry == nullptr) refuse(in.path(), id.place, "the file has no storage \"", id.key, "\"");
    if (entry->bytes != bytes_of(id))
      refuse(in.path(), id.place, "storage \"", id.key, "\" of ", id.numel, " ", id.dtype, " has ", entry->bytes,
             " bytes");
    return decode_elements(id.dtype, {id.numel}, archive.read(*entry).bytes().data(), order);
  };
  TensorFile result = StateReader(in.path(), static_cast<int64_t>(file.size()), load).read(state.root());
  result.path = path;
  read_metadata(path, archive, prefix, result.metadata);
  return result;
}

// ---- The legacy form

void read_legacy_header(ByteReader& in) {
  const Pickle magic = pickle::read_pickle(in, allowed_globals());
  if (magic.root().kind != Kind::other || magic.root().text != kLegacyMagic)
    refuse(in.path(), 0, "a pickle, but not of torch.save");
  const int64_t place = in.offset();
  const Pickle version = pickle::read_pickle(in, allowed_globals());
  if (version.root().kind != Kind::integer || version.root().integer != kLegacyVersion)
    refuse(in.path(), place, "not version ", kLegacyVersion, " of the form that torch.save used before 1.6");
  pickle::read_pickle(in, allowed_globals());  // facts on the machine that wrote it
}

/// The bytes of the storages, by key. The list of keys comes before them.
std::unordered_map<std::string_view, std::string_view> read_legacy_storages(ByteReader& in, const Pickle& state) {
  std::unordered_map<std::string_view, StorageId> ids;
  for (const Value& value : state.values()) {
    if (value.kind != Kind::persistent) continue;
    const StorageId id = storage_id(in.path(), value);
    ids.emplace(id.key, id);
  }
  const Pickle keys = pickle::read_pickle(in, allowed_globals());
  if (keys.root().kind != Kind::list) refuse(in.path(), keys.root().place, "here should be the list of the storages");
  std::unordered_map<std::string_view, std::string_view> storages;
  for (const Value* key : keys.root().items) {
    const auto id = ids.find(key->text);
    if (id == ids.end()) refuse(in.path(), key->place, "storage \"", key->text, "\" belongs to no tensor");
    const int64_t place = in.offset();
    if (in.number<int64_t>("the size of a storage") != id->second.numel)
      refuse(in.path(), place, "storage \"", key->text, "\" has another size than its ", id->second.numel, " elements");
    if (!storages.emplace(id->first, in.take(bytes_of(id->second), "a storage")).second)
      refuse(in.path(), key->place, "storage \"", key->text, "\" is there twice");
  }
  if (!in.at_end()) in.fail("the last storage ends here, ", in.left(), " bytes before the file");
  return storages;
}

TensorFile read_legacy(const std::string& path, std::string_view file) {
  ByteReader in(path, file);
  read_legacy_header(in);
  const Pickle state = pickle::read_pickle(in, allowed_globals());
  const auto storages = read_legacy_storages(in, state);
  const auto load = [&](const StorageId& id) {
    const auto found = storages.find(id.key);
    if (found == storages.end() || found->second.size() != bytes_of(id))
      refuse(path, id.place, "the file has no storage \"", id.key, "\" of ", id.numel, " ", id.dtype);
    return decode_elements(id.dtype, {id.numel}, found->second.data());
  };
  return StateReader(path, static_cast<int64_t>(file.size()), load).read(state.root());
}

}  // namespace

TensorFile read_pytorch(const std::string& path) {
  const std::string file = read_file(path);
  const std::string_view view = file;
  if (view.starts_with("PK")) return read_zip(path, view);
  if (view.starts_with('\x80')) return read_legacy(path, view);
  constexpr size_t kTarMagic = 257;  // where a tar archive has its "ustar"
  if (view.size() > kTarMagic && view.substr(kTarMagic).starts_with("ustar"))
    refuse(path, 0, "a tar archive, as torch.save wrote it in 2016: load it with PyTorch and save it again");
  refuse(path, 0, "neither of the forms that torch.save writes, a zip archive or pickles");
}

}  // namespace kindling
