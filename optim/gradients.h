// What is done to gradients between backward() and step().
#pragma once

#include <vector>

#include <kindling/autograd/variable.h>

namespace kindling {

/// Whether it is trained and backward() has reached it.
bool has_grad(const Variable& parameter);

/// Euclidean norm of all gradients together. Parameters without a gradient are skipped. Elements
/// that are held at 0 do not count, and their gradients become 0; shared ones count as one number.
double grad_norm(const Variables& parameters);

/// Scales all gradients by max_norm / (norm + 1e-6) if their norm is above `max_norm` (Pascanu et
/// al., arXiv:1211.5063; the 1e-6 is PyTorch's). Returns the norm before scaling. If that is not
/// finite, nothing is changed.
double clip_grad_norm(const Variables& parameters, double max_norm);

/// Multiplies all gradients by `factor`. For example, after backward() on n parts of a batch, the
/// gradients are those of the sum of the parts' mean losses. scale_grads(p, 1.0 / n) makes them the
/// gradients of the batch's mean loss (Caffe's iter_size).
void scale_grads(const Variables& parameters, double factor);

}  // namespace kindling
