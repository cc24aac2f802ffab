// What is done to gradients between backward() and step().
#pragma once

#include <vector>

#include <kindling/autograd/variable.h>

namespace kindling {

/// Euclidean norm of all gradients together; parameters without one are passed over.
double grad_norm(const Variables& parameters);

/// Scales all gradients by max_norm / (norm + 1e-6) if their norm is above `max_norm` (Pascanu et al., arXiv:1211.5063;
/// the 1e-6 as in PyTorch). Returns the norm before; if that is not finite, nothing is changed.
double clip_grad_norm(const Variables& parameters, double max_norm);

/// Multiplies all gradients. After n calls of backward() on n parts of a batch, `scale_grads(p, 1.0 / n)` turns the sum
/// of the parts' mean losses into the batch's: Caffe's iter_size.
void scale_grads(const Variables& parameters, double factor);

}  // namespace kindling
