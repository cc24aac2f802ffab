// Activation checkpointing: less memory for more arithmetic.
#pragma once

#include <functional>
#include <vector>

#include <kindling/autograd/variable.h>

namespace kindling {

/// f(inputs), but only the inputs and the result are kept. f runs again when its gradients are
/// needed (Chen et al., "Training deep nets with sublinear memory cost", arXiv:1604.06174).
/// Gradients flow to `inputs` and to every other Variable that f uses, such as a module's
/// parameters. They can be differentiated again.
///
/// f must compute the same both times. If it draws random numbers, let it copy an Rng that was made
/// outside. Side effects, such as running statistics, happen twice. What f refers to must live
/// until backward().
Variable checkpoint(std::function<Variable(const Variables& inputs)> f, const Variables& inputs);

}  // namespace kindling
