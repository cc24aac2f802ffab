// Decoding of .kndz files: run build/bench/kindling_bench --benchmark_filter=kndz.
#include <benchmark/benchmark.h>

#include <cmath>
#include <filesystem>

#include <kindling/io/kndz.h>
#include <kindling/tensor/rng.h>

namespace kindling {
namespace {

// Argument: the coder. A third of the weights are not 0, as in the authors' SqueezeNet, one half of them in kernels.
void kndz(benchmark::State& state) {
  std::vector<CodedTensor> tensors{{.name = "expand3x3", .shape = {256, 3, 3, 256}, .coding = Coding::grid, .step = 1},
                                   {.name = "conv10", .shape = {1000, 1, 1, 512}, .coding = Coding::grid, .step = 1}};
  Rng rng(1);
  int64_t weights = 0;
  for (CodedTensor& tensor : tensors)
    for (int64_t i = 0; i < tensor.shape.numel(); ++i, ++weights)
      tensor.numbers.push_back(rng.next_uniform() < 0.33 ? static_cast<int32_t>(std::lround(20 * rng.next_normal()))
                                                         : 0);
  const std::filesystem::path path = std::filesystem::temp_directory_path() / "kindling_bench.kndz";
  write_kndz(path.string(), tensors, {}, static_cast<KndzCoder>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(read_kndz(path.string()));
  state.counters["weights/s"] =
      benchmark::Counter(static_cast<double>(weights), benchmark::Counter::kIsIterationInvariantRate);
  state.SetLabel(state.range(0) == 0 ? "Huffman" : "range");
  std::filesystem::remove(path);
}
BENCHMARK(kndz)->ArgName("coder")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kindling
