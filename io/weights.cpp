#include <kindling/io/weights.h>

#include <algorithm>
#include <map>
#include <sstream>

#include <kindling/io/elements.h>

namespace kindling {
namespace {

bool is_state(const std::string& name) { return name.starts_with(kStatePrefix); }

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

void append(std::vector<std::string>& to, const std::vector<std::string>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

bool holds_integers(const StoredTensor& source) { return !is_floating(memory_dtype(source.dtype)); }

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

std::string describe(const std::string& path, const LoadReport& report) {
  std::ostringstream text;
  text << path << ": does not fit the model";
  append_list(text, "missing from the file", report.missing);
  append_list(text, "not in the model", report.unexpected);
  append_list(text, "of another shape", report.misshaped);
  append_list(text, "of another type", report.mistyped);
  return text.str();
}

LoadReport load(Module& module, const TensorFile& file, const LoadOptions& options) {
  std::vector<NamedTensor> targets = named_tensors(module);
  std::map<std::string, const StoredTensor*> left;
  for (const StoredTensor& source : file.tensors)
    if (!is_state(source.name)) left[source.name] = &source;

  const auto is_excepted = [&](const std::string& name) {
    return !options.except.empty() && name.starts_with(options.except + "/");
  };
  LoadReport report, excepted;
  std::vector<std::pair<Tensor, Tensor>> copies, excepted_copies;  // from, to: read before anything is changed
  for (auto& [name, target] : targets) {
    LoadReport& problems = is_excepted(name) ? excepted : report;
    const auto found = left.find(name);
    if (found == left.end()) {
      problems.missing.push_back(join(name, " ", target.shape()));
      continue;
    }
    const StoredTensor& source = *found->second;
    left.erase(found);
    if (source.shape != target.shape()) {
      problems.misshaped.push_back(join(name, ": file ", source.shape, ", model ", target.shape()));
    } else if (holds_integers(source) && is_floating(target.dtype())) {  // labels or codes, not weights
      problems.mistyped.push_back(join(name, ": file has ", source.dtype, ", the model needs a floating-point type"));
    } else {
      (is_excepted(name) ? excepted_copies : copies).emplace_back(source.value().to(target.dtype()), target);
    }
  }
  for (const auto& [name, source] : left)
    (is_excepted(name) ? excepted : report).unexpected.push_back(join(name, " ", source->shape));
  if (options.strict && !report.empty()) throw FileError(describe(file.path, report));

  if (excepted.empty()) copies.insert(copies.end(), excepted_copies.begin(), excepted_copies.end());
  for (auto& [from, to] : copies) to.copy_(from);
  append(report.missing, excepted.missing);
  append(report.unexpected, excepted.unexpected);
  append(report.misshaped, excepted.misshaped);
  append(report.mistyped, excepted.mistyped);
  return report;
}

}  // namespace kindling
