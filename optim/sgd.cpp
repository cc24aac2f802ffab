#include <kindling/optim/sgd.h>

#include <utility>

#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/kernels/table.h>
#include <kindling/tensor/kernels/update.h>

namespace kindling {
SGD::SGD(Variables parameters, const SGDOptions& options)
    : SGD(std::vector<ParameterGroup>{{std::move(parameters)}}, options) {}

SGD::SGD(std::vector<ParameterGroup> groups, const SGDOptions& options)
    : Optimizer(std::move(groups), options.lr, options.momentum, options.weight_decay), options_(options) {
  check(options.momentum >= 0, "sgd", "momentum must not be negative, got ", options.momentum);
  check(!options.nesterov || (options.momentum > 0 && options.dampening == 0), "sgd",
        "Nesterov needs momentum and no dampening, got momentum ", options.momentum, ", dampening ", options.dampening);
}

void SGD::update(Slot& slot) {
  const bool caffe = options_.form == MomentumForm::caffe;
  const double rate = lr() * slot.lr_factor;
  const Tensor grad = slot.parameter.grad().contiguous();
  visit_floating(name(), grad.dtype(), [&](auto t) {
    using T = decltype(t);
    const kernels::SGDStep<T> step{.weight_decay = static_cast<T>(slot.weight_decay),
                                   .grad_scale = static_cast<T>(caffe ? rate : 1.0),
                                   .momentum = static_cast<T>(momentum()),
                                   .undamped = static_cast<T>(slot.steps == 1 ? 1.0 : 1.0 - options_.dampening),
                                   .step_scale = static_cast<T>(caffe ? 1.0 : rate),
                                   .nesterov = options_.nesterov};
    const T* g = grad.data<T>();
    T* velocity = slot.moments[0].data<T>();
    T* weight = slot.parameter.value().data<T>();
    parallel_for(grad.numel(), kUpdateBlock, [&](int64_t begin, int64_t end) {
      kernels::table<T>().sgd_update(step, end - begin, weight + begin, velocity + begin, g + begin);
    });
  });
}

}  // namespace kindling
