#include <kindling/io/weights.h>

#include <algorithm>
#include <map>
#include <sstream>

#include <kindling/io/elements.h>

namespace kindling {
namespace {

bool is_state(const std::string& name) { return name.starts_with(kStatePrefix); }

bool holds_integers(const TensorEntry& entry) { return !is_floating(memory_dtype(entry.dtype)); }

template <class... Parts>
std::string join(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

void append_list(std::ostringstream& text, const char* what, const std::vector<std::string>& items) {
  constexpr size_t kShown = 10;
  if (items.empty()) return;
  text << "\n  " << what << ":";
  for (size_t i = 0; i < std::min(items.size(), kShown); ++i) text << "\n    " << items[i];
  if (items.size() > kShown) text << "\n    and " << items.size() - kShown << " more";
}

std::string describe(const std::string& path, const LoadReport& report) {
  std::ostringstream text;
  text << path << ": does not fit the model";
  append_list(text, "missing from the file", report.missing);
  append_list(text, "not in the model", report.unexpected);
  append_list(text, "of another shape", report.misshaped);
  append_list(text, "of another type", report.mistyped);
  return text.str();
}

}  // namespace

std::vector<NamedTensor> named_tensors(Module& module) {
  std::vector<NamedTensor> tensors;
  for (auto& [name, parameter] : module.named_parameters()) tensors.push_back({name, parameter.value()});
  for (auto& [name, buffer] : module.named_buffers()) tensors.push_back({name, buffer});
  for (const NamedTensor& tensor : tensors)
    if (is_state(tensor.name))
      throw Error("name \"" + tensor.name + "\": names beginning with '@' are kept for the state of a run");
  return tensors;
}

void save(Module& module, const std::string& path) { write_safetensors(path, named_tensors(module)); }

LoadReport load(Module& module, const std::string& path, const LoadOptions& options) {
  return load(module, SafetensorsFile(path), options);
}

LoadReport load(Module& module, const SafetensorsFile& file, const LoadOptions& options) {
  std::vector<NamedTensor> targets = named_tensors(module);
  std::map<std::string, const TensorEntry*> left;
  for (const TensorEntry& entry : file.entries())
    if (!is_state(entry.name)) left[entry.name] = &entry;

  LoadReport report;
  std::vector<std::pair<Tensor, Tensor>> copies;  // from, to: read completely before anything is changed
  for (auto& [name, target] : targets) {
    const auto found = left.find(name);
    if (found == left.end()) {
      report.missing.push_back(join(name, " ", target.shape()));
      continue;
    }
    const TensorEntry& entry = *found->second;
    left.erase(found);
    if (entry.shape != target.shape()) {
      report.misshaped.push_back(join(name, ": file ", entry.shape, ", model ", target.shape()));
    } else if (holds_integers(entry) && is_floating(target.dtype())) {  // labels or codes, not weights
      report.mistyped.push_back(join(name, ": file has ", entry.dtype, ", the model needs a floating-point type"));
    } else {
      copies.emplace_back(file.read(entry).to(target.dtype()), target);
    }
  }
  for (const auto& [name, entry] : left) report.unexpected.push_back(join(name, " ", entry->shape));
  if (options.strict && !report.empty()) throw FileError(describe(file.path(), report));

  for (auto& [from, to] : copies) to.copy_(from);
  return report;
}

}  // namespace kindling
