#include <cmath>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/norm.h>

#include <kindling/autograd/table/cases.h>
#include <kindling/tensor/elementwise.h>

namespace kindling::table {
namespace {

constexpr double kEps = 1e-3;

Tensor naive_batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta) {
  const int64_t channels = x.size(-1);
  const double count = static_cast<double>(x.numel() / channels);
  std::vector<double> mean(static_cast<size_t>(channels)), variance(static_cast<size_t>(channels));
  for_each_index(x.shape(), [&](const Shape& i) { mean[static_cast<size_t>(i.back())] += at(x, i) / count; });
  for_each_index(x.shape(), [&](const Shape& i) {
    const size_t c = static_cast<size_t>(i.back());
    variance[c] += (at(x, i) - mean[c]) * (at(x, i) - mean[c]) / count;
  });
  return build(x.shape(), [&](const Shape& i) {
    const size_t c = static_cast<size_t>(i.back());
    return at(gamma, {i.back()}) * (at(x, i) - mean[c]) / std::sqrt(variance[c] + kEps) + at(beta, {i.back()});
  });
}

Tensor naive_window_sum(const Tensor& x, int64_t size) {
  return build(x.shape(), [&](const Shape& i) {
    double total = 0;
    Shape j = i;
    for (int64_t c = i.back() - size / 2; c <= i.back() + size / 2; ++c) {
      j[i.rank() - 1] = c;
      if (c >= 0 && c < x.size(-1)) total += at(x, j);
    }
    return total;
  });
}

void add_batch_norms(std::vector<OpCase>& cases) {
  for (const Shape& shape : {Shape{2, 3, 3, 5}, Shape{7, 3}, Shape{4, 1}}) {
    const Shape channels{shape.back()};
    cases.push_back({"batch_norm", to_string(shape), uniform({shape, channels, channels}),
                     [](const Args& x) { return batch_norm(x[0], x[1], x[2], kEps).values; },
                     [](const Inputs& x) { return naive_batch_norm(x[0], x[1], x[2]); }});
    cases.push_back({"batch_norm", "relu, " + to_string(shape), uniform({shape, channels, channels}),
                     [](const Args& x) { return batch_norm(x[0], x[1], x[2], kEps, Activation::relu).values; },
                     [](const Inputs& x) { return relu(naive_batch_norm(x[0], x[1], x[2])); }});
    for (const Activation activation : {Activation::none, Activation::relu}) {
      const bool with_relu = activation == Activation::relu;
      cases.push_back({"batch_norm", "onto a sum, " + to_string(shape) + (with_relu ? ", with ReLU" : ""),
                       uniform({shape, channels, channels, shape}),
                       [activation](const Args& x) {
                         return batch_norm_onto(x[3] * 2.0, x[0], x[1], x[2], kEps, activation).values;
                       },
                       [with_relu](const Inputs& x) {
                         const Tensor y = naive_batch_norm(x[0], x[1], x[2]);
                         return x[3] * 2.0 + (with_relu ? relu(y) : y);
                       }});
      const auto apply = [activation](const Args& x) {
        const DType dtype = x[0].dtype();
        const BatchNormStats stats{Tensor::full(x[1].shape(), 0.25, dtype), Tensor::full(x[1].shape(), 1.25, dtype)};
        return batch_norm_apply(x[0], stats, x[1], x[2], activation);
      };
      cases.push_back({"batch_norm_apply", to_string(shape) + (with_relu ? ", with ReLU" : ""),
                       uniform({shape, channels, channels}), apply, [with_relu](const Inputs& x) {
                         return build(x[0].shape(), [&](const Shape& i) {
                           const double y = (at(x[0], i) - 0.25) * 1.25 * at(x[1], {i.back()}) + at(x[2], {i.back()});
                           return with_relu ? std::max(0.0, y) : y;
                         });
                       }});
    }
  }
}

void add_pooled_batch_norms(std::vector<OpCase>& cases) {
  const Pool2dOptions overlapping{.kernel = 3, .stride = 2, .ceil_mode = true}, padded{.kernel = 2, .padding = 1};
  for (const Pool2dOptions& pool : {overlapping, padded})
    for (const Activation activation : {Activation::none, Activation::relu}) {
      const bool with_relu = activation == Activation::relu;
      cases.push_back(
          {"batch_norm_max_pool2d",
           std::string(pool.ceil_mode ? "3x3 by 2" : "2x2, padded") + (with_relu ? ", with ReLU" : ""),
           uniform({{2, 5, 4, 3}, {3}, {3}}),
           [=](const Args& x) { return batch_norm_max_pool2d(x[0], x[1], x[2], kEps, activation, pool).values; },
           [=](const Inputs& x) {
             const Tensor y = naive_batch_norm(x[0], x[1], x[2]);
             return naive_max_pool(with_relu ? relu(y) : y, pool);
           }});
    }
}

}  // namespace

void add_norms(std::vector<OpCase>& cases) {
  add_batch_norms(cases);
  add_pooled_batch_norms(cases);
  const LocalResponseNormOptions options{.size = 5, .alpha = 0.7, .beta = 0.75, .k = 1.5};
  for (const Shape& shape : {Shape{2, 2, 3, 7}, Shape{1, 3}, Shape{1}}) {
    cases.push_back({"local_response_norm", to_string(shape), uniform({shape}),
                     [=](const Args& x) { return local_response_norm(x[0], options); },
                     [=](const Inputs& x) {
                       const Tensor squares =
                           build(x[0].shape(), [&](const Shape& i) { return at(x[0], i) * at(x[0], i); });
                       const Tensor sums = naive_window_sum(squares, options.size);
                       return build(x[0].shape(), [&](const Shape& i) {
                         const double scale = options.k + options.alpha / 5 * at(sums, i);
                         return at(x[0], i) * std::pow(scale, -options.beta);
                       });
                     }});
    cases.push_back({"channel_window_sum", to_string(shape), uniform({shape}),
                     [](const Args& x) { return channel_window_sum(x[0], 3); },
                     [](const Inputs& x) { return naive_window_sum(x[0], 3); }});
  }
}

}  // namespace kindling::table
