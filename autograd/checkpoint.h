// Activation checkpointing: less memory for more arithmetic.
#pragma once

#include <functional>
#include <vector>

#include <kindling/autograd/variable.h>

namespace kindling {

/// f(inputs), of which only the inputs and the result are kept: f is run again when its gradients are needed (Chen et
/// al., "Training deep nets with sublinear memory cost", arXiv:1604.06174). Gradients flow to `inputs` and to every
/// Variable that f uses otherwise (a module's parameters), and can be differentiated again. f must compute the same
/// both times: what is random in it takes a copy of its Rng, made outside; side effects (running statistics) happen
/// twice. What f refers to must live until backward().
Variable checkpoint(std::function<Variable(const Variables& inputs)> f, const Variables& inputs);

}  // namespace kindling
