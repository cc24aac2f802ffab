// Batch normalisation and local response normalisation on rows of C channels.
#pragma once

#include <cmath>
#include <cstdint>

namespace kindling::kernels {

/// What normalises: y = (x - mean) * scale + beta per channel, then perhaps ReLU.
template <class T>
struct Affine {
  const T *mean, *scale, *beta;
  bool relu;
};

namespace {  // a copy of its own for each instruction set: see table.inc

template <class T>
struct Pair {
  T first, second;
};

/// first[c] += sum over rows of f(r, c).first, second[c] += that of f(r, c).second. Short runs of rows are summed in T,
/// the runs in double: sums over a batch cancel (the gradient of a normalised value has mean 0), so their rounding
/// shows.
template <class F>
void sum_pairs(int64_t rows, int64_t C, double* first, double* second, F f) {
  using T = decltype(f(0, 0).first);
  constexpr int64_t kRun = 32, kChannels = 64;
  for (int64_t r0 = 0; r0 < rows; r0 += kRun) {
    const int64_t r1 = r0 + kRun < rows ? r0 + kRun : rows;
    for (int64_t c0 = 0; c0 < C; c0 += kChannels) {
      const int64_t n = c0 + kChannels < C ? kChannels : C - c0;
      T a[kChannels] = {}, b[kChannels] = {};
      for (int64_t r = r0; r < r1; ++r)
#pragma GCC ivdep
        for (int64_t c = 0; c < n; ++c) {
          const auto pair = f(r, c0 + c);
          a[c] += pair.first;
          b[c] += pair.second;
        }
      for (int64_t c = 0; c < n; ++c) {
        first[c0 + c] += static_cast<double>(a[c]);
        second[c0 + c] += static_cast<double>(b[c]);
      }
    }
  }
}

/// sum[c] += sum over rows of d, squares[c] += that of d^2, with d = x[r, c] - mean[c].
template <class T>
void batch_norm_moments(int64_t rows, int64_t C, double* sum, double* squares, const T* x, const T* mean) {
  sum_pairs(rows, C, sum, squares, [=](int64_t r, int64_t c) {
    const T d = x[r * C + c] - mean[c];
    return Pair<T>{d, d * d};
  });
}

// In the kernels below the mean is taken away first. Folding it into the shift would save a subtraction and, where a
// channel's mean is many times its deviation, lose as many digits.

template <bool Relu, class T>
void batch_norm_y_as(int64_t rows, int64_t C, T* y, const T* x, const Affine<T>& a) {
  for (int64_t r = 0; r < rows; ++r, x += C, y += C)
#pragma GCC ivdep
    for (int64_t c = 0; c < C; ++c) {
      const T z = (x[c] - a.mean[c]) * a.scale[c] + a.beta[c];
      y[c] = Relu && z < 0 ? T(0) : z;
    }
}
/// y[r, c] = (x[r, c] - mean[c]) * scale[c] + beta[c], or its ReLU.
template <class T>
void batch_norm_y(int64_t rows, int64_t C, T* y, const T* x, const Affine<T>& a) {
  a.relu ? batch_norm_y_as<true>(rows, C, y, x, a) : batch_norm_y_as<false>(rows, C, y, x, a);
}

// What ReLU lets through of the gradient; from x again, as reading y would cost more than computing it.
template <bool Relu, class T>
inline T passed(T grad, T x, T mean, T scale, T beta) {
  return !Relu || (x - mean) * scale + beta > 0 ? grad : T(0);
}

template <bool Relu, class T>
void batch_norm_sums_as(int64_t rows, int64_t C, double* sum_product, double* sum_grad, const T* grad, const T* x,
                        const Affine<T>& a) {
  const T *mean = a.mean, *scale = a.scale, *beta = a.beta;
  sum_pairs(rows, C, sum_product, sum_grad, [=](int64_t r, int64_t c) {
    const T g = passed<Relu>(grad[r * C + c], x[r * C + c], mean[c], scale[c], beta[c]);
    return Pair<T>{g * (x[r * C + c] - mean[c]), g};
  });
}
/// With g the part of grad that ReLU, if there is one, lets through:
/// sum_product[c] += sum g[r, c] (x[r, c] - mean[c]); sum_grad[c] += sum g[r, c].
template <class T>
void batch_norm_sums(int64_t rows, int64_t C, double* sum_product, double* sum_grad, const T* grad, const T* x,
                     const Affine<T>& a) {
  a.relu ? batch_norm_sums_as<true>(rows, C, sum_product, sum_grad, grad, x, a)
         : batch_norm_sums_as<false>(rows, C, sum_product, sum_grad, grad, x, a);
}

template <bool Relu, class T>
void batch_norm_dx_as(int64_t rows, int64_t C, T* dx, const T* grad, const T* x, const Affine<T>& a, const T* p,
                      const T* q, const T* s) {
  for (int64_t r = 0; r < rows; ++r, x += C, grad += C, dx += C)
#pragma GCC ivdep
    for (int64_t c = 0; c < C; ++c)
      dx[c] = p[c] * passed<Relu>(grad[c], x[c], a.mean[c], a.scale[c], a.beta[c]) + q[c] * (x[c] - a.mean[c]) + s[c];
}
/// dx[r, c] = p[c] g[r, c] + q[c] (x[r, c] - mean[c]) + s[c]: the form that batch norm's gradient takes once its sums
/// are known; g as above.
template <class T>
void batch_norm_dx(int64_t rows, int64_t C, T* dx, const T* grad, const T* x, const Affine<T>& a, const T* p,
                   const T* q, const T* s) {
  a.relu ? batch_norm_dx_as<true>(rows, C, dx, grad, x, a, p, q, s)
         : batch_norm_dx_as<false>(rows, C, dx, grad, x, a, p, q, s);
}

/// g[r, c] = grad[r, c] where y[r, c] > 0, else 0, and total[c] += sum g[r, c]; rows of grad lie `ld` apart.
template <class T>
void relu_bias_grad(int64_t rows, int64_t C, T* g, double* total, const T* grad, int64_t ld, const T* y) {
  constexpr int64_t kRun = 32, kChannels = 64;
  for (int64_t r0 = 0; r0 < rows; r0 += kRun) {
    const int64_t r1 = r0 + kRun < rows ? r0 + kRun : rows;
    for (int64_t c0 = 0; c0 < C; c0 += kChannels) {
      const int64_t n = c0 + kChannels < C ? kChannels : C - c0;
      T sums[kChannels] = {};
      for (int64_t r = r0; r < r1; ++r) {
        const T* from = grad + r * ld + c0;
        const T* output = y + r * C + c0;
        T* to = g + r * C + c0;
#pragma GCC ivdep
        for (int64_t c = 0; c < n; ++c) {
          to[c] = output[c] > 0 ? from[c] : T(0);
          sums[c] += to[c];
        }
      }
      for (int64_t c = 0; c < n; ++c) total[c0 + c] += static_cast<double>(sums[c]);
    }
  }
}

/// y[c] = sum of x[c'] for |c' - c| <= half, channels outside [0, C) left out.
template <class T>
void channel_window_sum(int64_t C, int64_t half, T* y, const T* x) {
  for (int64_t c = 0; c < C; ++c) {
    T total = 0;
    const int64_t first = c < half ? 0 : c - half, last = c + half < C ? c + half : C - 1;
    for (int64_t i = first; i <= last; ++i) total += x[i];
    y[c] = total;
  }
}

}  // namespace
}  // namespace kindling::kernels
