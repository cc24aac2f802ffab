// What recording costs: a chain of operations on one element, where the arithmetic itself is free.
#include <benchmark/benchmark.h>

#include <kindling/autograd/autograd.h>

namespace kindling {
namespace {

constexpr int kOperations = 100;

Variable chain(Variable x) {
  for (int i = 0; i < kOperations; ++i) x = x * 1.0001;
  return x;
}

void eager_operation(benchmark::State& state) {
  const NoGrad no_grad;
  const Variable x(Tensor::scalar(1));
  for (auto _ : state) benchmark::DoNotOptimize(chain(x));
  state.SetItemsProcessed(state.iterations() * kOperations);
}
void recorded_operation(benchmark::State& state) {
  const Variable x(Tensor::scalar(1), true);
  for (auto _ : state) benchmark::DoNotOptimize(chain(x));
  state.SetItemsProcessed(state.iterations() * kOperations);
}
void recorded_operation_and_backward(benchmark::State& state) {
  Variable x(Tensor::scalar(1), true);
  for (auto _ : state) {
    x.zero_grad();
    chain(x).backward();
  }
  state.SetItemsProcessed(state.iterations() * kOperations);
}
BENCHMARK(eager_operation);
BENCHMARK(recorded_operation);
BENCHMARK(recorded_operation_and_backward);

}  // namespace
}  // namespace kindling
