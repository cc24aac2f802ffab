#include <kindling/tensor/kernels/isa.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include <kindling/tensor/check.h>

namespace kindling {
namespace {

Isa require_supported(Isa wanted) {
  if (wanted > best_isa())
    throw Error(std::string("isa: this processor lacks ") + name_of(wanted) + "; the widest it has is " +
                name_of(best_isa()));
  return wanted;
}

Isa initial_isa() {
  const char* wanted = std::getenv("KINDLING_ISA");
  if (wanted == nullptr || *wanted == '\0') return best_isa();
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512})
    if (name_of(isa) == std::string(wanted)) return require_supported(isa);
  throw Error(std::string("isa: KINDLING_ISA is \"") + wanted + "\"; use baseline, avx2 or avx512");
}

std::atomic<Isa>& setting() {
  static std::atomic<Isa> isa{initial_isa()};
  return isa;
}

}  // namespace

const char* name_of(Isa isa) { return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "baseline"; }

Isa best_isa() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return Isa::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
  return Isa::baseline;
}

Isa isa() { return setting().load(std::memory_order_relaxed); }
void set_isa(Isa isa) { setting().store(require_supported(isa), std::memory_order_relaxed); }

}  // namespace kindling
