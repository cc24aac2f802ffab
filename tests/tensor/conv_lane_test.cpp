// Convolutions of the sizes, and in the place, that training uses them: inside a lane, with sums over
// pixels in several parts, more than one block of tiles, channels and rows, and gradients that add to what is there.
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include <kindling/tensor/conv.h>
#include <kindling/tensor/conv_pool.h>
#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

struct LaneCase {
  const char* what;
  Shape x, w;
  Conv2dOptions options;
  std::optional<Pool2dOptions> pool = {};  ///< behind it, as one
};

std::ostream& operator<<(std::ostream& out, const LaneCase& c) {
  return out << c.what << ": x " << c.x << ", w " << c.w;
}

// A part of a sum has at least 2048 pixels or 512 tiles; a block has 12 to 96 tiles, 512 pixels, 256 KiB of input rows,
// 64 (Winograd) or 256 output channels. Every case goes beyond the limits that apply to it.
std::vector<LaneCase> lane_cases() {
  const Pool2dOptions pool{.kernel = 3, .stride = 2};
  return {
      {"F(4x4, 3x3)", {2, 98, 91, 16}, {72, 3, 3, 16}, {.padding = 1}},
      {"F(4x4, 3x3), many input channels", {5, 15, 14, 150}, {136, 3, 3, 150}, {.padding = 1}},
      {"F(4x4, 3x3), adjoint for the input", {40, 6, 6, 80}, {136, 3, 3, 80}, {}},
      {"F(2x2, 3x3)", {1100, 2, 2, 16}, {72, 3, 3, 16}, {.padding = 1}},
      {"F(4x4, 5x5)", {270, 9, 9, 16}, {72, 5, 5, 16}, {}},
      {"F(2x2, 5x5)", {1100, 6, 6, 16}, {68, 5, 5, 16}, {}},
      {"squeeze", {2, 47, 53, 130}, {72, 1, 1, 130}, {}},
      {"expand", {2, 47, 53, 16}, {136, 1, 1, 16}, {}},
      {"two blocks of output channels", {2, 45, 47, 72}, {300, 1, 1, 72}, {}},
      {"few input channels", {2, 131, 131, 3}, {72, 3, 3, 3}, {.stride = 2}, pool},
      {"few input channels, 7x7", {1, 143, 141, 3}, {96, 7, 7, 3}, {.stride = 2, .padding = 1}, pool},
      {"gathered", {2, 66, 64, 8}, {80, 3, 3, 8}, {.padding = 1}, pool},
      {"strided", {2, 93, 91, 24}, {72, 3, 3, 24}, {.stride = 2, .padding = 1}},
      {"two groups", {2, 50, 49, 80}, {72, 3, 3, 40}, {.padding = 1, .groups = 2}},
      {"depthwise", {2, 50, 49, 80}, {80, 3, 3, 1}, {.padding = 1, .groups = 80}},
  };
}

// The same numbers as channels 3 to 3 + C of a wider tensor: the half of a concatenation, whose gradient is read where
// it lies.
Tensor slice_of_wider(const Tensor& x) {
  Shape wide = x.shape();
  wide[3] += 5;
  return Tensor::zeros(wide, x.dtype()).slice(3, 3, 3 + x.size(3)).copy_(x);
}

struct Operands {
  Operands(const LaneCase& c, DType dtype) : options(c.options), pool(c.pool) {
    Rng rng(17);
    const auto draw = [&](const Shape& shape) { return random(shape, rng, DType::f32).to(dtype); };
    x = draw(c.x), w = draw(c.w), bias = draw({c.w[0]});
    grad = slice_of_wider(draw(conv2d_shape(c.x, c.w, c.options)));
    if (c.pool) pooled_grad = draw(pool2d_shape("max_pool2d", grad.shape(), *c.pool));
  }
  ConvPoolOptions with_pool() const { return {options, *pool, /*relu=*/true}; }

  Conv2dOptions options;
  std::optional<Pool2dOptions> pool;
  Tensor x, w, bias, grad, pooled_grad;
};

// What training asks of a convolution: gradients by themselves, and added to x and w, which stand for what is there.
struct Passes {
  explicit Passes(const Operands& in)
      : y(conv2d_relu(in.x, in.w, in.bias, in.options)),
        dx(conv2d_input_grad(in.grad, in.w, in.x.shape(), in.options)),
        dw(conv2d_weight_grad(in.grad, in.x, in.w.shape(), in.options)),
        dx_added(in.x.clone()),
        dw_added(in.w.clone()),
        by_relu(relu_bias_grad(in.grad, y)) {
    conv2d_input_grad(in.grad, in.w, in.x.shape(), in.options, {dx_added, true});
    conv2d_weight_grad(in.grad, in.x, in.w.shape(), in.options, {dw_added, true});
    if (!in.pool) return;
    pooled = conv2d_max_pool2d(in.x, in.w, in.bias, in.with_pool());
    pooled_dw_added = in.w.clone();
    conv2d_max_pool2d_weight_grad(in.pooled_grad, pooled.argmax, in.x, in.w.shape(), in.with_pool(),
                                  {pooled_dw_added, true});
  }

  std::vector<Tensor> all() const {
    std::vector<Tensor> result{y, dx, dw, dx_added, dw_added, by_relu.grad, by_relu.bias};
    if (pooled.values.defined()) result.insert(result.end(), {pooled.values, pooled_dw_added});
    return result;
  }

  Tensor y, dx, dw, dx_added, dw_added;
  ReluBiasGrad by_relu;
  MaxPool2dResult pooled;
  Tensor pooled_dw_added;
};

