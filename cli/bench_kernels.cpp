// kindling bench gemm and conv: the two kernels that everything stands on, on the shapes of a model or of the user.
#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sstream>

#include <kindling/cli/bench.h>
#include <kindling/cli/checks.h>
#include <kindling/cli/layer_times.h>
#include <kindling/cli/output.h>
#include <kindling/tensor/conv.h>
#include <kindling/tensor/gemm.h>
#include <kindling/tensor/kernels/blas.h>
#include <kindling/tensor/kernels/tasks.h>
#include <kindling/tensor/matmul.h>

namespace kindling::cli {
namespace {

using Json = nlohmann::ordered_json;

// Naive loops above so many multiply-adds would take seconds.
constexpr double kNaiveMacs = 3e8;

/// Which a shape of one's own takes the place of.
const std::vector<std::string> kModelOptions{"model",  "bypass", "form",   "classes", "squeeze-ratio",
                                             "pct3x3", "base-e", "incr-e", "freq",    "pools"};

struct KernelBench {
  Everywhere everywhere;
  ModelChoice model;
  int64_t batch_size = 8, steps = 5;
  std::optional<int64_t> m, n, k;   // of gemm
  std::optional<int64_t> channels;  // of conv, as what follows
  int64_t filters = 64, kernel = 3, stride = 1, padding = 0, groups = 1;
};

void declare_common(KernelBench& options, Settings& settings) {
  settings.group("Benchmark");
  settings.add("batch-size", options.batch_size, "N", "Images")->check(at_least(1));
  settings.add("steps", options.steps, "N", "Repetitions that are timed, after a warm-up")->check(at_least(1));
}

void declare_gemm(KernelBench& options, Settings& settings) {
  declare_common(options, settings);
  settings.group("Shape (default: the 1x1 convolutions of a model)");
  settings.add("m", options.m, "N", "Rows of a and c")->check(at_least(1));
  settings.add("n", options.n, "N", "Columns of b and c")->check(at_least(1));
  settings.add("k", options.k, "N", "Columns of a, rows of b")->check(at_least(1));
  options.model.declare_shapes(settings);
}

void declare_conv(KernelBench& options, Settings& settings) {
  declare_common(options, settings);
  settings.group("Shape (default: the convolutions of a model)");
  settings.add("channels", options.channels, "N", "Of the input, of --size pixels")->check(at_least(1));
  settings.add("filters", options.filters, "N", "Channels of the output")->check(at_least(1));
  settings.add("kernel", options.kernel, "PX", "Height and width of the window")->check(at_least(1));
  settings.add("stride", options.stride, "PX", "Pixels between windows")->check(at_least(1));
  settings.add("padding", options.padding, "PX", "Zeros on each side")->check(at_least(0));
  settings.add("groups", options.groups, "N", "Groups of channels")->check(at_least(1));
  options.model.declare_shapes(settings);
}

/// Throws UsageError for one of `names` that is on the command line although it `has` no effect.
void check_effects(const Settings& settings, const std::vector<std::string>& names, bool has, const std::string& why) {
  for (const std::string& name : names) settings.check_effects({{name, has, why}});
}

/// One thing measured.
struct Row {
  std::string name, shape, pass, algorithm;
  double gflop = 0;
  double error = 0;  ///< relative distance from the loops in double
  Timing time = {};
};

int report(const KernelBench& options, const std::vector<Row>& rows, const PeakMeter& peak, double images) {
  double ms = 0, gflop = 0;  // of the fastest algorithm alone, which each group of rows begins with
  const std::string fastest = rows.front().algorithm;
  for (const Row& row : rows)
    if (row.algorithm == fastest) ms += row.time.median(), gflop += row.gflop;
  const double fraction = 1e3 * gflop / ms / peak.gflops();
  const auto rate = [](const Row& row) { return 1e3 * row.gflop / row.time.median(); };

  if (options.everywhere.json) {
    Json list = Json::array();
    for (const Row& row : rows)
      list.push_back({{"name", row.name},
                      {"shape", row.shape},
                      {"pass", row.pass},
                      {"algorithm", row.algorithm},
                      {"ms", row.time.median()},
                      {"ms_quartiles", {row.time.low(), row.time.high()}},
                      {"gflops", rate(row)},
                      {"fraction_of_peak", rate(row) / peak.gflops()},
                      {"error", row.error}});
    Json document{{"images_per_second", 1e3 * images / ms}, {"ms_per_step", ms}, {"fraction_of_peak", fraction}};
    add_machine(document, peak);
    document["results"] = list;
    print_json(document);
    return kDone;
  }
  Table table({"name", "shape", "pass", "algorithm", "ms", "quartiles", "GFLOP/s", "peak", "error"}, {0, 1, 2, 3});
  for (const Row& row : rows)
    table.add({row.name, row.shape, row.pass, row.algorithm, fmt::format("{:.3f}", row.time.median()),
               fmt::format("{:.3f}-{:.3f}", row.time.low(), row.time.high()), fmt::format("{:.1f}", rate(row)),
               fmt::format("{:.0f} %", 100 * rate(row) / peak.gflops()), fmt::format("{:.0e}", row.error)});
  print("{}\n{}: {:.1f} ms in all, {:.3f} of peak\n{}\n", table.text(Style(1)), fastest, ms, fraction,
        machine_line(peak));
  return kDone;
}

void require_right(const Row& row) {
  if (row.error <= tolerance_of(/*is_double=*/false)) return;
  throw Error(fmt::format("{} {} {} by {} is wrong: relative error {:.1e}; see kindling doctor", row.name, row.shape,
                          row.pass, row.algorithm, row.error));
}

/// Times `run` of each row, one after the other, again and again, so that all see the same clocks.
/// A call that is not timed goes before each, so that none finds the caches as another left them.
template <class Run>
void time_rows(std::vector<Row>& rows, int64_t steps, PeakMeter& peak, Run run) {
  for (int64_t i = 0; i < steps; ++i)
    for (size_t r = 0; r < rows.size(); ++r) {
      run(r);
      rows[r].time.measure([&] { run(r); });
    }
  peak.sample();
}

// gemm

struct GemmShape {
  std::string name;
  int64_t m, n, k;
};

std::vector<GemmShape> gemm_shapes(const KernelBench& options) {
  if (options.m && options.n && options.k) return {{"gemm", *options.m, *options.n, *options.k}};
  if (options.m || options.n || options.k) throw UsageError("--m, --n and --k go together");
  Rng rng(options.everywhere.seed);
  const std::unique_ptr<Module> model = options.model.make(rng);
  const int64_t size = options.model.input_size();
  std::vector<GemmShape> shapes;
  std::set<std::array<int64_t, 3>> seen;
  for (const LayerCall& call : layer_calls(*model, {1, size, size, options.model.info().channels})) {
    const auto* conv = dynamic_cast<const Conv2d*>(call.module);
    if (conv == nullptr || conv->weight.size(1) != 1 || conv->options().groups != 1) continue;
    const std::array<int64_t, 3> mnk{options.batch_size * call.output[1] * call.output[2], call.output[3],
                                     call.input[3]};
    if (seen.insert(mnk).second) shapes.push_back({call.name, mnk[0], mnk[1], mnk[2]});
  }
  if (shapes.empty()) throw UsageError(options.model.model + " has no 1x1 convolutions; give --m, --n and --k");
  return shapes;
}

/// Distance of some rows of c = a b from the loops in double.
double gemm_error(const Tensor& a, const Tensor& b, const Tensor& c) {
  constexpr int64_t kRows = 32;
  const int64_t m = a.size(0), k = a.size(1), n = b.size(1), step = std::max<int64_t>(1, m / kRows);
  const Tensor rows = a.slice(0, 0, m, step).to(DType::f64).contiguous(), exact_b = b.to(DType::f64);
  Tensor expected = Tensor::empty({rows.size(0), n}, DType::f64);
  detail::naive_gemm<double>(rows.size(0), n, k, {rows.data<double>(), k}, {exact_b.data<double>(), n},
                             expected.data<double>(), n, /*add=*/false);
  return relative_distance(c.slice(0, 0, m, step).to(DType::f64), expected);
}

int run_gemm(KernelBench& options, Settings& settings) {
  const bool names_shape = options.m || options.n || options.k;
  for (const auto& names : {kModelOptions, {"size", "batch-size"}})
    check_effects(settings, names, !names_shape, "beside --m, --n and --k, which are the shape");
  warn_of_slow_blas();
  PeakMeter peak;
  Rng rng(options.everywhere.seed);
  std::vector<Row> all;
  for (const GemmShape& s : gemm_shapes(options)) {
    const Tensor a = Tensor::uniform({s.m, s.k}, -1, 1, rng), b = Tensor::uniform({s.k, s.n}, -1, 1, rng);
    Tensor c = Tensor::empty({s.m, s.n});
    const auto run = [&](size_t row) {
      if (row == 0) return matmul(a, b, {c});
      const float *pa = a.data<float>(), *pb = b.data<float>();
      if (row == 1) {  // the longer side, cut for all threads
        const bool cuts_rows = s.m >= s.n;
        const int64_t side = cuts_rows ? s.m : s.n;
        parallel_for(side, ceil_div(side, num_threads()), [&](int64_t begin, int64_t end) {
          const int64_t i = cuts_rows ? begin : 0, j = cuts_rows ? 0 : begin;
          kernels::blas_gemm<float>(false, false, cuts_rows ? end - begin : s.m, cuts_rows ? s.n : end - begin, s.k, 1,
                                    pa + i * s.k, s.k, pb + j, s.n, 0, c.data<float>() + i * s.n + j, s.n);
        });
      }
      if (row == 2) detail::naive_gemm<float>(s.m, s.n, s.k, {pa, s.k}, {pb, s.n}, c.data<float>(), s.n, /*add=*/false);
      return c;
    };
    const double macs = static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
    std::vector<const char*> algorithms{"kindling", "openblas"};
    if (macs <= kNaiveMacs) algorithms.push_back("naive");
    std::vector<Row> rows;
    for (const char* algorithm : algorithms)
      rows.push_back({s.name, fmt::format("{} x {} x {}", s.m, s.n, s.k), "product", algorithm, 2e-9 * macs});
    for (size_t r = 0; r < rows.size(); ++r) {
      rows[r].error = gemm_error(a, b, run(r));
      require_right(rows[r]);
    }
    time_rows(rows, options.steps, peak, run);
    std::move(rows.begin(), rows.end(), std::back_inserter(all));
  }
  return report(options, all, peak, static_cast<double>(options.batch_size));
}

// conv

struct MeasuredConv {
  std::string name;
  Shape x, w;
  Conv2dOptions options;
};

std::vector<MeasuredConv> measured_convs(const KernelBench& o) {
  if (o.channels) {
    const int64_t size = o.model.input_size();
    if (*o.channels % o.groups != 0 || o.filters % o.groups != 0)
      throw UsageError("--groups must divide --channels and --filters");
    return {{"conv",
             {o.batch_size, size, size, *o.channels},
             {o.filters, o.kernel, o.kernel, *o.channels / o.groups},
             {.stride = o.stride, .padding = o.padding, .groups = o.groups}}};
  }
  Rng rng(o.everywhere.seed);
  const std::unique_ptr<Module> model = o.model.make(rng);
  const int64_t size = o.model.input_size();
  std::vector<MeasuredConv> convs;
  for (const LayerCall& call : layer_calls(*model, {1, size, size, o.model.info().channels})) {
    const auto* conv = dynamic_cast<const Conv2d*>(call.module);
    if (conv == nullptr) continue;
    Shape x = call.input;
    x[0] = o.batch_size;
    const bool known = std::any_of(convs.begin(), convs.end(),
                                   [&](const MeasuredConv& s) { return s.x == x && s.w == conv->weight.shape(); });
    if (!known) convs.push_back({call.name, x, conv->weight.shape(), conv->options()});
  }
  return convs;
}

constexpr const char* kPasses[] = {"forward", "input gradient", "weight gradient"};

struct ConvOperands {
  Tensor x, w, grad;
  Conv2dOptions options;

