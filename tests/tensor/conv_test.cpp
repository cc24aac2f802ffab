#include <kindling/tensor/conv.h>

#include <cmath>

#include <kindling/tensor/conv_pool.h>
#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/kernels/conv.h>
#include <kindling/tensor/reduce.h>
#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

struct Case {
  Shape x, w;
  Conv2dOptions options;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << "x " << c.x << ", w " << c.w << ", stride " << c.options.stride << ", padding " << c.options.padding
             << ", dilation " << c.options.dilation << ", groups " << c.options.groups;
}

// Channels around the tiles' columns, widths around their rows, and corners of the options.
std::vector<Case> chosen_cases() {
  std::vector<Case> result = {
      {{2, 5, 5, 6}, {6, 3, 3, 1}, {.padding = 1, .groups = 6}},   // depthwise
      {{2, 5, 5, 6}, {12, 3, 3, 1}, {.padding = 1, .groups = 6}},  // two outputs for each channel
      {{2, 9, 11, 4}, {6, 2, 3, 4}, {.stride = {1, 2}, .padding = {0, 2}, .dilation = {2, 1}}},
      {{2, 9, 11, 4}, {6, 3, 1, 2}, {.stride = {2, 1}, .padding = {2, 0}, .dilation = {1, 2}, .groups = 2}},
      {{3, 12, 14, 3}, {8, 11, 11, 3}, {.stride = 4, .padding = 2}},  // AlexNet's first
      {{5, 4, 4, 64}, {64, 3, 3, 64}, {.padding = 1}},
      {{1, 13, 13, 96}, {1000, 1, 1, 96}, {}},
      {{1, 40, 40, 17}, {24, 1, 1, 17}, {}},         // several bands of one image
      {{2, 4, 4, 8}, {5, 1, 1, 8}, {.padding = 1}},  // padding beyond the kernel's reach, as conv10 of Caffe's v1.0
      {{2, 1, 1, 3}, {4, 3, 3, 3}, {.padding = 4}},  // most windows see no pixel at all
      {{1, 5, 5, 1}, {1, 5, 5, 1}, {}},              // one output pixel
      // By Winograd: odd and even maps, every padding, tiles through several images, blocks of one.
      {{3, 4, 4, 16}, {17, 3, 3, 16}, {.padding = 1}},
      {{2, 7, 9, 33}, {16, 3, 3, 33}, {.padding = {0, 2}}},
      {{2, 3, 6, 16}, {16, 3, 3, 16}, {}},
      {{1, 1, 1, 16}, {16, 3, 3, 16}, {.padding = 1}},
      {{1, 5, 4, 130}, {70, 3, 3, 130}, {.padding = {2, 1}}},
      {{1, 41, 39, 16}, {48, 3, 3, 16}, {.padding = 3}},
      {{5, 5, 5, 300}, {20, 3, 3, 300}, {.padding = 1}},
      {{2, 8, 8, 20}, {50, 5, 5, 20}, {}},  // LeNet's second, but for its size
      {{2, 12, 12, 20}, {50, 5, 5, 20}, {}},
      {{3, 7, 10, 17}, {33, 5, 5, 17}, {.padding = {2, 1}}},
      {{1, 9, 3, 48}, {16, 5, 5, 48}, {.padding = {0, 4}}},
      {{2, 13, 13, 16}, {130, 3, 3, 16}, {.padding = 1}},  // panels cut among tasks
      {{2, 6, 6, 3}, {4, 2, 2, 3}, {.stride = 5}},         // pixels that no window sees
  };
  for (const int64_t channels : {1, 3, 13, 16, 33})
    for (const int64_t out : {1, 7, 16, 40, 130})
      for (const int64_t kernel : {1, 3})
        result.push_back({{2, 6, 5, channels}, {out, kernel, kernel, channels}, {.padding = kernel / 2}});
  for (const int64_t width : {1, 2, 5, 6, 7, 8, 13, 14, 15, 24, 25, 29})
    for (const int64_t out : {16, 32, 48, 64}) result.push_back({{1, 3, width, 4}, {out, 3, 3, 4}, {.padding = 1}});
  return result;
}

