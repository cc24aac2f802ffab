#include <kindling/nn/linear.h>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/matmul.h>
#include <kindling/autograd/ops/shape.h>

namespace kindling {

Linear::Linear(int64_t in, int64_t out, const LinearOptions& options, Rng& rng) : relu_(options.relu) {
  check(in > 0 && out > 0, "linear", "needs positive numbers of features, got ", in, " -> ", out);
  weight = Variable(options.init({out, in}, rng), true);
  if (options.bias) bias = Variable(options.bias_init({out}, rng), true);
}

void Linear::visit(Visitor& visitor) {
  visitor("weight", weight);
  visitor("bias", bias);
}

Variable Linear::forward(const Variable& x) {
  check(x.rank() >= 1 && x.shape().back() == weight.size(1), "linear", "weight expects ", weight.size(1),
        " features in the last axis: input ", x.shape(), ", weight ", weight.shape());
  const Variable rows = x.rank() == 2 ? x : reshape(x, {-1, weight.size(1)});
  Variable y = linear(rows, weight, bias);
  if (relu_) y = kindling::relu(y);
  if (x.rank() == 2) return y;
  Shape shape = x.shape();
  shape[shape.rank() - 1] = weight.size(0);
  return reshape(y, shape);
}

int64_t Linear::macs(const Shape& /*input*/, const Shape& output) const { return output.numel() * weight.size(1); }

}  // namespace kindling
