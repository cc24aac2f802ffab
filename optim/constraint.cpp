#include <kindling/optim/constraint.h>

#include <array>
#include <vector>

#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/kernels/tasks.h>

namespace kindling {
namespace {

constexpr int64_t kCodes = 256;
// Elements that one task takes: some 50 us of sums, and a fixed number, so that the order of sums is fixed.
constexpr int64_t kBlock = 1 << 16;

}  // namespace

Shape free_shape(const Variable& parameter, const Constraint& constraint) {
  return constraint.shared ? Shape{kCodes} : parameter.shape();
}

std::vector<int64_t> places_of_codes(const Tensor& codes) {
  std::vector<int64_t> places(kCodes, -1);
  const uint8_t* code = codes.data<uint8_t>();
  for (int64_t i = 0; i < codes.numel(); ++i) places[code[i]] = i;
  return places;
}

Tensor shared_values(const Variable& parameter, const std::vector<int64_t>& places) {
  Tensor values = Tensor::zeros({kCodes}, parameter.dtype());
  visit_floating("shared_values", parameter.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* x = parameter.value().data<T>();
    for (size_t c = 1; c < kCodes; ++c)
      if (places[c] >= 0) values.data<T>()[c] = x[places[c]];
  });
  return values;
}

void spread_values(const Tensor& values, Variable& parameter) {
  const uint8_t* codes = parameter.constraint().codes.data<uint8_t>();
  visit_floating("spread_values", parameter.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* value = values.data<T>();
    T* x = parameter.value().data<T>();
    parallel_for(parameter.numel(), kBlock, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) x[i] = codes[i] == 0 ? T(0) : value[codes[i]];
    });
  });
}

Tensor shared_gradient(const Variable& parameter) {
  const Tensor& codes = parameter.constraint().codes;
  const Tensor grad = parameter.grad().contiguous();
  Tensor result = Tensor::zeros({kCodes}, grad.dtype());
  visit_floating("shared_gradient", grad.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* g = grad.data<T>();
    const uint8_t* code = codes.data<uint8_t>();
    // In double: thousands of terms, which largely cancel. Most weights have code 0, and as one sum they would wait for
    // each other.
    std::vector<std::array<double, kCodes>> sums(static_cast<size_t>(ceil_div(grad.numel(), kBlock)));
    parallel_for(std::ssize(sums), 1, [&](int64_t block, int64_t) {
      std::array<double, kCodes>& sum = sums[static_cast<size_t>(block)];
      sum.fill(0);
      for (int64_t i = block * kBlock, end = std::min(i + kBlock, grad.numel()); i < end; ++i)
        if (code[i] != 0) sum[code[i]] += g[i];
    });
    for (size_t c = 1; c < kCodes; ++c) {
      double total = 0;
      for (const auto& sum : sums) total += sum[c];
      result.data<T>()[c] = static_cast<T>(total);
    }
  });
  return result;
}

void hold_zeros(const Tensor& codes, Tensor& x) {
  check(x.is_contiguous() && x.shape() == codes.shape(), "hold_zeros", "codes ", codes.shape(), " for ", x.shape());
  const uint8_t* code = codes.data<uint8_t>();
  visit_floating("hold_zeros", x.dtype(), [&](auto type) {
    using T = decltype(type);
    T* element = x.data<T>();
    parallel_for(x.numel(), kBlock, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) element[i] = code[i] == 0 ? T(0) : element[i];
    });
  });
}

void hold_gradient(Variable& parameter) {
  Tensor& grad = parameter.grad();
  if (!grad.is_contiguous()) grad = grad.contiguous();
  hold_zeros(parameter.constraint().codes, grad);
}

}  // namespace kindling