template <size_t N>
int64_t pick(const int64_t (&values)[N], Rng& rng) {
  return values[rng.next_below(N)];
}

// Every option drawn on its own, so that a few hundred cases meet every pair of values many times over.
std::vector<Case> drawn_cases() {
  constexpr int64_t kKernels[] = {1, 2, 3, 3, 4, 5, 7, 11},
                    kChannels[] = {1, 2, 3, 5, 7, 8, 11, 13, 16, 31, 48, 64, 130}, kGroups[] = {1, 1, 2, 3};
  std::vector<Case> result;
  Rng rng(12);
  const auto two = [&](int64_t low, int64_t high) {
    return Size2(low + rng.next_below(high - low + 1), low + rng.next_below(high - low + 1));
  };
  while (result.size() < 400) {
    const int64_t groups = pick(kGroups, rng);
    const Size2 size = two(1, 15);
    const Shape x{1 + rng.next_below(5), size.h, size.w, groups * pick(kChannels, rng)};
    const Shape w{groups * pick(kChannels, rng), pick(kKernels, rng), pick(kKernels, rng), x[3] / groups};
    const Conv2dOptions options{.stride = two(1, 4), .padding = two(0, 3), .dilation = two(1, 3), .groups = groups};
    const auto fits = [](int64_t in, int64_t kernel, int64_t padding, int64_t dilation) {
      return in + 2 * padding > dilation * (kernel - 1);
    };
    const bool has_output = fits(x[1], w[1], options.padding.h, options.dilation.h) &&
                            fits(x[2], w[2], options.padding.w, options.dilation.w);
    if (has_output && x.numel() * w.numel() < 10'000'000) result.push_back({x, w, options});
  }
  return result;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = [] {
    std::vector<Case> result = chosen_cases();
    for (const Case& c : drawn_cases()) result.push_back(c);
    return result;
  }();
  return all;
}

// The definition, in double.
struct Reference {
  Tensor x, w, bias, grad, y, dx, dw;

  explicit Reference(const Case& c) {
    Rng rng(5);
    x = random(c.x, rng);
    w = random(c.w, rng);
    bias = random({c.w[0]}, rng);
    const Shape shape = conv2d_shape(c.x, c.w, c.options);
    grad = random(shape, rng);
    const Conv2dOptions& o = c.options;
    const kernels::ConvShape s{c.x[0],      c.x[1],       c.x[2],       c.x[3],     c.w[0],     c.w[1],
                               c.w[2],      shape[1],     shape[2],     o.stride.h, o.stride.w, o.padding.h,
                               o.padding.w, o.dilation.h, o.dilation.w, o.groups};
    y = bias.broadcast_to(shape).clone();
    dx = Tensor::zeros(c.x, DType::f64);
    dw = Tensor::zeros(c.w, DType::f64);
    for (int64_t n = 0; n < s.N; ++n) {
      kernels::naive_conv2d(s, n, y.data<double>(), x.data<double>(), w.data<double>());
      kernels::naive_conv2d_input_grad(s, n, dx.data<double>(), grad.data<double>(), w.data<double>());
      kernels::naive_conv2d_weight_grad(s, n, dw.data<double>(), grad.data<double>(), x.data<double>());
    }
  }

