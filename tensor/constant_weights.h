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

/// While it lives, convolutions in the thread that made it, and in parallel loops started there, keep each weight's
/// packed form and use it again: a batch cut into many parts, or a whole evaluation, packs every weight once. The
/// promise is the caller's: no weight that a convolution meets changes meanwhile. Scopes nest; the inner one counts.
class ConstantWeights {
 public:
  ConstantWeights();
  ~ConstantWeights();
  ConstantWeights(const ConstantWeights&) = delete;
  ConstantWeights& operator=(const ConstantWeights&) = delete;

  /// Whether there is one around the caller.
  static bool in_force();
  /// What `pack` makes of `weight`, made once per scope and `form` (an arbitrary number, one for each way of packing).
  /// Without a scope it is made anew at every call.
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
