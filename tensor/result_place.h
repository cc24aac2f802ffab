// Telling the next operation where to put its result.
#pragma once

#include <kindling/tensor/tensor.h>

namespace kindling {

/// While it lives, the first convolution or batch normalisation of the calling thread whose result has the shape and
/// dtype of `place` writes it there: into a slice of channels, so that the parts of a concatenation need not be copied
/// afterwards (see join_slices). Others take new memory as always, so nobody may rely on it. `place` is a tensor, or a
/// slice of its last axis. Scopes may be nested; the innermost counts.
class ResultPlace {
 public:
  explicit ResultPlace(Tensor place);
  ~ResultPlace();
  ResultPlace(const ResultPlace&) = delete;
  ResultPlace& operator=(const ResultPlace&) = delete;

 private:
  Tensor outer_;
};

namespace detail {

/// For operations: the place, which is then taken, or a new tensor.
Tensor result_of(const Shape& shape, DType dtype);
}  // namespace detail
}  // namespace kindling
