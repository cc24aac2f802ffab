#include <algorithm>

#include <kindling/autograd/ops/conv.h>
#include <kindling/autograd/table/cases.h>
#include <kindling/tensor/elementwise.h>

namespace kindling::table {
namespace {

struct Config {
  Shape x, w;
  Conv2dOptions options;
  const char* variant;
};

const std::vector<Config>& configs() {
  static const std::vector<Config> all = {
      {{2, 5, 6, 3}, {4, 3, 3, 3}, {}, "3x3"},
      {{1, 1, 1, 1}, {1, 1, 1, 1}, {}, "size 1"},
      {{2, 3, 4, 5}, {7, 1, 1, 5}, {}, "1x1"},
      {{1, 5, 5, 3}, {2, 1, 1, 3}, {.stride = 2}, "1x1, stride 2"},
      {{1, 4, 5, 2}, {3, 1, 1, 2}, {.padding = 1}, "1x1, padding 1"},
      {{2, 7, 6, 2}, {3, 3, 3, 2}, {.stride = 2, .padding = 1}, "stride 2, padding 1, last column unused"},
      {{1, 7, 8, 2}, {3, 2, 3, 2}, {.stride = {1, 2}, .padding = {1, 2}, .dilation = {2, 3}}, "2x3, dilation 2 and 3"},
      {{2, 5, 5, 6}, {4, 3, 3, 3}, {.padding = 1, .groups = 2}, "groups 2"},
      {{1, 4, 4, 3}, {6, 3, 3, 1}, {.stride = 2, .padding = 1, .groups = 3}, "depthwise, stride 2"},
      {{1, 3, 9, 1}, {2, 3, 9, 1}, {}, "kernel as large as the image"},
  };
  return all;
}

using Term = std::function<void(const Shape& y, const Shape& x, const Shape& w)>;

// Every triple of indices whose product is a term of the trilinear form <conv2d(x, w), y>.
void for_each_term(const Config& c, const Term& term) {
  const Conv2dOptions& o = c.options;
  const int64_t outputs = c.w[0] / o.groups;
  for_each_index(conv2d_shape(c.x, c.w, o), [&](const Shape& y) {
    for (int64_t p = 0; p < c.w[1]; ++p)
      for (int64_t q = 0; q < c.w[2]; ++q) {
        const int64_t row = y[1] * o.stride.h - o.padding.h + p * o.dilation.h;
        const int64_t column = y[2] * o.stride.w - o.padding.w + q * o.dilation.w;
        if (row < 0 || row >= c.x[1] || column < 0 || column >= c.x[2]) continue;
        for (int64_t channel = 0; channel < c.w[3]; ++channel)
          term(y, {y[0], row, column, y[3] / outputs * c.w[3] + channel}, {y[3], p, q, channel});
      }
  });
}

Tensor naive_conv2d(const Config& c, const Tensor& x, const Tensor& w) {
  Tensor y = Tensor::zeros(conv2d_shape(c.x, c.w, c.options), DType::f64);
  for_each_term(c,
                [&](const Shape& iy, const Shape& ix, const Shape& iw) { y.at<double>(iy) += at(x, ix) * at(w, iw); });
  return y;
}

Tensor naive_input_grad(const Config& c, const Tensor& grad, const Tensor& w) {
  Tensor dx = Tensor::zeros(c.x, DType::f64);
  for_each_term(
      c, [&](const Shape& iy, const Shape& ix, const Shape& iw) { dx.at<double>(ix) += at(grad, iy) * at(w, iw); });
  return dx;
}

Tensor naive_weight_grad(const Config& c, const Tensor& grad, const Tensor& x) {
  Tensor dw = Tensor::zeros(c.w, DType::f64);
  for_each_term(
      c, [&](const Shape& iy, const Shape& ix, const Shape& iw) { dw.at<double>(iw) += at(grad, iy) * at(x, ix); });
  return dw;
}

struct PoolConfig {
  const Config& conv;
  Pool2dOptions pool;
  const char* variant;
};

const std::vector<PoolConfig>& pool_configs() {
  static const std::vector<PoolConfig> all = {
      {configs()[0], {.kernel = 2}, "3x3, pool 2x2"},
      {configs()[5], {.kernel = 3, .stride = 2, .ceil_mode = true}, "stride 2, padding 1, pool 3x3 by 2"},
      {configs()[7], {.kernel = 3, .stride = 1, .padding = 1}, "groups 2, padded pool 3x3 by 1"},
  };
  return all;
}

// The image's gradient behind the pooling, as the map's.
Tensor naive_unpool(const PoolConfig& c, const Tensor& grad, const Tensor& argmax) {
  const Pool2dOptions& o = c.pool;
  const Size2 stride = o.stride.h == 0 ? o.kernel : o.stride;
  Tensor map = Tensor::zeros(conv2d_shape(c.conv.x, c.conv.w, c.conv.options), DType::f64);
  for_each_index(grad.shape(), [&](const Shape& i) {
    const auto tap = static_cast<int64_t>(at(argmax, i));
    const int64_t row = i[1] * stride.h - o.padding.h + tap / o.kernel.w;
    const int64_t column = i[2] * stride.w - o.padding.w + tap % o.kernel.w;
    map.at<double>({i[0], row, column, i[3]}) += at(grad, i);
  });
  return map;
}

void add_pooled_weight_grad(std::vector<OpCase>& cases, const PoolConfig& c) {
  const ConvPoolOptions options{c.conv.options, c.pool, false};
  const Shape map = conv2d_shape(c.conv.x, c.conv.w, c.conv.options);
  const auto inputs = [&c, map](Rng& rng) {
    const Tensor argmax = max_pool2d(Tensor::uniform(map, -1, 1, rng, DType::f64), c.pool).argmax;
    const Tensor grad = Tensor::uniform(argmax.shape(), -2, 2, rng, DType::f64);
    return Inputs{grad, argmax, Tensor::uniform(c.conv.x, -2, 2, rng, DType::f64)};
  };
  cases.push_back(
      {"conv2d_max_pool2d_weight_grad", c.variant, inputs,
       [options, &c](const Args& a) { return conv2d_max_pool2d_weight_grad(a[0], a[1], a[2], c.conv.w, options); },
       [&c](const Inputs& a) { return naive_weight_grad(c.conv, naive_unpool(c, a[0], a[1]), a[2]); }});
}

// Results of ReLU: 0 at every second pixel.
Tensor chequered(DType dtype) {
  const auto element = [](const Shape& i) { return static_cast<double>((i[0] + i[1] + i[2] + i[3]) % 2); };
  return build({2, 3, 4, 5}, element).to(dtype);
}

void add_relu_bias_grads(std::vector<OpCase>& cases) {
  const auto passed = [](const Inputs& a) { return mul(a[0], chequered(a[0].dtype())); };
  cases.push_back({"relu_bias_grad", "what ReLU lets through", uniform({{2, 3, 4, 5}}),
                   [](const Args& a) { return relu_bias_grad(a[0], chequered(a[0].dtype())).grad; }, passed});
  cases.push_back({"relu_bias_grad", "of the bias", uniform({{2, 3, 4, 5}}),
                   [](const Args& a) { return relu_bias_grad(a[0], chequered(a[0].dtype())).bias; },
                   [passed](const Inputs& a) {
                     Tensor sums = Tensor::zeros({5}, DType::f64);
                     const Tensor g = passed(a);
                     for_each_index(g.shape(), [&](const Shape& i) { sums.at<double>({i[3]}) += at(g, i); });
                     return sums;
                   }});
}

}  // namespace

void add_convolutions(std::vector<OpCase>& cases) {
  for (const Config& c : configs()) {
    const Shape y = conv2d_shape(c.x, c.w, c.options);
    cases.push_back({"conv2d", c.variant, uniform({c.x, c.w}),
                     [&c](const Args& a) { return conv2d(a[0], a[1], {}, c.options); },
                     [&c](const Inputs& a) { return naive_conv2d(c, a[0], a[1]); }});
    cases.push_back({"conv2d_relu", c.variant, uniform({c.x, c.w, {c.w[0]}}),
                     [&c](const Args& a) { return conv2d_relu(a[0], a[1], a[2], c.options); },
                     [&c](const Inputs& a) {
                       const Tensor y = naive_conv2d(c, a[0], a[1]);
                       return build(y.shape(),
                                    [&](const Shape& i) { return std::max(0.0, at(y, i) + at(a[2], {i[3]})); });
                     }});
    cases.push_back({"conv2d_input_grad", c.variant, uniform({y, c.w}),
                     [&c](const Args& a) { return conv2d_input_grad(a[0], a[1], c.x, c.options); },
                     [&c](const Inputs& a) { return naive_input_grad(c, a[0], a[1]); }});
    cases.push_back({"conv2d_weight_grad", c.variant, uniform({y, c.x}),
                     [&c](const Args& a) { return conv2d_weight_grad(a[0], a[1], c.w, c.options); },
                     [&c](const Inputs& a) { return naive_weight_grad(c, a[0], a[1]); }});
  }
  for (const PoolConfig& c : pool_configs())
    for (const bool with_relu : {false, true}) {
      const ConvPoolOptions options{c.conv.options, c.pool, with_relu};
      cases.push_back({"conv2d_max_pool2d", std::string(c.variant) + (with_relu ? ", ReLU" : ""),
                       uniform({c.conv.x, c.conv.w, {c.conv.w[0]}}),
                       [options](const Args& a) { return conv2d_max_pool2d(a[0], a[1], a[2], options); },
                       [&c, with_relu](const Inputs& a) {
                         const Tensor y = naive_conv2d(c.conv, a[0], a[1]) + a[2];
                         return naive_max_pool(with_relu ? relu(y) : y, c.pool);
                       }});
    }
  for (const PoolConfig& c : pool_configs()) add_pooled_weight_grad(cases, c);
  add_relu_bias_grads(cases);
  const Config& c = configs()[5];
  cases.push_back({"conv2d", "bias", uniform({c.x, c.w, {c.w[0]}}),
                   [&c](const Args& a) { return conv2d(a[0], a[1], a[2], c.options); },
                   [&c](const Inputs& a) {
                     const Tensor y = naive_conv2d(c, a[0], a[1]);
                     return build(y.shape(), [&](const Shape& i) { return at(y, i) + at(a[2], {i[3]}); });
                   }});
}

}  // namespace kindling::table