  // f32 has 24 bits, and sums of up to some thousand products lose a few; f64 is only reordered.
  void check(const Case& c, DType dtype) const {
    const double tolerance = dtype == DType::f32 ? 1e-5 : 1e-13;
    const Tensor x = this->x.to(dtype), w = this->w.to(dtype), bias = this->bias.to(dtype), grad = this->grad.to(dtype);
    check_close(conv2d(x, w, bias, c.options), y, tolerance);
    check_close(conv2d(x, w, {}, c.options) + bias, y, tolerance);
    check_close(conv2d_relu(x, w, bias, c.options), relu(y), tolerance);
    check_close(conv2d_input_grad(grad, w, x.shape(), c.options), dx, tolerance);
    check_close(conv2d_weight_grad(grad, x, w.shape(), c.options), dw, tolerance);
    Tensor dx_sum = x.clone(), dw_sum = w.clone();
    conv2d_input_grad(grad, w, x.shape(), c.options, {dx_sum, true});
    conv2d_weight_grad(grad, x, w.shape(), c.options, {dw_sum, true});
    check_close(dx_sum, this->x + dx, tolerance);
    check_close(dw_sum, this->w + dw, tolerance);
  }
};

}  // namespace

TEST_CASE("conv2d and its gradients are the definition, for every option, algorithm, dtype and instruction set") {
  const Poison poison;
  for (const Case& c : cases()) {
    INFO(c);
    const Reference reference(c);
    for_each_isa([&] {
      for (const DType dtype : {DType::f32, DType::f64}) reference.check(c, dtype);
    });
    for (const auto algorithm : {ConvAlgorithm::direct, ConvAlgorithm::im2col}) {
      const ConvAlgorithmGuard use(algorithm);
      reference.check(c, DType::f32);
      reference.check(c, DType::f64);
    }
  }
}

