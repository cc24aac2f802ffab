#include <kindling/nn/conv.h>

#include <kindling/autograd/ops/conv.h>

namespace kindling {

Conv2d::Conv2d(int64_t in, int64_t out, const ConvOptions& options, Rng& rng)
    : options_{.stride = options.stride,
               .padding = options.padding,
               .dilation = options.dilation,
               .groups = options.groups},
      relu_(options.relu) {
  check(in > 0 && out > 0, "conv2d", "needs positive numbers of channels, got ", in, " -> ", out);
  check(options.kernel.h > 0 && options.kernel.w > 0, "conv2d", "needs a positive kernel, got ", options.kernel);
  check(options.groups > 0 && in % options.groups == 0 && out % options.groups == 0, "conv2d", "channels ", in, " -> ",
        out, " do not divide into ", options.groups, " groups");
  weight = Variable(options.init({out, options.kernel.h, options.kernel.w, in / options.groups}, rng), true);
  if (options.bias) bias = Variable(options.bias_init({out}, rng), true);
}

void Conv2d::visit(Visitor& visitor) {
  visitor("weight", weight);
  visitor("bias", bias);
}

Variable Conv2d::forward_to(const Variable& x, const Out& out) {
  return relu_ ? conv2d_relu(x, weight, bias, options_, out) : conv2d(x, weight, bias, options_, out);
}

std::optional<Shape> Conv2d::output_shape(const Shape& input) const {
  return conv2d_shape(input, weight.shape(), options_);
}

int64_t Conv2d::macs(const Shape& /*input*/, const Shape& output) const {
  return output.numel() * weight.numel() / weight.size(0);
}

}  // namespace kindling
