#include <kindling/optim/adam.h>

#include <cmath>
#include <utility>

#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/kernels/table.h>
#include <kindling/tensor/kernels/update.h>

namespace kindling {
namespace {

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
    const kernels::AdamStep<T> step{.beta1 = static_cast<T>(momentum()),
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
    parallel_for(grad.numel(), kUpdateBlock, [&](int64_t begin, int64_t end) {
      kernels::table<T>().adam_update(step, end - begin, weight + begin, m + begin, v + begin, g + begin);
    });
  });
}

AdamW::AdamW(Variables parameters, const AdamOptions& options) : AdamW(one_group(std::move(parameters)), options) {}

AdamW::AdamW(std::vector<ParameterGroup> groups, const AdamOptions& options) : Adam(std::move(groups), options, true) {}

}  // namespace kindling
