// What optimisers move of a parameter whose elements are held (Constraint).
#pragma once

#include <kindling/autograd/variable.h>

namespace kindling {

/// The elements of a shared parameter as one number for each code: [256], 0 for code 0 and for
/// codes that no element has.
Tensor shared_values(const Variable& parameter);
/// The inverse: writes values[code] to each element of the parameter.
void spread_values(const Tensor& values, Variable& parameter);

/// The shape of what moves under the constraint: of a shared parameter [256], of others their own.
Shape free_shape(const Variable& parameter, const Constraint& constraint);
inline Shape free_shape(const Variable& parameter) { return free_shape(parameter, parameter.constraint()); }
/// dL/d(what moves), from the parameter's grad(). Of a shared parameter dL/dvalue_c = sum over its
/// elements i of code c of dL/dw_i, which is the gradient through gather(values, codes); of others
/// their own. It is 0 for what is held at 0.
Tensor free_gradient(const Variable& parameter);

/// Sets the elements of code 0 to 0. x is contiguous, of the codes' shape.
void hold_zeros(const Tensor& codes, Tensor& x);

}  // namespace kindling
