#include <kindling/tensor/out.h>

#include <kindling/tensor/rows.h>
#include <kindling/tensor/strided.h>

namespace kindling::detail {
namespace {

bool is_all_of_its_memory(const Tensor& x) {
  return x.is_contiguous() && static_cast<size_t>(x.numel() * size_of(x.dtype())) == x.storage()->bytes();
}

}  // namespace

bool has_layout(const Tensor& x, Layout layout) {
  if (layout == Layout::any) return true;
  return layout == Layout::rows ? has_rows(x) : x.is_contiguous();
}

void check_out(const char* op, const Out& out, const Shape& shape, DType dtype, Layout layout) {
  const Tensor& to = out.to;
  if (!to.defined()) return;
  check(to.shape() == shape && to.dtype() == dtype, op, "the result is ", dtype, ' ', shape, ", its destination ",
        to.dtype(), ' ', to.shape());
  check(has_layout(to, layout), op, "the destination must be contiguous",
        layout == Layout::rows ? ", or a slice of the last axis of such a tensor" : "", ": shape ", to.shape(),
        ", strides ", to.strides());
}

Tensor target(const Out& out, const Shape& shape, DType dtype) {
  return out.to.defined() ? out.to : Tensor::empty(shape, dtype);
}

Tensor deliver(const char* op, const Out& out, const Tensor& result) {
  if (!out.to.defined()) return result;
  Tensor to = out.to;
  const bool there = same_elements(to, result);
  if (out.add && !there) return to.add_(result);
  if (!there) copy_elements(to, result);
  if (out.add || is_all_of_its_memory(to)) to.mark_written(op);
  return to;
}

bool same_elements(const Tensor& a, const Tensor& b) {
  return a.storage() == b.storage() && a.offset() == b.offset() && a.shape() == b.shape() && a.strides() == b.strides();
}

}  // namespace kindling::detail
