#include <kindling/nn/init.h>

#include <cmath>

namespace kindling::init {
namespace {

/// U(-b, b) with b = sqrt(numerator / fan), the fan taken from the weight's shape.
template <class Fan>
Initializer scaled_uniform(double numerator, Fan fan) {
  return [=](const Shape& shape, Rng& rng) {
    const double bound = std::sqrt(numerator / static_cast<double>(fan(fans(shape))));
    return Tensor::uniform(shape, -bound, bound, rng);
  };
}

/// N(0, numerator / fan)
template <class Fan>
Initializer scaled_normal(double numerator, Fan fan) {
  return [=](const Shape& shape, Rng& rng) {
    return Tensor::normal(shape, 0.0, std::sqrt(numerator / static_cast<double>(fan(fans(shape)))), rng);
  };
}

int64_t fan_in(const Fans& f) { return f.in; }
int64_t fan_sum(const Fans& f) { return f.in + f.out; }

}  // namespace

Fans fans(const Shape& weight) {
  check(weight.rank() >= 2, "init", "fans need a weight of rank 2 or more, got shape ", weight);
  int64_t taps = 1;
  for (int64_t axis = 1; axis + 1 < weight.rank(); ++axis) taps *= weight[axis];
  return {taps * weight.back(), taps * weight[0]};
}

Initializer zeros() { return constant(0.0); }

Initializer constant(double value) {
  return [=](const Shape& shape, Rng&) { return Tensor::full(shape, value); };
}

Initializer normal(double mean, double stddev) {
  return [=](const Shape& shape, Rng& rng) { return Tensor::normal(shape, mean, stddev, rng); };
}

Initializer uniform(double low, double high) {
  return [=](const Shape& shape, Rng& rng) { return Tensor::uniform(shape, low, high, rng); };
}

Initializer xavier_uniform() { return scaled_uniform(6.0, fan_sum); }
Initializer xavier_normal() { return scaled_normal(2.0, fan_sum); }
Initializer kaiming_uniform() { return scaled_uniform(6.0, fan_in); }
Initializer kaiming_normal() { return scaled_normal(2.0, fan_in); }
Initializer caffe_xavier() { return scaled_uniform(3.0, fan_in); }
Initializer pytorch_default() { return scaled_uniform(1.0, fan_in); }

}  // namespace kindling::init
