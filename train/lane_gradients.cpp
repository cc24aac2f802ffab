#include <kindling/train/lane_gradients.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include <kindling/tensor/kernels/parallel.h>

namespace kindling {

LaneGradients::LaneGradients(int64_t lanes, int64_t parameters)
    : lanes_(static_cast<size_t>(lanes), std::vector<Tensor>(static_cast<size_t>(parameters))),
      done_(static_cast<size_t>(lanes)) {}

void LaneGradients::set_done(int64_t lane) {
  const std::lock_guard lock(mutex_);
  done_[static_cast<size_t>(lane)] = true;
}

void LaneGradients::add_done() {
  std::unique_lock lock(mutex_);
  if (adding_) return;
  adding_ = true;
  for (; next_ < done_.size() && done_[next_]; ++next_) {
    lock.unlock();
    for (size_t parameter = 0; parameter < sum().size(); ++parameter) add(next_, parameter);
    lock.lock();
  }
  adding_ = false;
}

void LaneGradients::finish_batch() {
  if (next_ < lanes_.size()) add_rest();
  done_.assign(done_.size(), false);
  next_ = 0;
}

void LaneGradients::add_rest() {
  const auto size = [&](size_t parameter) {
    for (const auto& lane : lanes_)
      if (lane[parameter].defined()) return lane[parameter].numel();
    return int64_t{0};
  };
  std::vector<size_t> order(sum().size());  // largest first, so that the threads end together
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return size(a) > size(b); });
  parallel_for_in_order(static_cast<int64_t>(order.size()), [&](int64_t i) {
    for (size_t lane = next_; lane < lanes_.size(); ++lane) add(lane, order[static_cast<size_t>(i)]);
  });
}

void LaneGradients::add(size_t lane, size_t parameter) {
  if (lane == 0) return;
  Tensor &sum = lanes_[0][parameter], term = std::exchange(lanes_[lane][parameter], Tensor());
  if (!term.defined()) return;
  if (sum.defined())
    sum.add_(term);
  else
    sum = term;
}

void LaneGradients::reset() {
  for (auto& lane : lanes_) lane.assign(lane.size(), Tensor());
  done_.assign(done_.size(), false);
  next_ = 0;
  adding_ = false;
}

}  // namespace kindling
