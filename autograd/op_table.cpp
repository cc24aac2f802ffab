#include <kindling/autograd/op_table.h>

#include <kindling/autograd/table/cases.h>

namespace kindling {

const std::vector<OpCase>& op_table() {
  static const std::vector<OpCase> cases = [] {
    std::vector<OpCase> all;
    table::add_elementwise(all);
    table::add_activations(all);
    table::add_reductions(all);
    table::add_shapes(all);
    table::add_matmuls(all);
    table::add_convolutions(all);
    table::add_pools(all);
    table::add_softmaxes(all);
    table::add_indexing(all);
    table::add_norms(all);
    return all;
  }();
  return cases;
}

}  // namespace kindling
