// Proofs that the numbers are right on this machine, for `kindling doctor`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kindling::cli {

struct Check {
  std::string name;
  bool ok;
  std::string found;  ///< the largest error, or what else was seen
};

/// Compares matrix products and convolutions (every algorithm, forward and both gradients) with the
/// loops of their definition, in double; gradients of first and second order with differences;
/// random numbers with published ones; the bits for different numbers of threads. Takes about a
/// second.
std::vector<Check> check_numbers(uint64_t seed);

/// The largest relative distance from a correct result in double that is allowed. It is some
/// hundred rounding errors of a sum of some hundred terms, which grow like its square root.
double tolerance_of(bool is_double);

}  // namespace kindling::cli
