#include <kindling/autograd/ops/pool.h>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/reduce.h>
#include <kindling/autograd/table/cases.h>

namespace kindling::table {
namespace {

struct Config {
  Shape x;
  Pool2dOptions options;
  const char* variant;
};

const std::vector<Config>& configs() {
  static const std::vector<Config> all = {
      {{2, 4, 6, 3}, {.kernel = 2}, "2x2"},
      {{1, 1, 1, 1}, {.kernel = 1}, "size 1"},
      {{1, 7, 8, 2}, {.kernel = 3, .stride = 2}, "3x3, stride 2"},
      {{2, 6, 8, 2}, {.kernel = 3, .stride = 2, .ceil_mode = true}, "3x3, stride 2, ceil mode"},
      {{1, 5, 6, 2}, {.kernel = {3, 2}, .stride = {1, 2}, .padding = {1, 0}}, "3x2, padding 1 and 0"},
      {{1, 5, 5, 3}, {.kernel = 3, .stride = 2, .padding = 1, .ceil_mode = true}, "padding 1, ceil mode"},
      {{1, 6, 6, 2},
       {.kernel = 3, .stride = 2, .padding = 1, .ceil_mode = true, .count_include_pad = false},
       "padding 1, ceil mode, padding not counted"},
      {{1, 7, 7, 1}, {.kernel = 2, .stride = 3}, "gaps between windows"},
  };
  return all;
}

Size2 stride_of(const Pool2dOptions& o) { return o.stride.h == 0 ? o.kernel : o.stride; }

// Calls body(index of x, tap) for the pixels of window `y` that lie in the image.
void for_each_pixel(const Config& c, const Shape& y, const std::function<void(const Shape& x, int64_t tap)>& body) {
  const Pool2dOptions& o = c.options;
  for (int64_t p = 0; p < o.kernel.h; ++p)
    for (int64_t q = 0; q < o.kernel.w; ++q) {
      const int64_t row = y[1] * stride_of(o).h - o.padding.h + p, column = y[2] * stride_of(o).w - o.padding.w + q;
      if (row >= 0 && row < c.x[1] && column >= 0 && column < c.x[2])
        body({y[0], row, column, y[3]}, p * o.kernel.w + q);
    }
}

// What a window's sum is divided by: its pixels in the image, or in the image and its padding.
double divisor(const Config& c, const Shape& y) {
  const Pool2dOptions& o = c.options;
  const int64_t pad_h = o.count_include_pad ? o.padding.h : 0, pad_w = o.count_include_pad ? o.padding.w : 0;
  int64_t count = 0;
  for (int64_t p = 0; p < o.kernel.h; ++p)
    for (int64_t q = 0; q < o.kernel.w; ++q) {
      const int64_t row = y[1] * stride_of(o).h - o.padding.h + p, column = y[2] * stride_of(o).w - o.padding.w + q;
      count += row >= -pad_h && row < c.x[1] + pad_h && column >= -pad_w && column < c.x[2] + pad_w ? 1 : 0;
    }
  return static_cast<double>(count);
}

Shape pooled(const Config& c) { return pool2d_shape("pool", c.x, c.options); }

Tensor naive_max_pool(const Config& c, const Tensor& x) {
  return build(pooled(c), [&](const Shape& y) {
    double largest = -1e300;
    for_each_pixel(c, y, [&](const Shape& i, int64_t) { largest = std::max(largest, at(x, i)); });
    return largest;
  });
}

Tensor naive_max_pool_at(const Config& c, const Tensor& x, const Tensor& argmax) {
  return build(pooled(c), [&](const Shape& y) {
    double value = 0;
    for_each_pixel(c, y, [&](const Shape& i, int64_t tap) {
      if (static_cast<double>(tap) == at(argmax, y)) value = at(x, i);
    });
    return value;
  });
}

Tensor naive_max_unpool(const Config& c, const Tensor& grad, const Tensor& argmax) {
  Tensor dx = Tensor::zeros(c.x, DType::f64);
  for_each_index(pooled(c), [&](const Shape& y) {
    for_each_pixel(c, y, [&](const Shape& i, int64_t tap) {
      if (static_cast<double>(tap) == at(argmax, y)) dx.at<double>(i) += at(grad, y);
    });
  });
  return dx;
}

Tensor naive_avg_pool(const Config& c, const Tensor& x) {
  return build(pooled(c), [&](const Shape& y) {
    double total = 0;
    for_each_pixel(c, y, [&](const Shape& i, int64_t) { total += at(x, i); });
    return total / divisor(c, y);
  });
}

Tensor naive_avg_pool_grad(const Config& c, const Tensor& grad) {
  Tensor dx = Tensor::zeros(c.x, DType::f64);
  for_each_index(pooled(c), [&](const Shape& y) {
    for_each_pixel(c, y, [&](const Shape& i, int64_t) { dx.at<double>(i) += at(grad, y) / divisor(c, y); });
  });
  return dx;
}

// A tensor of `shape` and an argmax of `c` of some other image.
std::function<Inputs(Rng&)> with_argmax(const Config& c, const Shape& shape) {
  return [&c, shape](Rng& rng) {
    const Tensor image = Tensor::uniform(c.x, -1, 1, rng, DType::f64);
    return Inputs{Tensor::uniform(shape, -2, 2, rng, DType::f64), max_pool2d(image, c.options).argmax};
  };
}

}  // namespace

void add_pools(std::vector<OpCase>& cases) {
  for (const Config& c : configs()) {
    cases.push_back({"max_pool2d", c.variant, distinct({c.x}),
                     [&c](const Args& a) { return max_pool2d(a[0], c.options); },
                     [&c](const Inputs& a) { return naive_max_pool(c, a[0]); }});
    cases.push_back({"max_pool2d_at", c.variant, with_argmax(c, c.x),
                     [&c](const Args& a) { return max_pool2d_at(a[0], a[1], c.options); },
                     [&c](const Inputs& a) { return naive_max_pool_at(c, a[0], a[1]); }});
    cases.push_back({"max_unpool2d", c.variant, with_argmax(c, pooled(c)),
                     [&c](const Args& a) { return max_unpool2d(a[0], a[1], c.x, c.options); },
                     [&c](const Inputs& a) { return naive_max_unpool(c, a[0], a[1]); }});
    cases.push_back({"avg_pool2d", c.variant, uniform({c.x}),
                     [&c](const Args& a) { return avg_pool2d(a[0], c.options); },
                     [&c](const Inputs& a) { return naive_avg_pool(c, a[0]); }});
    cases.push_back({"avg_pool2d_grad", c.variant, uniform({pooled(c)}),
                     [&c](const Args& a) { return avg_pool2d_grad(a[0], c.x, c.options); },
                     [&c](const Inputs& a) { return naive_avg_pool_grad(c, a[0]); }});
  }
  cases.push_back(
      {"global_avg_pool", "", uniform({{2, 3, 5, 4}}), [](const Args& a) { return global_avg_pool(a[0]); },
       [](const Inputs& a) {
         Tensor y = Tensor::zeros({2, 4}, DType::f64);
         for_each_index(a[0].shape(), [&](const Shape& i) { y.at<double>({i[0], i[3]}) += at(a[0], i) / 15; });
         return y;
       }});
}

}  // namespace kindling::table
