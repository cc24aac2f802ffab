// What optimisers move of a parameter whose elements are held (Constraint).
#pragma once

#include <vector>

#include <kindling/autograd/variable.h>

namespace kindling {

/// For each code an element that has it, -1 if none has. Finding them takes a pass over all codes.
std::vector<int64_t> places_of_codes(const Tensor& codes);
/// The elements of a shared parameter as one number for each code: [256], 0 for code 0 and for
/// codes that no element has. `places` are those of its codes.
Tensor shared_values(const Variable& parameter, const std::vector<int64_t>& places);
inline Tensor shared_values(const Variable& parameter) {
  return shared_values(parameter, places_of_codes(parameter.constraint().codes));
}
/// The inverse: writes values[code] to each element of the parameter.
void spread_values(const Tensor& values, Variable& parameter);

/// The shape of what moves under the constraint: of a shared parameter [256], of others their own.
Shape free_shape(const Variable& parameter, const Constraint& constraint);
inline Shape free_shape(const Variable& parameter) { return free_shape(parameter, parameter.constraint()); }
/// Of a shared parameter dL/dvalue_c = sum over its elements i of code c of dL/dw_i, which is the
/// gradient through gather(values, codes): [256], 0 for code 0.
Tensor shared_gradient(const Variable& parameter);

/// Sets the elements of code 0 to 0. x is contiguous, of the codes' shape.
void hold_zeros(const Tensor& codes, Tensor& x);
/// The same for the parameter's grad(), in place if it is contiguous: a copy of it takes longer
/// than the update.
void hold_gradient(Variable& parameter);

}  // namespace kindling
