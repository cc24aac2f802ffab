// Which instruction set the kernels use. They are compiled once for each, and one is chosen at start-up.
#pragma once

namespace kindling {

/// baseline: x86-64 with SSE2 (or whatever the compiler's default
/// is elsewhere); avx2: AVX2 + FMA; avx512: F, BW, DQ, VL.
enum class Isa { baseline, avx2, avx512 };

/// "baseline", "avx2", "avx512".
const char* name_of(Isa isa);
/// The widest that this processor and system support.
Isa best_isa();
/// The instruction set in use: best_isa(), or the one that the environment variable KINDLING_ISA
/// names. Throws Error at the first use if that name is unknown or this processor lacks the set.
Isa isa();
/// Changes it (tests). Throws Error if this processor lacks it. Not while a ConstantWeights or
/// PackedWeights lives: its weights are packed for the instruction set before.
void set_isa(Isa isa);

}  // namespace kindling
