#include <kindling/tensor/result_place.h>

#include <utility>

#include <kindling/tensor/rows.h>

namespace kindling {
namespace {

thread_local Tensor innermost;

}  // namespace

ResultPlace::ResultPlace(Tensor place) : outer_(std::exchange(innermost, std::move(place))) {}
ResultPlace::~ResultPlace() { innermost = std::move(outer_); }

namespace detail {

Tensor result_of(const Shape& shape, DType dtype) {
  if (!innermost.defined() || innermost.shape() != shape || innermost.dtype() != dtype || !has_rows(innermost))
    return Tensor::empty(shape, dtype);
  return std::exchange(innermost, Tensor());
}

}  // namespace detail
}  // namespace kindling
