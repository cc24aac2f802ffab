// Dropout, with masks that depend on neither threads nor the way a batch is cut.
#pragma once

#include <kindling/nn/module.h>

namespace kindling {

/// In training, sets each element to zero with probability `p`, and divides the others by 1 - p, so
/// that the expectation stays the same (Srivastava et al., JMLR 2014, in the inverted form). In
/// evaluation it does nothing. Element i of a mask is a function of (the layer's stream, the step's
/// number, i) alone: see RandomStep. Throws ShapeError unless 0 <= p < 1.
class Dropout : public Module {
 public:
  /// Splits the layer's stream off `rng`.
  Dropout(double p, Rng& rng);

  std::string kind() const override { return "Dropout"; }

  /// The mask of step `step` for an input of this shape: 0 or 1 / (1 - p). Its element 0 is element
  /// `first` of the whole mask.
  Tensor mask(const Shape& shape, DType dtype, uint64_t step, int64_t first = 0) const;

 protected:
  Variable forward(const Variable& x) override;

 private:
  double p_;
  Rng stream_;
  uint64_t calls_ = 0;
};

/// While it lives, layers called in this thread draw the random numbers of training step `step`,
/// for a part of the batch that begins at sample `sample_offset`. So the parts of a batch draw the
/// masks of the whole batch, and a resumed run those of an unbroken one. Without a RandomStep, a
/// layer counts its own calls. Guards nest, and the innermost counts.
class RandomStep {
 public:
  explicit RandomStep(uint64_t step, int64_t sample_offset = 0);
  ~RandomStep();
  RandomStep(const RandomStep&) = delete;
  RandomStep& operator=(const RandomStep&) = delete;

  /// The calling thread's innermost guard, or null.
  static const RandomStep* current();
  uint64_t step() const { return step_; }
  int64_t sample_offset() const { return sample_offset_; }

 private:
  uint64_t step_;
  int64_t sample_offset_;
  const RandomStep* outer_;
};

}  // namespace kindling
