// A promise that weights stay as they are for a while, so that work on them is done once.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include <kindling/tensor/function_ref.h>
#include <kindling/tensor/recycler.h>
#include <kindling/tensor/tensor.h>

namespace kindling {

/// A promise of the caller that no weight changes while it lives. Convolutions in the thread that
/// made it, and in parallel loops started there, then pack each weight once and keep the packed
/// form. So a batch that is cut into many parts, or a whole evaluation, packs every weight once.
/// Scopes nest, and the inner one counts.
class ConstantWeights {
 public:
  ConstantWeights();
  ~ConstantWeights();
  ConstantWeights(const ConstantWeights&) = delete;
  ConstantWeights& operator=(const ConstantWeights&) = delete;

  /// Whether there is one around the caller.
  static bool in_force();
  /// The result of `pack` for `weight`, made once for each scope and `form`. `form` is any number
  /// that tells the ways of packing apart. Without a scope it is made at every call.
  static Tensor packed(const Tensor& weight, int64_t form, FunctionRef<Tensor()> pack);

 private:
  struct Entry {
    Tensor weight;  // held, so that no other tensor can take its place in memory
    Tensor packed;
    std::once_flag once;
  };

  std::mutex mutex_;
  using Key = List<int64_t>;  // form, place in memory and shape
  std::map<Key, Entry, std::less<Key>, Recycler<std::pair<const Key, Entry>>> entries_;
  void* outer_;
};

}  // namespace kindling