TEST_CASE("the naive algorithm of conv2d is the definition") {
  const ConvAlgorithmGuard naive(ConvAlgorithm::naive);
  for (const Case& c : cases()) {
    if (c.x.numel() * c.w.numel() > 100'000) continue;
    INFO(c);
    Reference(c).check(c, DType::f64);
  }
}

TEST_CASE("conv2d is trilinear: its three maps are adjoint to each other") {
  for (const Case& c : cases()) {
    INFO(c);
    Rng rng(3);
    const Tensor x = random(c.x, rng), w = random(c.w, rng), g = random(conv2d_shape(c.x, c.w, c.options), rng);
    const Tensor y = conv2d(x, w, {}, c.options);
    // A sum of products of random signs may be small: its error is measured against the sizes of its factors.
    const double form = dot(y, g), tolerance = 1e-13 * norm(y) * norm(g);
    CHECK(std::abs(dot(x, conv2d_input_grad(g, w, c.x, c.options)) - form) <= tolerance);
    CHECK(std::abs(dot(w, conv2d_weight_grad(g, x, c.w, c.options)) - form) <= tolerance);
  }
}

TEST_CASE("convolutions have the same bits for any number of threads") {
  Rng rng(4);
  const Conv2dOptions options{.padding = 1};
  const Tensor x = random({5, 20, 21, 24}, rng, DType::f32), w = random({40, 3, 3, 24}, rng, DType::f32);
  const Tensor g = random({5, 20, 21, 40}, rng, DType::f32);
  for (const auto algorithm :
       {ConvAlgorithm::automatic, ConvAlgorithm::direct, ConvAlgorithm::im2col, ConvAlgorithm::naive}) {
    const ConvAlgorithmGuard use(algorithm);
    check_same_bits_for_all_threads([&] { return conv2d(x, w, {}, options); });
    check_same_bits_for_all_threads([&] { return conv2d_input_grad(g, w, x.shape(), options); });
    check_same_bits_for_all_threads([&] { return conv2d_weight_grad(g, x, w.shape(), options); });
  }
}

TEST_CASE("relu_bias_grad lets through what ReLU does, and sums it for the bias") {
  Rng rng(8);
  for (const Shape& shape :
       {Shape{2, 3, 5, 7}, Shape{1, 40, 50, 70}, Shape{3, 1}, Shape{1, 1, 1, 130}, Shape{0, 4, 4, 2}})
    for (const DType dtype : {DType::f32, DType::f64}) {
      INFO(shape);
      Shape wide = shape;
      wide[shape.rank() - 1] += 5;
      const int64_t C = shape.back();
      // A slice of a wider gradient is read where it lies, another view is copied first.
      const Tensor y = random(shape, rng, dtype), both = random(wide, rng, dtype), half = both.slice(-1, 3, 3 + C);
      const Tensor expected = relu_grad(half, y), total = sum(expected.to(DType::f64).reshape({-1, C}), {0});
      for_each_isa([&] {
        Tensor wide_y = Tensor::zeros(wide, dtype);
        wide_y.slice(-1, 2, 2 + C).copy_(y);
        for (const Tensor& grad : {half, half.contiguous(), strided(half)}) {
          const bool in_slice = grad.is_contiguous();
          const ReluBiasGrad result = relu_bias_grad(grad, in_slice ? wide_y.slice(-1, 2, 2 + C) : strided(y));
          CHECK(bitwise_equal(result.grad, expected));
          check_close(result.bias, total, dtype == DType::f32 ? 1e-6 : 1e-14);
        }
        if (shape.rank() == 4) {  // an average over the map, whose gradient is the same for all pixels
          const Tensor average = half.slice(1, 0, 1).slice(2, 0, 1), whole = average.contiguous().broadcast_to(shape);
          const ReluBiasGrad result = relu_bias_grad(whole, y);
          CHECK(bitwise_equal(result.grad, relu_grad(whole.contiguous(), y)));
          check_close(result.bias, sum(result.grad.to(DType::f64).reshape({-1, C}), {0}),
                      dtype == DType::f32 ? 1e-6 : 1e-14);
        }
        const Tensor own = both.clone(), own_half = own.slice(-1, 3, 3 + C);
        CHECK(bitwise_equal(relu_bias_grad(own_half, y, {own_half}).grad, expected));  // over the gradient itself
        CHECK(bitwise_equal(own_half, expected));
      });
      check_same_bits_for_all_threads([&] { return relu_bias_grad(half, y).bias; });
    }
  check_throws(
      [] {
        relu_bias_grad(Tensor::zeros({2, 3}), Tensor::zeros({3, 2}));
      },
      "relu_bias_grad: gradient [2, 3] and output [3, 2] differ");
}

TEST_CASE("convolutions read and write slices of channels where they lie") {
  const Poison poison;
  for (const Case& c : cases()) {
    INFO(c);
    Rng rng(9);
    const Tensor x = random(c.x, rng), w = random(c.w, rng), bias = random({c.w[0]}, rng);
    const Tensor y = conv2d_relu(x, w, bias, c.options), grad = random(y.shape(), rng);
    Shape wide = y.shape();
    wide[3] += 7;
    const int64_t O = y.size(3);
    Tensor all = Tensor::full(wide, 5.0, DType::f64), half = all.slice(3, 3, 3 + O);
    CHECK(bitwise_equal(conv2d_relu(x, w, bias, c.options, {half}), y));
    CHECK(bitwise_equal(half, y));
    CHECK(bitwise_equal(all.slice(3, 0, 3), Tensor::full({wide[0], wide[1], wide[2], 3}, 5.0, DType::f64)));
    CHECK(bitwise_equal(all.slice(3, 3 + O, O + 7), Tensor::full({wide[0], wide[1], wide[2], 4}, 5.0, DType::f64)));
    half.copy_(grad);
    check_close(conv2d_input_grad(half, w, c.x, c.options), conv2d_input_grad(grad, w, c.x, c.options), 1e-14);
    CHECK(bitwise_equal(conv2d_weight_grad(half, x, c.w, c.options), conv2d_weight_grad(grad, x, c.w, c.options)));
  }
}

TEST_CASE("gradients of convolutions are added to contiguous tensors of their type alone") {
  const Tensor w = Tensor::ones({4, 3, 3, 2}), x = Tensor::ones({1, 5, 5, 2}), g = Tensor::ones({1, 3, 3, 4});
  check_throws(
      [&] {
        conv2d_input_grad(g, w, x.shape(), {}, {Tensor::zeros({1, 5, 2, 5}).transpose(2, 3), true});
      },
      "conv2d_input_grad: the destination must be contiguous: shape [1, 5, 5, 2], strides [50, 10, 1, 5]");
  check_throws(
      [&] {
        conv2d_weight_grad(g, x, w.shape(), {}, {Tensor::zeros(w.shape(), DType::f64), true});
      },
      "conv2d_weight_grad: the result is f32 [4, 3, 3, 2], its destination f64 [4, 3, 3, 2]");
}

TEST_CASE("conv2d takes strided operands and empty batches") {
  Rng rng(6);
  const Tensor x = random({2, 5, 6, 3}, rng), w = random({4, 3, 3, 3}, rng), g = random({2, 3, 4, 4}, rng);
  check_close(conv2d(strided(x), strided(w)), conv2d(x, w), 0);
  check_close(conv2d_input_grad(strided(g), strided(w), x.shape()), conv2d_input_grad(g, w, x.shape()), 0);
  check_close(conv2d_weight_grad(strided(g), strided(x), w.shape()), conv2d_weight_grad(g, x, w.shape()), 0);
  for (const auto algorithm :
       {ConvAlgorithm::automatic, ConvAlgorithm::direct, ConvAlgorithm::im2col, ConvAlgorithm::naive}) {
    const ConvAlgorithmGuard use(algorithm);
    const Tensor none = Tensor::empty({0, 5, 6, 3}, DType::f64), no_grad = Tensor::empty({0, 3, 4, 4}, DType::f64);
    CHECK(conv2d(none, w).shape() == Shape{0, 3, 4, 4});
    CHECK(conv2d_input_grad(no_grad, w, none.shape()).shape() == none.shape());
    check_close(conv2d_weight_grad(no_grad, none, w.shape()), Tensor::zeros(w.shape(), DType::f64), 0);
  }
}

TEST_CASE("conv2d reports what does not fit, with all shapes") {
  const auto zeros = [](const Shape& shape) { return Tensor::zeros(shape); };
  check_throws(
      [&] {
        conv2d(zeros({8, 32, 32, 3}), zeros({64, 3, 3, 4}));
      },
      "conv2d: input has 3 channels, weight expects 4: input [8, 32, 32, 3], weight [64, 3, 3, 4]");
  check_throws(
      [&] {
        conv2d(zeros({8, 3, 32, 32}), zeros({64, 3, 3, 3}));
      },
      "conv2d: input has 32 channels, weight expects 3: input [8, 3, 32, 32], weight [64, 3, 3, 3]; images are [N, H, "
      "W, C] here, and this one looks like [N, C, H, W]");
  check_throws(
      [&] {
        conv2d(zeros({8, 32, 32}), zeros({64, 3, 3, 4}));
      },
      "conv2d: input must be [N, H, W, C], got [8, 32, 32]");
  check_throws(
      [&] {
        conv2d(zeros({1, 4, 4, 3}), zeros({64, 3, 3}));
      },
      "conv2d: weight must be [O, KH, KW, I], got [64, 3, 3]");
  check_throws(
      [&] {
        conv2d(zeros({1, 4, 4, 6}), zeros({9, 3, 3, 2}), {}, {.groups = 2});
      },
      "conv2d: groups 2 does not divide channels: input [1, 4, 4, 6], weight [9, 3, 3, 2]");
  check_throws(
      [&] {
        conv2d(zeros({1, 4, 4, 0}), zeros({9, 3, 3, 0}));
      },
      "conv2d: channels and kernel must be at least 1: input [1, 4, 4, 0], weight [9, 3, 3, 0]");
  check_throws(
      [&] {
        conv2d(zeros({1, 4, 4, 3}), zeros({9, 0, 3, 3}));
      },
      "conv2d: channels and kernel must be at least 1: input [1, 4, 4, 3], weight [9, 0, 3, 3]");
  check_throws(
      [&] {
        conv2d(zeros({1, 2, 5, 3}), zeros({4, 3, 3, 3}));
      },
      "conv2d: output would be empty: input [1, 2, 5, 3], weight [4, 3, 3, 3], padding 0, dilation 1");
  check_throws(
      [&] {
        conv2d(zeros({1, 4, 4, 3}), zeros({4, 3, 3, 3}), zeros({3}));
      },
      "conv2d: bias must be [4], got [3]: weight [4, 3, 3, 3]");
  check_throws(
      [&] {
        conv2d(zeros({1, 4, 4, 3}), zeros({4, 3, 3, 3}), {}, {.stride = 0});
      },
      "conv2d: stride 0 and dilation 1 must be at least 1, padding 0 at least 0");
  check_throws(
      [&] {
        conv2d(zeros({1, 4, 4, 3}), Tensor::zeros({4, 3, 3, 3}, DType::f64));
      },
      "conv2d: operands have dtypes f32 and f64; convert one with to()");
  check_throws(
      [&] {
        conv2d_input_grad(zeros({1, 2, 3, 4}), zeros({4, 3, 3, 3}), {1, 4, 4, 3});
      },
      "conv2d_input_grad: gradient must be [1, 2, 2, 4], got [1, 2, 3, 4]");
  check_throws(
      [&] {
        conv2d_weight_grad(zeros({1, 2, 3, 4}), zeros({1, 4, 4, 3}), {4, 3, 3, 3});
      },
      "conv2d_weight_grad: gradient must be [1, 2, 2, 4], got [1, 2, 3, 4]");
}

TEST_CASE("convolution and max pooling in bands are the two one after the other") {
  struct PoolCase {
    Shape x, w;
    Conv2dOptions conv;
    Pool2dOptions pool;
  };
  const PoolCase all[] = {
      {{2, 31, 29, 3}, {20, 3, 3, 3}, {.stride = 2}, {.kernel = 3, .stride = 2, .ceil_mode = true}},
      {{3, 16, 16, 3}, {64, 3, 3, 3}, {.padding = 1}, {.kernel = 3, .stride = 2, .ceil_mode = true}},
      {{1, 90, 60, 3}, {96, 7, 7, 3}, {.stride = 2, .padding = {2, 0}}, {.kernel = 3, .stride = 2}},  // many bands
      {{2, 70, 70, 3}, {32, 3, 3, 3}, {.padding = 2}, {.kernel = 2, .stride = 3}},  // rows that no window sees
      {{2, 40, 61, 4}, {64, 2, 3, 2}, {.dilation = 2, .groups = 2}, {.kernel = 5, .stride = 1, .padding = 2}},
      {{2, 40, 61, 4}, {64, 2, 3, 2}, {.dilation = 2, .groups = 2}, {.kernel = 3, .stride = 2, .padding = 1}},
      {{3, 9, 200, 3},
       {5, 5, 5, 3},
       {.stride = {1, 2}, .padding = 4},
       {.kernel = {2, 4}, .stride = {3, 2}, .ceil_mode = true}},
      {{4, 1, 1, 1}, {1, 1, 1, 1}, {}, {.kernel = 1}},
      {{1, 4, 4, 8}, {8, 1, 1, 8}, {.padding = {1, 0}}, {.kernel = 2}},  // bands of 1x1 with padding on one side
      {{1, 64, 64, 32}, {32, 1, 1, 32}, {.padding = {1, 0}}, {.kernel = 2}},
      {{1, 5, 3, 16}, {16, 3, 3, 16}, {}, {.kernel = {2, 1}, .stride = 1}},  // Winograd's if it were higher
      {{2, 14, 14, 20}, {50, 5, 5, 20}, {}, {.kernel = 2}},                  // Winograd's: not in bands
  };
  for (const PoolCase& c : all) {
    INFO("x " << c.x << ", w " << c.w << ", pool " << c.pool.kernel << " by " << c.pool.stride);
    Rng rng(4);
    const Tensor x = random(c.x, rng, DType::f32), w = random(c.w, rng, DType::f32),
                 bias = random({c.w[0]}, rng, DType::f32);
    for_each_isa([&] {
      for (const bool with_relu : {false, true}) {
        const ConvPoolOptions options{c.conv, c.pool, with_relu};
        const Poison poison;
        const Tensor map = with_relu ? conv2d_relu(x, w, bias, c.conv) : conv2d(x, w, bias, c.conv);
        const MaxPool2dResult expected = max_pool2d(map, c.pool);
        const MaxPool2dResult result = conv2d_max_pool2d(x, w, bias, options);
        CHECK(bitwise_equal(result.values, expected.values));
        CHECK(bitwise_equal(result.argmax, expected.argmax));
        CHECK(bitwise_equal(conv2d_max_pool2d(x, w, {}, {c.conv, c.pool}).values,
                            max_pool2d(conv2d(x, w, {}, c.conv), c.pool).values));
        const Tensor grad = random(expected.values.shape(), rng, DType::f32);
        Tensor sum = w.clone(), expected_sum = w.clone();
        const Tensor map_grad = max_unpool2d(grad, result.argmax, map.shape(), c.pool);
        conv2d_max_pool2d_weight_grad(grad, result.argmax, x, c.w, options, {sum, true});
        conv2d_weight_grad(map_grad, x, c.w, c.conv, {expected_sum, true});
        check_close(sum, expected_sum, 2e-6);
        check_close(conv2d_max_pool2d_weight_grad(grad, result.argmax, x, c.w, options),
                    conv2d_weight_grad(map_grad, x, c.w, c.conv), 2e-6);
        check_same_bits_for_all_threads([&] { return conv2d_max_pool2d(x, w, bias, options).values; });
        check_same_bits_for_all_threads(
            [&] { return conv2d_max_pool2d_weight_grad(grad, result.argmax, x, c.w, options); });
      }
    });
  }
}

TEST_CASE("convolution and max pooling of no images") {
  const ConvPoolOptions options{{}, {.kernel = 2}, true};
  const Tensor x = Tensor::zeros({0, 6, 6, 3});
  Tensor sum = Tensor::ones({4, 3, 3, 3});
  const MaxPool2dResult result = conv2d_max_pool2d(x, sum, {}, options);
  CHECK(result.values.shape() == Shape{0, 2, 2, 4});
  conv2d_max_pool2d_weight_grad(result.values, result.argmax, x, sum.shape(), options, {sum, true});
  CHECK(bitwise_equal(sum, Tensor::ones({4, 3, 3, 3})));
}

TEST_CASE("how a convolution is computed can be asked, and does not depend on the batch") {
  const auto methods = [](const Shape& x, const Shape& w, const Conv2dOptions& options = {}) {
    const ConvMethods one = conv2d_methods({1, x[1], x[2], x[3]}, w, options), all = conv2d_methods(x, w, options);
    CHECK((one.output == all.output && one.input_grad == all.input_grad && one.weight_grad == all.weight_grad));
    return all.output + ", " + all.input_grad + ", " + all.weight_grad;
  };
  CHECK(methods({64, 13, 13, 64}, {256, 3, 3, 64}, {.padding = 1}) == "winograd 4x4, winograd 4x4, winograd 4x4");
  CHECK(methods({64, 6, 6, 64}, {64, 3, 3, 64}, {.padding = 1}) == "winograd 2x2, winograd 2x2, winograd 2x2");
  CHECK(methods({64, 55, 55, 16}, {64, 1, 1, 16}) == "direct, direct, direct");
  CHECK(methods({64, 224, 224, 3}, {64, 3, 3, 3}, {.stride = 2}) == "direct, im2col, direct");
  CHECK(methods({64, 12, 12, 20}, {50, 5, 5, 20}) == "winograd 4x4, winograd 4x4, winograd 4x4");
  const ConvAlgorithmGuard reference(ConvAlgorithm::im2col);
  CHECK(methods({64, 13, 13, 64}, {256, 3, 3, 64}, {.padding = 1}) == "im2col, im2col, im2col");
  CHECK_THROWS_AS(conv2d_methods({1, 4, 4, 3}, {4, 3, 3, 2}), ShapeError);
}
