// From the pickle of a state_dict to its tensors. Internal to io/.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <kindling/io/pickle.h>
#include <kindling/io/tensor_file.h>

namespace kindling::pytorch {

/// The names that a pickle of weights may use: containers, dtypes, storages, and the functions that
/// make a tensor of a storage.
std::span<const std::string_view> allowed_globals();

/// A type of storage, what a pickle calls it, and what StoredTensor calls its elements.
struct StorageType {
  std::string_view global, dtype;
};
std::span<const StorageType> storage_types();

/// A storage as a pickle speaks of it.
struct StorageId {
  std::string_view dtype;  ///< "F32", ...
  std::string_view key;
  int64_t numel = 0;
  int64_t place = 0;  ///< in the file, for messages
};
/// Throws FileError if the persistent value is no storage of a dtype that we read.
StorageId storage_id(const std::string& path, const pickle::Value& persistent);

/// All elements of a storage, shape [numel].
using LoadStorage = std::function<Tensor(const StorageId&)>;

/// Walks through the values of a pickle and collects the tensors and the metadata.
class StateReader {
 public:
  /// `file_bytes` bounds what may be made of the file.
  StateReader(std::string path, int64_t file_bytes, LoadStorage load);
  /// See read_pytorch(). Call it once.
  TensorFile read(const pickle::Value& root);

 private:
  void collect(const pickle::Value& value, const std::string& name, int depth);
  void collect_items(const pickle::Value& container, const std::string& name, int depth);
  void collect_notes(const pickle::Value& dict);
  StoredTensor tensor(const pickle::Value& call, const std::string& name);
  const Tensor& storage(const StorageId& id);
  bool is_new(const pickle::Value& container) const;
  void spend(int64_t bytes, int64_t place);

  TensorFile result_;
  LoadStorage load_;
  int64_t allowance_;  // bytes that may still be made beside the storages
  std::unordered_map<std::string_view, std::pair<StorageId, Tensor>> storages_;  // by key
  std::unordered_map<const pickle::Value*, bool> seen_;  // containers, and whether a tensor is in them
  std::unordered_set<std::string> names_;
};

}  // namespace kindling::pytorch
