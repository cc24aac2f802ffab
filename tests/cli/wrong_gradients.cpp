// `kindling gradcheck` with a table of its own: one operation that is right, one that is wrong, one that throws, one
// that is right. Linked in the place of autograd/op_table.cpp.
#include <kindling/autograd/op_table.h>
#include <kindling/autograd/ops/ops.h>
#include <kindling/autograd/record.h>
#include <kindling/autograd/table/cases.h>
#include <kindling/cli/program.h>

namespace kindling {
namespace {

OpCase planted(const char* name, DifferentiableFunction function) {
  return {name, "planted", table::uniform({{3}}, 1, 2), std::move(function), {}};
}

Variable half_of_its_gradient(const Variable& x) {
  return record("wrong", square(x.value()), {x}, Keep::inputs, [](const Step& s) { return s.grad * s.input(0); });
}

Variable without_gradient(const Variable& x) {
  return record("throws", square(x.value()), {x}, Keep::nothing,
                [](const Step&) -> Variable { throw Error("no gradient today"); });
}

}  // namespace

const std::vector<OpCase>& op_table() {
  static const std::vector<OpCase> cases{
      planted("right", [](const Variables& x) { return square(x[0]); }),
      planted("wrong", [](const Variables& x) { return half_of_its_gradient(x[0]); }),
      planted("throws", [](const Variables& x) { return without_gradient(x[0]); }),
      planted("last", [](const Variables& x) { return exp(x[0]); }),
  };
  return cases;
}

}  // namespace kindling

int main(int argc, char** argv) {
  kindling::cli::Program program;
  kindling::cli::add_gradcheck(program);
  return program.run(argc, argv);
}
