#include <kindling/tensor/constant_weights.h>

#include <kindling/tensor/kernels/parallel.h>

namespace kindling {

ConstantWeights::ConstantWeights() : outer_(parallel_context()) { parallel_context() = this; }
ConstantWeights::~ConstantWeights() { parallel_context() = outer_; }

bool ConstantWeights::in_force() { return parallel_context() != nullptr; }

Tensor ConstantWeights::packed(const Tensor& weight, int64_t form, FunctionRef<Tensor()> pack) {
  auto* scope = static_cast<ConstantWeights*>(parallel_context());
  if (scope == nullptr) return pack();
  Key key{form, static_cast<int64_t>(reinterpret_cast<intptr_t>(weight.storage().get())), weight.offset()};
  key.insert(key.end(), weight.shape().begin(), weight.shape().end());
  Entry* entry;
  {
    const std::lock_guard lock(scope->mutex_);
    entry = &scope->entries_[std::move(key)];
  }
  std::call_once(entry->once, [&] {
    entry->weight = weight;
    entry->packed = pack();
  });
  return entry->packed;
}

}  // namespace kindling
