#include <kindling/train/lane_gradients.h>

#include <catch2/catch.hpp>

#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/kernels/parallel.h>

using namespace kindling;

namespace {

constexpr int64_t kLanes = 5, kParameters = 3;

// A lane's gradients. Sums of these numbers in another order have other bits. Lane 2 has none for parameter 1.
void run(LaneGradients& gradients, int64_t lane) {
  for (int64_t i = 0; i < kParameters; ++i) {
    if (lane == 2 && i == 1) continue;
    const Tensor own = Tensor::full({4}, 0.1 + static_cast<double>(3 * lane + i) * 1e5, DType::f32);
    Tensor& sum = gradients.of(lane)[static_cast<size_t>(i)];
    sum = sum.defined() ? add(sum, own) : own;
  }
}

std::vector<Tensor> copy(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> result;
  for (const Tensor& x : tensors) result.push_back(x.clone());
  return result;
}

// Two batches, whose lanes end in the order of the threads.
std::vector<Tensor> sum_of_two_batches(int threads) {
  const ThreadsGuard guard(threads);
  LaneGradients gradients(kLanes, kParameters);
  for (int batch = 0; batch < 2; ++batch) {
    parallel_for_in_order(kLanes, [&](int64_t lane) {
      gradients.add_done();
      run(gradients, lane);
      gradients.set_done(lane);
    });
    gradients.finish_batch();
  }
  return copy(gradients.sum());
}

}  // namespace

TEST_CASE("the gradients of lanes are added in the order of lanes, whatever the order in which they are done") {
  LaneGradients in_order(kLanes, kParameters), backwards(kLanes, kParameters);
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    run(in_order, lane);
    in_order.set_done(lane);
    in_order.add_done();
    run(backwards, kLanes - 1 - lane);
    backwards.set_done(kLanes - 1 - lane);
    backwards.add_done();
  }
  in_order.finish_batch();
  backwards.finish_batch();
  for (size_t i = 0; i < kParameters; ++i) CHECK(bitwise_equal(in_order.sum()[i], backwards.sum()[i]));

  const std::vector<Tensor> expected = sum_of_two_batches(1);
  for (const int threads : {2, 3, 8}) {
    const std::vector<Tensor> actual = sum_of_two_batches(threads);
    for (size_t i = 0; i < kParameters; ++i) CHECK(bitwise_equal(actual[i], expected[i]));
  }
}

TEST_CASE("a lane that begins finds the memory of those before it: their gradients have been added") {
  LaneGradients gradients(kLanes, kParameters);
  const auto holds = [&](int64_t lane) { return gradients.of(lane)[0].defined(); };
  run(gradients, 1);
  gradients.set_done(1);
  gradients.add_done();
  CHECK(holds(1));  // lane 0 comes first
  run(gradients, 0);
  gradients.set_done(0);
  gradients.add_done();
  CHECK_FALSE(holds(1));
  CHECK(holds(0));  // the sum
  gradients.reset();
  CHECK_FALSE(holds(0));
}

TEST_CASE("a parameter that only some lanes have a gradient for has the sum of those, else none") {
  LaneGradients gradients(2, 2);
  gradients.of(1)[0] = Tensor::ones({3});
  gradients.set_done(1);
  gradients.finish_batch();
  CHECK(bitwise_equal(gradients.sum()[0], Tensor::ones({3})));
  CHECK_FALSE(gradients.sum()[1].defined());
}
