#include <kindling/nn/dropout.h>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/kernels/table.h>

namespace kindling {
namespace {

thread_local const RandomStep* innermost_step = nullptr;

constexpr int64_t kBlock = 1 << 15;  // elements a task: some 30 us of drawing, far above the cost of handing it out

}  // namespace

Dropout::Dropout(double p, Rng& rng) : p_(p), stream_(rng.split()) {
  check(p >= 0 && p < 1, "dropout", "probability must be in [0, 1), got ", p);
}

Tensor Dropout::mask(const Shape& shape, DType dtype, uint64_t step, int64_t first) const {
  Tensor result = Tensor::empty(shape, dtype);
  const Rng stream = stream_.fork(step);
  const auto threshold = static_cast<uint32_t>(p_ * 0x1p32);
  visit_floating("dropout", dtype, [&](auto t) {
    using T = decltype(t);
    T* out = result.data<T>();
    const T kept = static_cast<T>(1 / (1 - p_));
    parallel_for(result.numel(), kBlock, [&](int64_t begin, int64_t end) {
      kernels::table<T>().dropout_mask(end - begin, out + begin, kept, threshold, stream.seed(), stream.stream(),
                                       static_cast<uint64_t>(first + begin));
    });
  });
  return result;
}

Variable Dropout::forward(const Variable& x) {
  if (!training() || p_ == 0) return x;
  const RandomStep* step = RandomStep::current();
  if (step == nullptr) return x * Variable(mask(x.shape(), x.dtype(), calls_++));
  const int64_t per_sample = x.numel() / std::max<int64_t>(x.size(0), 1);
  return x * Variable(mask(x.shape(), x.dtype(), step->step(), step->sample_offset() * per_sample));
}

RandomStep::RandomStep(uint64_t step, int64_t sample_offset)
    : step_(step), sample_offset_(sample_offset), outer_(innermost_step) {
  innermost_step = this;
}

RandomStep::~RandomStep() { innermost_step = outer_; }

const RandomStep* RandomStep::current() { return innermost_step; }

}  // namespace kindling
