// What this processor could do at most: the yardstick of every share of peak.
#pragma once

namespace kindling::kernels {

/// The speed, in GFLOP/s, of num_threads() threads that only multiply and add floats in registers,
/// in the widest vectors of this processor, whatever instruction set the other kernels use. A
/// multiply-add counts as two operations.
///
/// A sample takes about 10 ms. Take several before, between and after what you measure, and keep
/// the largest: clocks change with temperature and with other programs.
double sample_fma_peak();

}  // namespace kindling::kernels
