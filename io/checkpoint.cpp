#include <kindling/io/checkpoint.h>

namespace kindling {
namespace {

// Goes up when a checkpoint of one version could be misread by the other.
constexpr char kVersionKey[] = "kindling_checkpoint";
constexpr char kVersion[] = "2", kOldVersion[] = "1";

}  // namespace

void save_checkpoint(const std::string& path, Module& model, const States& states, const Metadata& about) {
  std::vector<NamedTensor> tensors = named_tensors(model);
  for (const auto& [owner, state] : states)
    for (const auto& [name, value] : state) tensors.push_back({kStatePrefix + owner + "/" + name, value});
  Metadata metadata = about;
  metadata[kVersionKey] = kVersion;
  write_safetensors(path, tensors, metadata);
}

std::string checkpoint_version(const SafetensorsFile& file) {
  const auto version = file.metadata().find(kVersionKey);
  return version == file.metadata().end() ? "" : version->second;
}

States load_checkpoint(const std::string& path, Module& model) {
  const auto opened = std::make_shared<const SafetensorsFile>(path);
  const SafetensorsFile& file = *opened;
  const std::string version = checkpoint_version(file);
  if (version.empty()) throw FileError(path + ": holds weights, not the checkpoint of a run");
  if (version != kVersion && version != kOldVersion)
    throw FileError(path + ": is a checkpoint of version " + version + ", this program reads versions " + kOldVersion +
                    " and " + kVersion);
  if (version == kVersion && !file.has_checksums())
    throw FileError(path + ": byte 0: has no checksums, as every checkpoint of version " + kVersion +
                    " has: the file is damaged, or another program wrote it");

  States states;
  const size_t prefix = std::string(kStatePrefix).size();
  for (const TensorEntry& entry : file.entries()) {
    if (!entry.name.starts_with(kStatePrefix)) continue;
    const size_t slash = entry.name.find('/');
    if (slash == std::string::npos) throw FileError(path + ": state \"" + entry.name + "\" belongs to nothing");
    states[entry.name.substr(prefix, slash - prefix)][entry.name.substr(slash + 1)] = file.read(entry);
  }
  load(model, to_tensor_file(opened));
  return states;
}

}  // namespace kindling
