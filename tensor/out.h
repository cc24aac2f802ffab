// Where a function puts its result.
#pragma once

#include <kindling/tensor/tensor.h>

namespace kindling {

/// As NumPy's `out=`: a function that takes an Out as its last argument writes its result to `to`,
/// or adds it to what `to` holds, and returns `to`. Without one the result is new memory.
///
/// `to` must have the shape and dtype of the result (ShapeError), and must not overlap an operand,
/// unless a function allows it.
/// Its layout may be that of a slice of channels, or must be contiguous where a function says so
/// (ShapeError). Adding counts as a change in place (see Storage::version), and so does writing to
/// the whole of `to`'s memory. Writing to a part of it does not: operations may fill the slices of
/// one tensor side by side, and what autograd keeps of one slice stays valid when another is
/// written.
struct Out {
  Tensor to = {};    ///< undefined: new memory
  bool add = false;  ///< without `to` it means nothing

  bool adds() const { return add && to.defined(); }
};

// For functions that take an Out. They check it first, compute into target() if they can write or add there, else into
// new memory, and return what deliver() returns.
namespace detail {

/// `rows`: the last axis without gaps, and all its rows equally far apart, as in a slice of
/// channels.
enum class Layout { any, rows, contiguous };
bool has_layout(const Tensor& x, Layout layout);
/// Throws ShapeError, naming `op`, if a result of this shape and dtype cannot go there.
void check_out(const char* op, const Out& out, const Shape& shape, DType dtype, Layout layout);
/// out.to, or a new tensor.
Tensor target(const Out& out, const Shape& shape, DType dtype);
/// Brings `result` to where `out` says, if it is not there yet, and returns the tensor that holds
/// it.
Tensor deliver(const char* op, const Out& out, const Tensor& result);
/// Whether both are the same elements in the same order.
bool same_elements(const Tensor& a, const Tensor& b);

}  // namespace detail
}  // namespace kindling
