// The steps of optimisers: one sweep over a run of a parameter, its gradient and its moments.
#pragma once

#include <cmath>
#include <cstdint>

namespace kindling::kernels {

/// The numbers of one SGD step for one parameter. The learning rate is in `grad_scale` for Caffe's
/// form, else in `step_scale`.
template <class T>
struct SGDStep {
  T weight_decay, grad_scale, momentum, undamped, step_scale;
  bool nesterov;
};

/// The numbers of one Adam step: m_scale = lr / (1 - beta1^t), v_scale = 1 / (1 - beta2^t). `l2` is
/// Adam's weight decay. `shrink` is AdamW's: the weight is multiplied by it first.
template <class T>
struct AdamStep {
  T beta1, beta2, m_scale, v_scale, eps, l2, shrink;
};

namespace {  // a copy of its own for each instruction set: see table.inc

template <class T, bool Nesterov>
inline void sgd_run(const SGDStep<T>& s, int64_t n, T* weight, T* velocity, const T* grad) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T g = s.grad_scale * (grad[i] + s.weight_decay * weight[i]);
    const T v = s.momentum * velocity[i] + s.undamped * g;
    velocity[i] = v;
    weight[i] -= s.step_scale * (Nesterov ? g + s.momentum * v : v);
  }
}

///   g = grad_scale (grad + weight_decay w);  v = momentum v + undamped g
///   w -= step_scale v, or with Nesterov step_scale (g + momentum v)
template <class T>
void sgd_update(const SGDStep<T>& s, int64_t n, T* weight, T* velocity, const T* grad) {
  s.nesterov ? sgd_run<T, true>(s, n, weight, velocity, grad) : sgd_run<T, false>(s, n, weight, velocity, grad);
}

///   g = grad + l2 w;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
///   w = shrink w - m_scale m / (sqrt(v_scale v) + eps)
template <class T>
void adam_update(const AdamStep<T>& s, int64_t n, T* weight, T* m, T* v, const T* grad) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T g = grad[i] + s.l2 * weight[i];
    m[i] = s.beta1 * m[i] + (1 - s.beta1) * g;
    v[i] = s.beta2 * v[i] + (1 - s.beta2) * g * g;
    weight[i] = s.shrink * weight[i] - s.m_scale * m[i] / (std::sqrt(s.v_scale * v[i]) + s.eps);
  }
}

}  // namespace
}  // namespace kindling::kernels
