#include <kindling/optim/adam.h>

#include <cmath>
#include <utility>

#include <kindling/tensor/kernels/parallel.h>

namespace kindling {
namespace {

/// One step's numbers for one parameter: m_scale = lr / (1 - beta1^t), v_scale = 1 / (1 - beta2^t), l2 is Adam's weight
/// decay and `shrink` AdamW's: the weight is multiplied by it first.
template <class T>
struct Factors {
  T beta1, beta2, m_scale, v_scale, eps, l2, shrink;
};

template <class T>
void update_range(const Factors<T>& f, const T* grad, T* m, T* v, T* weight, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const T g = grad[i] + f.l2 * weight[i];
    m[i] = f.beta1 * m[i] + (1 - f.beta1) * g;
    v[i] = f.beta2 * v[i] + (1 - f.beta2) * g * g;
    weight[i] = f.shrink * weight[i] - f.m_scale * m[i] / (std::sqrt(f.v_scale * v[i]) + f.eps);
  }
}

std::vector<ParameterGroup> one_group(Variables parameters) { return {{std::move(parameters)}}; }

}  // namespace

Adam::Adam(Variables parameters, const AdamOptions& options) : Adam(one_group(std::move(parameters)), options) {}

Adam::Adam(std::vector<ParameterGroup> groups, const AdamOptions& options) : Adam(std::move(groups), options, false) {}

Adam::Adam(std::vector<ParameterGroup> groups, const AdamOptions& options, bool decoupled)
    : Optimizer(std::move(groups), options.lr, options.beta1, options.weight_decay),
      options_(options),
      decoupled_(decoupled) {
  check(options.beta1 >= 0 && options.beta1 < 1 && options.beta2 >= 0 && options.beta2 < 1, name(),
        "betas must be in [0, 1), got ", options.beta1, ", ", options.beta2);
  check(options.eps >= 0, name(), "eps must not be negative, got ", options.eps);
}

void Adam::update(Slot& slot) {
  const double rate = lr() * slot.lr_factor, t = static_cast<double>(slot.steps);
  const Tensor grad = slot.parameter.grad().contiguous();
  visit_floating(name(), grad.dtype(), [&](auto type) {
    using T = decltype(type);
    const Factors<T> factors{.beta1 = static_cast<T>(momentum()),
                             .beta2 = static_cast<T>(options_.beta2),
                             .m_scale = static_cast<T>(rate / (1 - std::pow(momentum(), t))),
                             .v_scale = static_cast<T>(1 / (1 - std::pow(options_.beta2, t))),
                             .eps = static_cast<T>(options_.eps),
                             .l2 = static_cast<T>(decoupled_ ? 0.0 : slot.weight_decay),
                             .shrink = static_cast<T>(decoupled_ ? 1.0 - rate * slot.weight_decay : 1.0)};
    const T* g = grad.data<T>();
    T* m = slot.moments[0].data<T>();
    T* v = slot.moments[1].data<T>();
    T* weight = slot.parameter.value().data<T>();
    parallel_for(grad.numel(), kUpdateBlock,
                 [&](int64_t begin, int64_t end) { update_range(factors, g, m, v, weight, begin, end); });
  });
}

AdamW::AdamW(Variables parameters, const AdamOptions& options) : AdamW(one_group(std::move(parameters)), options) {}

AdamW::AdamW(std::vector<ParameterGroup> groups, const AdamOptions& options) : Adam(std::move(groups), options, true) {}

}  // namespace kindling