  Tensor run(int pass) const {
    if (pass == 0) return conv2d(x, w, {}, options);
    if (pass == 1) return conv2d_input_grad(grad, w, x.shape(), options);
    return conv2d_weight_grad(grad, x, w.shape(), options);
  }
  /// The first image alone, in double.
  ConvOperands first_image() const {
    return {x.slice(0, 0, 1).to(DType::f64), w.to(DType::f64), grad.slice(0, 0, 1).to(DType::f64), options};
  }
};

Tensor run_by(ConvAlgorithm algorithm, const ConvOperands& operands, int pass) {
  set_conv_algorithm(algorithm);
  return operands.run(pass);
}

int run_conv(KernelBench& options, Settings& settings) {
  check_effects(settings, kModelOptions, !options.channels, "beside --channels, which begins a shape of its own");
  check_effects(settings, {"filters", "kernel", "stride", "padding", "groups"}, options.channels.has_value(),
                "without --channels: the shapes are those of the model");
  constexpr std::pair<const char*, ConvAlgorithm> kAlgorithms[] = {{"auto", ConvAlgorithm::automatic},
                                                                   {"direct", ConvAlgorithm::direct},
                                                                   {"im2col", ConvAlgorithm::im2col},
                                                                   {"naive", ConvAlgorithm::naive}};
  warn_of_slow_blas();
  PeakMeter peak;
  Rng rng(options.everywhere.seed);
  std::vector<Row> all;
  for (const MeasuredConv& shape : measured_convs(options)) {
    const Shape y = conv2d_shape(shape.x, shape.w, shape.options);
    const ConvOperands operands{Tensor::uniform(shape.x, -1, 1, rng), Tensor::uniform(shape.w, -1, 1, rng),
                                Tensor::uniform(y, -1, 1, rng), shape.options};
    const ConvOperands one{operands.x.slice(0, 0, 1), operands.w, operands.grad.slice(0, 0, 1), shape.options};
    const double macs = static_cast<double>(y.numel()) * static_cast<double>(shape.w.numel() / shape.w[0]);
    std::ostringstream text;
    text << shape.x << " * " << shape.w;
    for (int pass = 0; pass < 3; ++pass) {
      const Tensor expected = run_by(ConvAlgorithm::naive, operands.first_image(), pass);
      std::vector<Row> rows;
      for (const auto& [name, algorithm] : kAlgorithms) {
        if (algorithm == ConvAlgorithm::naive && macs > kNaiveMacs) continue;
        rows.push_back({shape.name, text.str(), kPasses[pass], name, 2e-9 * macs});
        rows.back().error = relative_distance(run_by(algorithm, one, pass).to(DType::f64), expected);
        require_right(rows.back());
      }
      time_rows(rows, options.steps, peak, [&](size_t row) { run_by(kAlgorithms[row].second, operands, pass); });
      std::move(rows.begin(), rows.end(), std::back_inserter(all));
    }
  }
  return report(options, all, peak, static_cast<double>(options.batch_size));
}

}  // namespace

void add_bench_gemm(Program& program, CLI::App& bench) {
  program.add<KernelBench>(bench, "gemm", "Matrix products: Kindling, OpenBLAS and three loops",
                           "kindling bench gemm\nkindling bench gemm --m 1000 --n 256 --k 64", declare_gemm, run_gemm);
}

void add_bench_conv(Program& program, CLI::App& bench) {
  program.add<KernelBench>(bench, "conv", "Convolutions and their gradients, by each algorithm",
                           "kindling bench conv --batch-size 8\n"
                           "kindling bench conv --size 27 --channels 32 --filters 128 --padding 1",
                           declare_conv, run_conv);
}

}  // namespace kindling::cli
