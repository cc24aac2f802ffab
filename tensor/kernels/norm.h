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

/// Sums over rows, per channel. Calls f(first row, last row, first channel, channels) for short
/// runs of rows and some channels. A run is summed in T, and the runs in double. Sums over a batch
/// cancel (the gradient of a normalised value has mean 0), so rounding would show.
constexpr int64_t kRunRows = 32, kRunChannels = 64;
template <class F>
void for_each_run_of_rows(int64_t rows, int64_t C, F f) {
  for (int64_t r = 0; r < rows; r += kRunRows)
    for (int64_t c = 0; c < C; c += kRunChannels)
      f(r, r + kRunRows < rows ? r + kRunRows : rows, c, c + kRunChannels < C ? kRunChannels : C - c);
}

/// first[c] += sum over rows of f(r, c).first, second[c] += that of f(r, c).second.
template <class F>
void sum_pairs(int64_t rows, int64_t C, double* first, double* second, F f) {
  using T = decltype(f(0, 0).first);
  for_each_run_of_rows(rows, C, [=](int64_t r0, int64_t r1, int64_t c0, int64_t n) {
    T a[kRunChannels] = {}, b[kRunChannels] = {};
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
  });
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
void batch_norm_y_as(int64_t rows, int64_t C, T* y, int64_t ld_y, const T* x, const Affine<T>& a) {
  for (int64_t r = 0; r < rows; ++r, x += C, y += ld_y)
#pragma GCC ivdep
    for (int64_t c = 0; c < C; ++c) {
      const T z = (x[c] - a.mean[c]) * a.scale[c] + a.beta[c];
      y[c] = Relu && z < 0 ? T(0) : z;
    }
}
/// y[r, c] = (x[r, c] - mean[c]) * scale[c] + beta[c], or its ReLU; rows of y lie `ld_y` apart.
template <class T>
void batch_norm_y(int64_t rows, int64_t C, T* y, int64_t ld_y, const T* x, const Affine<T>& a) {
  a.relu ? batch_norm_y_as<true>(rows, C, y, ld_y, x, a) : batch_norm_y_as<false>(rows, C, y, ld_y, x, a);
}

// What ReLU lets through of the gradient; from x again, as reading y would cost more than computing it.
template <bool Relu, class T>
inline T passed(T grad, T x, T mean, T scale, T beta) {
  return !Relu || (x - mean) * scale + beta > 0 ? grad : T(0);
}

template <bool Relu, class T>
void batch_norm_sums_as(int64_t rows, int64_t C, double* sum_product, double* sum_grad, const T* grad, int64_t ld_grad,
                        const T* x, const Affine<T>& a) {
  const T *mean = a.mean, *scale = a.scale, *beta = a.beta;
  sum_pairs(rows, C, sum_product, sum_grad, [=](int64_t r, int64_t c) {
    const T g = passed<Relu>(grad[r * ld_grad + c], x[r * C + c], mean[c], scale[c], beta[c]);
    return Pair<T>{g * (x[r * C + c] - mean[c]), g};
  });
}
/// With g the part of grad that ReLU, if there is one, lets through:
/// sum_product[c] += sum g[r, c] (x[r, c] - mean[c]); sum_grad[c] += sum g[r, c]. Rows of grad lie
/// `ld_grad` apart.
template <class T>
void batch_norm_sums(int64_t rows, int64_t C, double* sum_product, double* sum_grad, const T* grad, int64_t ld_grad,
                     const T* x, const Affine<T>& a) {
  a.relu ? batch_norm_sums_as<true>(rows, C, sum_product, sum_grad, grad, ld_grad, x, a)
         : batch_norm_sums_as<false>(rows, C, sum_product, sum_grad, grad, ld_grad, x, a);
}

template <bool Relu, class T>
void batch_norm_dx_as(int64_t rows, int64_t C, T* dx, const T* grad, int64_t ld_grad, const T* x, const Affine<T>& a,
                      const T* p, const T* q, const T* s) {
  for (int64_t r = 0; r < rows; ++r, x += C, grad += ld_grad, dx += C)
#pragma GCC ivdep
    for (int64_t c = 0; c < C; ++c)
      dx[c] = p[c] * passed<Relu>(grad[c], x[c], a.mean[c], a.scale[c], a.beta[c]) + q[c] * (x[c] - a.mean[c]) + s[c];
}
/// dx[r, c] = p[c] g[r, c] + q[c] (x[r, c] - mean[c]) + s[c]. This is batch normalisation's
/// gradient, once its sums are known; g as above.
template <class T>
void batch_norm_dx(int64_t rows, int64_t C, T* dx, const T* grad, int64_t ld_grad, const T* x, const Affine<T>& a,
                   const T* p, const T* q, const T* s) {
  a.relu ? batch_norm_dx_as<true>(rows, C, dx, grad, ld_grad, x, a, p, q, s)
         : batch_norm_dx_as<false>(rows, C, dx, grad, ld_grad, x, a, p, q, s);
}

/// g[r, c] = grad[r, c] where y[r, c] > 0, else 0; total[c] += sum g[r, c]. Rows of grad lie
/// `ld_grad` apart, rows of y `ld_y`.
template <class T>
void relu_bias_grad(int64_t rows, int64_t C, T* g, double* total, const T* grad, int64_t ld_grad, const T* y,
                    int64_t ld_y) {
  for_each_run_of_rows(rows, C, [=](int64_t r0, int64_t r1, int64_t c0, int64_t n) {
    T sums[kRunChannels] = {};
    for (int64_t r = r0; r < r1; ++r) {
      const T* from = grad + r * ld_grad + c0;
      const T* output = y + r * ld_y + c0;
      T* to = g + r * C + c0;
#pragma GCC ivdep
      for (int64_t c = 0; c < n; ++c) {
        to[c] = output[c] > 0 ? from[c] : T(0);
        sums[c] += to[c];
      }
    }
    for (int64_t c = 0; c < n; ++c) total[c0 + c] += static_cast<double>(sums[c]);
  });
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
