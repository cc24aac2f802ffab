#include <kindling/io/checkpoint.h>

namespace kindling {
namespace {

// Goes up when a checkpoint of one version could be misread by the other.
constexpr char kVersionKey[] = "kindling_checkpoint";
constexpr char kVersion[] = "1";

}  // namespace

void save_checkpoint(const std::string& path, Module& model, const States& states) {
  std::vector<NamedTensor> tensors = named_tensors(model);
  for (const auto& [owner, state] : states)
    for (const auto& [name, value] : state) tensors.push_back({kStatePrefix + owner + "/" + name, value});
  write_safetensors(path, tensors, {{kVersionKey, kVersion}});
}

States load_checkpoint(const std::string& path, Module& model) {
  const SafetensorsFile file(path);
  const auto version = file.metadata().find(kVersionKey);
  if (version == file.metadata().end()) throw FileError(path + ": holds weights, not the checkpoint of a run");
  if (version->second != kVersion)
    throw FileError(path + ": is a checkpoint of version " + version->second + ", this program reads version " +
                    kVersion);

  States states;
  const size_t prefix = std::string(kStatePrefix).size();
  for (const TensorEntry& entry : file.entries()) {
    if (!entry.name.starts_with(kStatePrefix)) continue;
    const size_t slash = entry.name.find('/');
    if (slash == std::string::npos) throw FileError(path + ": state \"" + entry.name + "\" belongs to nothing");
    states[entry.name.substr(prefix, slash - prefix)][entry.name.substr(slash + 1)] = file.read(entry);
  }
  load(model, file);
  return states;
}

}  // namespace kindling
