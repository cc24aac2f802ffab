#include <kindling/autograd/ops/matmul.h>

#include <kindling/autograd/table/cases.h>
#include <kindling/tensor/elementwise.h>

namespace kindling::table {
namespace {

// Leading axes broadcast: `at` drops what an operand does not have.
Tensor naive_matmul(const Tensor& a, const Tensor& b) {
  const int64_t k = a.size(-1);
  const Shape batch = broadcast_shapes("matmul", Shape(a.shape().begin(), a.shape().end() - 2),
                                       Shape(b.shape().begin(), b.shape().end() - 2));
  Shape shape = batch;
  shape.push_back(a.size(-2));
  shape.push_back(b.size(-1));
  return build(shape, [&](const Shape& i) {
    Shape row = i, column = i;
    double sum = 0;
    for (int64_t p = 0; p < k; ++p) {
      row[i.rank() - 1] = p;
      column[i.rank() - 2] = p;
      sum += at(a, row) * at(b, column);
    }
    return sum;
  });
}

}  // namespace

void add_matmuls(std::vector<OpCase>& cases) {
  const std::vector<std::pair<Shape, Shape>> shapes = {
      {{3, 5}, {5, 7}},    {{1, 1}, {1, 1}},       {{1, 6}, {6, 1}},          {{17, 33}, {33, 9}},
      {{2, 3, 4}, {4, 5}}, {{2, 3, 4}, {2, 4, 5}}, {{2, 1, 3, 4}, {3, 4, 2}}, {{3, 4}, {2, 4, 5}}};
  for (const auto& [a, b] : shapes)
    cases.push_back({"matmul", to_string(a) + " by " + to_string(b), uniform({a, b}),
                     [](const Args& x) { return matmul(x[0], x[1]); },
                     [](const Inputs& x) { return naive_matmul(x[0], x[1]); }});
  for (const Shape& sizes : {Shape{3, 5, 7}, Shape{1, 1, 1}, Shape{17, 33, 9}}) {
    const int64_t rows = sizes[0], in = sizes[1], out = sizes[2];
    cases.push_back({"linear", to_string(sizes) + ", with a bias", uniform({{rows, in}, {out, in}, {out}}),
                     [](const Args& x) { return linear(x[0], x[1], x[2]); },
                     [](const Inputs& x) { return add(naive_matmul(x[0], transpose(x[1])), x[2]); }});
    cases.push_back({"linear", to_string(sizes), uniform({{rows, in}, {out, in}}),
                     [](const Args& x) { return linear(x[0], x[1]); },
                     [](const Inputs& x) { return naive_matmul(x[0], transpose(x[1])); }});
    cases.push_back({"linear_weight_grad", to_string(sizes), uniform({{rows, out}, {rows, in}}),
                     [](const Args& x) { return linear_weight_grad(x[0], x[1]); },
                     [](const Inputs& x) { return naive_matmul(transpose(x[0]), x[1]); }});
  }
}

}  // namespace kindling::table
