#include <kindling/nn/fn.h>

#include <kindling/autograd/ops/activation.h>
#include <kindling/autograd/ops/shape.h>

namespace kindling {

ReLU::ReLU() : Fn("ReLU", relu) {}
LeakyReLU::LeakyReLU(double slope) : Fn("LeakyReLU", [slope](const Variable& x) { return leaky_relu(x, slope); }) {}
ELU::ELU(double alpha) : Fn("ELU", [alpha](const Variable& x) { return elu(x, alpha); }) {}
GELU::GELU() : Fn("GELU", gelu) {}
SiLU::SiLU() : Fn("SiLU", silu) {}
Sigmoid::Sigmoid() : Fn("Sigmoid", sigmoid) {}
Tanh::Tanh() : Fn("Tanh", tanh) {}
Softplus::Softplus() : Fn("Softplus", softplus) {}
Flatten::Flatten() : Fn("Flatten", [](const Variable& x) { return flatten(x); }) {}

}  // namespace kindling