// Passes in double by plain matrix products, nothing fused and nothing added in place.
class Reference {
 public:
  explicit Reference(const LaneCase& c) : in_(c, DType::f64) {
    const ConvAlgorithmGuard use(ConvAlgorithm::im2col);
    y_ = relu(conv2d(in_.x, in_.w, {}, in_.options) + in_.bias);
    dx_ = conv2d_input_grad(in_.grad, in_.w, in_.x.shape(), in_.options);
    dw_ = conv2d_weight_grad(in_.grad, in_.x, in_.w.shape(), in_.options);
  }

  void check(const Passes& actual, double tolerance) const {
    const auto close = [&](const char* what, const Tensor& a, const Tensor& b) {
      INFO(what);
      check_close(a, b, tolerance);
    };
    close("y", actual.y, y_);
    close("dx", actual.dx, dx_);
    close("dw", actual.dw, dw_);
    close("dx added", actual.dx_added, in_.x + dx_);
    close("dw added", actual.dw_added, in_.w + dw_);
    // By what was computed: rounding may move a pixel across 0, or make another one the largest.
    const Tensor cut = relu_grad(in_.grad, actual.y.to(DType::f64));
    close("gradient behind ReLU", actual.by_relu.grad, cut);
    close("bias", actual.by_relu.bias, sum(cut.reshape({-1, cut.size(3)}), {0}));
    if (!in_.pool) return;
    close("pooled", actual.pooled.values, max_pool2d(y_, *in_.pool).values);
    const Tensor map = max_unpool2d(in_.pooled_grad, actual.pooled.argmax, y_.shape(), *in_.pool);
    const ConvAlgorithmGuard use(ConvAlgorithm::im2col);
    close("pooled dw added", actual.pooled_dw_added,
          in_.w + conv2d_weight_grad(map, in_.x, in_.w.shape(), in_.options));
  }

 private:
  Operands in_;
  Tensor y_, dx_, dw_;
};

// Calls f(case) for every case by the fastest algorithm, and by the one that it has taken the place of.
template <class F>
void for_each_case(F f) {
  for (const LaneCase& c : lane_cases()) {
    const bool by_winograd = c.what[0] == 'F';
    for (const auto algorithm :
         {ConvAlgorithm::automatic, by_winograd ? ConvAlgorithm::direct : ConvAlgorithm::im2col}) {
      INFO(c << ", algorithm " << static_cast<int>(algorithm));
      const ConvAlgorithmGuard use(algorithm);
      f(c);
    }
  }
}

// Calls f as one of several lanes: inside, operations run serially.
template <class F>
void in_lane(F f) {
  const ThreadsGuard use(2);
  parallel_for(2, 1, [&](int64_t lane, int64_t) {
    if (lane == 0) f();
  });
}

}  // namespace

TEST_CASE("in a lane, convolutions of many pixels and channels are the definition, also added to a sum") {
  const Poison poison;
  for_each_case([](const LaneCase& c) {
    const Reference reference(c);
    in_lane([&] {
      reference.check(Passes({c, DType::f32}), 1e-5);  // sums of up to 18,000 products, in several parts
      if (conv_algorithm() == ConvAlgorithm::automatic) reference.check(Passes({c, DType::f64}), 1e-13);
    });
  });
}

TEST_CASE("convolutions of more than 4,096 pixels have the same bits for any number of threads, and in a lane") {
  for_each_case([](const LaneCase& c) {
    const Operands in(c, DType::f32);
    std::vector<Tensor> expected;
    in_lane([&] { expected = Passes(in).all(); });
    for (const int n : {1, 2, 4}) {
      const ThreadsGuard threads(n);
      const std::vector<Tensor> actual = Passes(in).all();
      for (size_t i = 0; i < expected.size(); ++i) {
        INFO(n << " threads, result " << i);
        CHECK(bitwise_equal(actual[i], expected[i]));
      }
    }
  });
}

TEST_CASE("NaN goes through a fused ReLU, in every channel of a tile and of what is left of one") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Shape shapes[][2] = {{{2, 9, 10, 3}, {71, 3, 3, 3}},     // direct
                             {{2, 9, 10, 40}, {71, 1, 1, 40}},   // a product
                             {{2, 9, 10, 16}, {71, 3, 3, 16}},   // F(4x4, 3x3)
                             {{2, 4, 4, 16}, {71, 3, 3, 16}},    // F(2x2, 3x3)
                             {{2, 9, 10, 16}, {71, 5, 5, 16}}};  // F(4x4, 5x5)
  Rng rng(2);
  for (const auto& [x_shape, w_shape] : shapes)
    for (const DType dtype : {DType::f32, DType::f64}) {
      const Tensor x = random(x_shape, rng, dtype), w = random(w_shape, rng, dtype);
      Tensor bias = random({71}, rng, dtype);
      bias.slice(0, 0, 71, 2).fill_(nan);  // every second channel
      const auto check = [](const Tensor& y) {
        const std::vector<double> values = y.to(DType::f64).to_vector<double>();
        for (size_t i = 0; i < values.size(); ++i) {
          const bool wanted = i % 71 % 2 == 0;
          if (std::isnan(values[i]) != wanted || values[i] < 0) FAIL_CHECK("element " << i << " is " << values[i]);
        }
      };
      for_each_isa([&] {
        for (const auto algorithm : {ConvAlgorithm::automatic, ConvAlgorithm::direct, ConvAlgorithm::im2col}) {
          INFO("w " << w_shape << ", " << dtype << ", algorithm " << static_cast<int>(algorithm));
          const ConvAlgorithmGuard use(algorithm);
          check(conv2d_relu(x, w, bias));
          check(conv2d_max_pool2d(x, w, bias, {{}, {.kernel = 2}, /*relu=*/true}).values);
        }
      });
    }
}
