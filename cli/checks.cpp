#include <kindling/cli/checks.h>

#include <algorithm>

#include <fmt/format.h>

#include <kindling/autograd/gradcheck.h>
#include <kindling/autograd/ops/ops.h>
#include <kindling/tensor/conv.h>
#include <kindling/tensor/gemm.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/matmul.h>

namespace kindling::cli {
namespace {

Check by_error(std::string name, double error, double limit) {
  return {std::move(name), error <= limit, fmt::format("relative error {:.1e}", error)};
}

Tensor random(const Shape& shape, Rng& rng) { return Tensor::uniform(shape, -1, 1, rng, DType::f64); }

Check check_gemm(DType dtype, Rng rng) {
  constexpr int64_t m = 67, n = 45, k = 129;  // no multiple of any tile
  const Tensor a = random({m, k}, rng).to(dtype), b = random({k, n}, rng).to(dtype);
  const Tensor exact_a = a.to(DType::f64), exact_b = b.to(DType::f64);
  Tensor expected = Tensor::empty({m, n}, DType::f64);
  detail::naive_gemm<double>(m, n, k, {exact_a.data<double>(), k}, {exact_b.data<double>(), n}, expected.data<double>(),
                             n, /*add=*/false);
  const double error = relative_distance(matmul(a, b).to(DType::f64), expected);
  return by_error(fmt::format("matrix product, {}", name_of(dtype)), error, tolerance_of(dtype == DType::f64));
}

struct ConvCase {
  Shape x, w;
  Conv2dOptions options;
};

std::vector<ConvCase> conv_cases() {
  return {{{2, 13, 13, 24}, {20, 1, 1, 24}, {}},                         // a squeeze or expand1x1 layer
          {{2, 13, 13, 16}, {36, 3, 3, 16}, {.padding = 1}},             // expand3x3
          {{1, 31, 29, 3}, {40, 7, 7, 3}, {.stride = 2}},                // conv1
          {{1, 15, 15, 8}, {12, 5, 5, 4}, {.padding = 2, .groups = 2}},  // AlexNet's groups
          {{1, 15, 15, 5}, {7, 3, 3, 5}, {.stride = 2, .padding = 2, .dilation = 2}}};
}

/// Forward, input gradient and weight gradient of one case.
std::vector<Tensor> run_passes(const ConvCase& c, const Tensor& x, const Tensor& w, const Tensor& grad) {
  return {conv2d(x, w, {}, c.options), conv2d_input_grad(grad, w, x.shape(), c.options),
          conv2d_weight_grad(grad, x, w.shape(), c.options)};
}

void check_conv(ConvAlgorithm algorithm, const char* name, DType dtype, Rng rng, std::vector<Check>& checks) {
  constexpr const char* kPasses[] = {"", " input gradient", " weight gradient"};
  std::vector<double> worst(std::size(kPasses), 0.0);
  for (const ConvCase& c : conv_cases()) {
    const Tensor x = random(c.x, rng).to(dtype), w = random(c.w, rng).to(dtype);
    const Tensor grad = random(conv2d_shape(c.x, c.w, c.options), rng).to(dtype);
    const auto expected = [&] {
      const ConvAlgorithmGuard naive(ConvAlgorithm::naive);
      return run_passes(c, x.to(DType::f64), w.to(DType::f64), grad.to(DType::f64));
    }();
    const ConvAlgorithmGuard with(algorithm);
    const std::vector<Tensor> results = run_passes(c, x, w, grad);
    for (size_t i = 0; i < results.size(); ++i)
      worst[i] = std::max(worst[i], relative_distance(results[i].to(DType::f64), expected[i]));
  }
  for (size_t i = 0; i < worst.size(); ++i)
    checks.push_back(by_error(fmt::format("convolution{} ({}), {}", kPasses[i], name, name_of(dtype)), worst[i],
                              tolerance_of(dtype == DType::f64)));
}

/// The loss of a small network of convolutions, pooling and softmax.
Check check_gradients(uint64_t seed) {
  Rng rng(seed);
  const Variables inputs{random({2, 9, 9, 3}, rng), random({6, 3, 3, 3}, rng), random({4, 1, 1, 6}, rng)};
  const Tensor labels = Tensor::from<int64_t>({1, 3});
  const auto loss = [&](const Variables& v) {
    const Variable features = max_pool2d(relu(conv2d(v[0], v[1], {}, {.padding = 1})), {.kernel = 3, .stride = 2});
    return cross_entropy(mean(conv2d(features, v[2]), {1, 2}), labels);
  };
  const GradcheckResult result = gradcheck(loss, inputs, {.order = 2, .seed = seed});
  return {"gradients of first and second order, f64", result.ok, result.message};
}

/// Philox4x32-10's answers to counters and keys of all zeros and all ones, from the authors'
/// known-answer file (Random123, kat_vectors).
Check check_random_numbers() {
  constexpr uint64_t kOnes = ~uint64_t{0};
  const bool known = Rng(0, 0).bits(0) == 0xe169c58d6627e8d5 && Rng(kOnes, kOnes).bits(kOnes) == 0x41c83b0e408f276d;
  Rng sequential(7);
  bool same = true;
  for (uint64_t i = 0; i < 1000; ++i) same = same && sequential.next_bits() == Rng(7).bits(i);
  return {"random numbers", known && same, known ? (same ? "the published ones" : "order matters") : "others"};
}

Check check_threads(Rng rng) {
  const ConvCase c{{5, 17, 17, 24}, {40, 3, 3, 24}, {.padding = 1}};
  const Tensor x = random(c.x, rng).to(DType::f32), w = random(c.w, rng).to(DType::f32);
  const Tensor grad = random(conv2d_shape(c.x, c.w, c.options), rng).to(DType::f32);
  std::vector<Tensor> first;
  bool same = true;
  for (const int threads : {1, 2, 4}) {
    const ThreadsGuard with(threads);
    const std::vector<Tensor> results = run_passes(c, x, w, grad);
    if (first.empty()) first = results;
    for (size_t i = 0; i < results.size(); ++i) same = same && bitwise_equal(results[i], first[i]);
  }
  return {"the same bits on 1, 2 and 4 threads", same, same ? "they are" : "they differ"};
}

}  // namespace

double tolerance_of(bool is_double) { return is_double ? 1e-14 : 1e-5; }

std::vector<Check> check_numbers(uint64_t seed) {
  const Rng rng(seed);
  std::vector<Check> checks;
  for (const DType dtype : {DType::f32, DType::f64}) {
    checks.push_back(check_gemm(dtype, rng));
    check_conv(ConvAlgorithm::automatic, "auto", dtype, rng, checks);
    check_conv(ConvAlgorithm::direct, "direct", dtype, rng, checks);
    check_conv(ConvAlgorithm::im2col, "im2col", dtype, rng, checks);
  }
  checks.push_back(check_gradients(seed));
  checks.push_back(check_random_numbers());
  checks.push_back(check_threads(rng));
  return checks;
}

}  // namespace kindling::cli
