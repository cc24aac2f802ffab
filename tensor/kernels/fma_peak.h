// What this processor could do at most: the yardstick of every share of peak.
#pragma once

namespace kindling::kernels {

/// Floating-point operations a second, in GFLOP/s, of num_threads() threads that do nothing but multiply and add floats
/// in registers, in the widest vectors of this processor (whatever instruction set the other kernels use); a
/// multiply-add counts two. One sample takes about 10 ms. Take several, before, between and after what is measured, and
/// keep the largest: clocks change with temperature and neighbours.
double sample_fma_peak();

}  // namespace kindling::kernels
