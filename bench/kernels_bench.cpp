// Kernels on SqueezeNet's shapes: build with `scripts/build bench`, run build/bench/kindling_bench
// --benchmark_filter=conv.
#include <benchmark/benchmark.h>

#include <kindling/tensor/kernels/isa.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/ops.h>

namespace kindling {
namespace {

// One convolution of SqueezeNet v1.1 (224 pixels) a row: pixels, channels in, channels out, kernel, stride, padding.
struct ConvCase {
  int64_t size, in, out, kernel, stride, padding;
};
constexpr ConvCase kCases[] = {
    {224, 3, 64, 3, 2, 0},     // conv1
    {55, 64, 16, 1, 1, 0},     // fire2/squeeze
    {55, 16, 64, 1, 1, 0},     // fire2/expand1x1
    {55, 16, 64, 3, 1, 1},     // fire2/expand3x3
    {27, 256, 32, 1, 1, 0},    // fire5/squeeze
    {27, 32, 128, 3, 1, 1},    // fire5/expand3x3
    {13, 64, 256, 3, 1, 1},    // fire9/expand3x3
    {13, 512, 1000, 1, 1, 0},  // conv10
};

enum class Pass { forward, input_grad, weight_grad };

// Arguments: case, pass, algorithm. Reports GFLOP/s of all threads; the result is checked against naive loops by
// tests/tensor.
void conv(benchmark::State& state) {
  constexpr int64_t kImages = 8;
  const ConvCase& c = kCases[state.range(0)];
  const auto pass = static_cast<Pass>(state.range(1));
  const ConvAlgorithmGuard algorithm(static_cast<ConvAlgorithm>(state.range(2)));
  Rng rng(1);
  const Tensor x = Tensor::uniform({kImages, c.size, c.size, c.in}, -1, 1, rng);
  const Tensor w = Tensor::uniform({c.out, c.kernel, c.kernel, c.in}, -1, 1, rng);
  const Conv2dOptions options{.stride = c.stride, .padding = c.padding};
  const Tensor y = conv2d(x, w, {}, options);
  for (auto _ : state) {
    if (pass == Pass::forward) benchmark::DoNotOptimize(conv2d(x, w, {}, options));
    if (pass == Pass::input_grad) benchmark::DoNotOptimize(conv2d_input_grad(y, w, x.shape(), options));
    if (pass == Pass::weight_grad) benchmark::DoNotOptimize(conv2d_weight_grad(y, x, w.shape(), options));
  }
  const double flop = 2.0 * static_cast<double>(y.numel() * c.kernel * c.kernel * c.in);
  state.counters["GFLOP/s"] = benchmark::Counter(flop * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.SetLabel(std::string(name_of(isa())) + ", " + std::to_string(num_threads()) + " threads");
}
BENCHMARK(conv)
    ->ArgNames({"case", "pass", "algorithm"})
    ->ArgsProduct({benchmark::CreateDenseRange(0, 7, 1), {0, 1, 2}, {0, 1}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

// What goes through memory once: bytes read and written per second.
template <class F>
void stream(benchmark::State& state, F f, int64_t tensors) {
  Rng rng(1);
  const Tensor x = Tensor::uniform({8, 111, 111, 64}, -1, 1, rng);
  for (auto _ : state) benchmark::DoNotOptimize(f(x));
  state.SetBytesProcessed(state.iterations() * x.numel() * 4 * tensors);
}
void relu_forward(benchmark::State& state) {
  stream(
      state, [](const Tensor& x) { return relu(x); }, 2);
}
void bias_gradient(benchmark::State& state) {
  stream(
      state,
      [](const Tensor& x) {
        return sum(x, {0, 1, 2});
      },
      1);
}
void max_pool_forward(benchmark::State& state) {
  stream(
      state, [](const Tensor& x) { return max_pool2d(x, {.kernel = 3, .stride = 2, .ceil_mode = true}).values; }, 1);
}
BENCHMARK(relu_forward)->UseRealTime();
BENCHMARK(bias_gradient)->UseRealTime();
BENCHMARK(max_pool_forward)->UseRealTime();

}  // namespace
}  // namespace kindling
