// The table of all differentiable operations, from which every generic check of them is made.
#pragma once

#include <string>
#include <vector>

#include <kindling/autograd/gradcheck.h>

namespace kindling {

/// One operation on one kind of input. A test checks that every name given to record() in
/// autograd/ops has at least one case. Composites of more than one line have cases too.
struct OpCase {
  std::string op;       ///< the name under which it is recorded; of composites the function
  std::string variant;  ///< what is particular: "stride 2, groups 3", "[3, 5]"
  /// Draws inputs from the operation's domain, away from kinks and ties: f64, and i64 or u8 for
  /// indices.
  std::function<std::vector<Tensor>(Rng& rng)> inputs;
  DifferentiableFunction function;
  /// The function's value by the loops of its definition.
  std::function<Tensor(const std::vector<Tensor>& inputs)> reference;
  /// The largest relative error of gradients against differences. In double, at gradcheck's step of
  /// 1e-4, differences of 4th order are off by about 1e-11, and second derivatives with
  /// cancellation by 2e-10 (measured over 20 seeds).
  double tolerance = 1e-9;

  std::string name() const { return variant.empty() ? op : op + " (" + variant + ")"; }
};

const std::vector<OpCase>& op_table();

/// gradcheck() of one case, on inputs drawn by `seed`. Throws what the operation or its rule
/// throws.
GradcheckResult gradcheck(const OpCase& op_case, int order, uint64_t seed = 0);

}  // namespace kindling
