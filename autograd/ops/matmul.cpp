#include <kindling/autograd/ops/matmul.h>

#include <kindling/autograd/ops/reduce.h>
#include <kindling/autograd/ops/shape.h>
#include <kindling/autograd/record.h>

namespace kindling {
namespace {

// x [..., rows, columns] with the leading axes `batch`.
Variable with_batch(const Variable& x, Shape batch) {
  batch.push_back(x.size(-2));
  batch.push_back(x.size(-1));
  return x.shape() == batch ? x : broadcast_to(x, batch);
}

Shape batch_of(const Variable& x) { return Shape(x.shape().begin(), x.shape().end() - 2); }

// Operands with the same leading axes.
Variable same_batch_matmul(const Variable& a, const Variable& b) {
  return record(
      "matmul", matmul(a.value(), b.value()), {a, b}, Keep::others,          // y = a b
      [](const Step& s) { return matmul(s.grad, transpose(s.input(1))); },   // dL/da
      [](const Step& s) { return matmul(transpose(s.input(0)), s.grad); });  // dL/db
}

}  // namespace

Variable matmul(const Variable& a, const Variable& b) {
  check(a.rank() >= 2 && b.rank() >= 2 && a.size(-1) == b.size(-2), "matmul", "cannot multiply ", a.shape(), " by ",
        b.shape());
  if (b.rank() == 2 && a.rank() > 2) {  // one product of all rows, so that b's gradient is one product too
    const int64_t rows = Shape(a.shape().begin(), a.shape().end() - 1).numel();
    Shape shape = a.shape();
    shape[a.rank() - 1] = b.size(1);
    return reshape(same_batch_matmul(reshape(a, {rows, a.size(-1)}), b), shape);
  }
  const Shape batch = broadcast_shapes("matmul", batch_of(a), batch_of(b));
  return same_batch_matmul(with_batch(a, batch), with_batch(b, batch));
}

Variable linear(const Variable& x, const Variable& w, const Variable& bias) {
  Tensor y = linear(x.value(), w.value(), bias.value());
  const auto dx = [](const Step& s) { return matmul(s.grad, s.input(1)); };
  const auto dw = [](const Step& s) { return linear_weight_grad(s.grad, s.input(0), s.out(1)); };
  const auto dbias = [](const Step& s) { return sum(s.grad, {0}); };
  if (!bias.defined()) return record("linear", std::move(y), {x, w}, Keep::others, dx, dw);
  return record("linear", std::move(y), {x, w, bias}, Keep::others, dx, dw, dbias);
}

Variable linear_weight_grad(const Variable& grad, const Variable& x, const Out& out) {
  check_not_adding("linear_weight_grad", out);
  return record(
      "linear_weight_grad", linear_weight_grad(grad.value(), x.value(), out), {grad, x}, Keep::others,  // grad^T x
      [](const Step& s) { return linear(s.input(1), s.grad); },                                         // by grad
      [](const Step& s) { return matmul(s.input(0), s.grad); });                                        // by x
}

}  // namespace kindling
