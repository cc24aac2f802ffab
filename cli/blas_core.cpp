#include <kindling/cli/blas_core.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include <kindling/cli/output.h>
#include <kindling/tensor/kernels/blas.h>
#include <kindling/tensor/kernels/isa.h>

namespace kindling::cli {
namespace {

/// What the kernels of that name are compiled for. Other names are of older processors, or of other
/// architectures.
Isa isa_of_core(std::string_view core) {
  for (const std::string_view name : {"SkylakeX", "Cooperlake", "SapphireRapids"})
    if (core == name) return Isa::avx512;
  for (const std::string_view name : {"Haswell", "Zen", "Excavator", "Steamroller"})
    if (core == name) return Isa::avx2;
  return Isa::baseline;
}

#if defined(__x86_64__)
// SkylakeX is compiled with -march=skylake-avx512, Haswell and Zen with -mavx2 and -mfma: beyond best_isa(), which asks
// processor and system, the compiler may then use what all processors with these sets have had so far. Of AMD's
// processors with AVX-512 this OpenBLAS takes Zen, by choice.
const char* core_for_this_processor() {
  const bool amd = __builtin_cpu_is("amd"), bits = __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  if (best_isa() == Isa::baseline || !bits) return nullptr;
  if (amd) return "Zen";
  return best_isa() == Isa::avx512 && __builtin_cpu_supports("avx512cd") ? "SkylakeX" : "Haswell";
}
#else
const char* core_for_this_processor() { return nullptr; }
#endif

}  // namespace

const char* better_blas_core() {
  const char* core = core_for_this_processor();
  return core != nullptr && isa_of_core(kernels::blas_core()) < isa_of_core(core) ? core : nullptr;
}

std::string blas_core_text() {
  constexpr const char* kVariable = "OPENBLAS_CORETYPE";
  const std::string used = kernels::blas_core();
  const char* const core = core_for_this_processor();  // what main() sets where OpenBLAS does not know the processor
  if (core != nullptr && used == core) return used;
  const char* const wanted = std::getenv(kVariable);  // OpenBLAS passes over names that it does not know
  return wanted != nullptr && used == wanted ? used + by_environment(kVariable) : used;
}

std::string blas_advice() {
  const char* better = better_blas_core();
  if (better == nullptr) return "";
  return fmt::format(
      "OpenBLAS computes with its kernels for {} here, at a fraction of this processor's speed. This slows only "
      "--conv im2col and the singular value decomposition; with OPENBLAS_CORETYPE={} in the environment OpenBLAS "
      "takes faster ones",
      kernels::blas_core(), better);
}

}  // namespace kindling::cli
