#include <kindling/tensor/constant_weights.h>

#include <kindling/tensor/kernels/parallel.h>

namespace kindling {

ConstantWeights::ConstantWeights(PackedWeights& kept) : outer_(parallel_context()) { parallel_context() = &kept; }
ConstantWeights::~ConstantWeights() { parallel_context() = outer_; }

bool ConstantWeights::in_force() { return parallel_context() != nullptr; }

PackedWeights::Entry& PackedWeights::entry_of(const Tensor& weight, const WeightPacking& packing) {
  const std::lock_guard lock(mutex_);
  std::list<Entry>& here = entries_[{weight.storage().get(), weight.offset()}];
  for (Entry& entry : here)
    if (entry.packing == packing && entry.weight.shape() == weight.shape()) return entry;
  return here.emplace_back(weight, packing);
}

Tensor ConstantWeights::packed(const Tensor& weight, const WeightPacking& packing, FunctionRef<Tensor()> pack) {
  auto* kept = static_cast<PackedWeights*>(parallel_context());
  if (kept == nullptr) return pack();
  PackedWeights::Entry& entry = kept->entry_of(weight, packing);
  std::call_once(entry.once, [&] { entry.packed = pack(); });
  return entry.packed;
}

}  // namespace kindling
