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

/// Matrix products and convolutions (every algorithm, forward and both gradients) against the loops of their definition
/// in double; gradients of first and second order against differences; random numbers against published ones; the same
/// bits on any number of threads. Takes about a second.
std::vector<Check> check_numbers(uint64_t seed);

/// Largest relative distance from a result in double that is right: some hundred rounding errors of a sum of some
/// hundred terms, which grow like its square root.
double tolerance_of(bool is_double);

}  // namespace kindling::cli
