// A promise that weights stay as they are for a while, so that work on them is done once.
#pragma once

#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include <kindling/tensor/function_ref.h>
#include <kindling/tensor/tensor.h>

namespace kindling {
namespace kernels {
enum class WinogradScheme : uint8_t;
}

/// How a weight is packed, which depends on what it is packed for.
struct WeightPacking {
  /// The output; or the gradient of the input, computed as a convolution with turned filters, or as
  /// the adjoint of the output.
  enum class Product : uint8_t { output, turned, adjoint };

  Product product;
  int64_t groups = 1;
  std::optional<kernels::WinogradScheme> winograd = {};  ///< or none: the direct method

  friend bool operator==(const WeightPacking&, const WeightPacking&) = default;
};

/// Packed weights that outlive one ConstantWeights, for one who uses the same weights again and
/// again. They are right as long as no weight changes. Threads may share them.
class PackedWeights {
 public:
  PackedWeights() = default;
  PackedWeights(const PackedWeights&) = delete;
  PackedWeights& operator=(const PackedWeights&) = delete;

 private:
  friend class ConstantWeights;
  struct Entry {
    Entry(const Tensor& of, const WeightPacking& by) : weight(of), packing(by) {}
    Tensor weight;  // held, so that no other tensor can take its place in memory
    WeightPacking packing;
    Tensor packed;
    std::once_flag once;
  };
  using Place = std::pair<const Storage*, int64_t>;  // a weight's memory, and its offset there

  Entry& entry_of(const Tensor& weight, const WeightPacking& packing);

  std::mutex mutex_;
  std::map<Place, std::list<Entry>> entries_;
};

/// A promise of the caller that no weight changes while it lives. Convolutions in the thread that
/// made it, and in parallel loops started there, then pack each weight once and keep the packed
/// form. So a batch that is cut into many parts, or a whole evaluation, packs every weight once.
/// Scopes nest, and the inner one counts.
class ConstantWeights {
 public:
  ConstantWeights() : ConstantWeights(own_) {}
  /// Packed weights go to `kept`, and are taken from there.
  explicit ConstantWeights(PackedWeights& kept);
  ~ConstantWeights();
  ConstantWeights(const ConstantWeights&) = delete;
  ConstantWeights& operator=(const ConstantWeights&) = delete;

  /// Whether there is one around the caller.
  static bool in_force();
  /// The result of `pack` for `weight`, made once for each scope and `packing`. Without a scope it
  /// is made at every call.
  static Tensor packed(const Tensor& weight, const WeightPacking& packing, FunctionRef<Tensor()> pack);

 private:
  PackedWeights own_;
  void* outer_;
};

}  // namespace kindling
