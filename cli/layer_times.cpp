#include <kindling/cli/layer_times.h>

#include <kindling/nn/dropout.h>
#include <kindling/nn/observer.h>
#include <kindling/tensor/constant_weights.h>
#include <kindling/tensor/kernels/parallel.h>

namespace kindling::cli {
namespace {

Shape with_batch(const Shape& shape, int64_t batch) {
  Shape result = shape;
  result[0] = batch;
  return result;
}

/// One layer with a batch of random inputs, in parts.
class LayerBench {
 public:
  LayerBench(const LayerCall& call, int64_t batch_size, const StepPlan& plan) : call_(call) {
    Rng rng(0);
    for (const BatchPart& part : cut_batch(plan, batch_size)) {
      const int64_t count = part.end - part.begin;
      inputs_.emplace_back(Tensor::normal(with_batch(call.input, count), 0, 1, rng), !call.first);
      seeds_.push_back(Tensor::normal(with_batch(call.output, count), 0, 1, rng));
    }
    outputs_.resize(inputs_.size());
  }

  LayerTime run(bool training, int64_t repetitions) {
    constexpr int kWarmUps = 1;
    const bool products = call_.macs > 0, parameters = !call_.module->parameters().empty();
    Timing forward, input, weight, backward;
    for (int64_t i = -kWarmUps; i < repetitions; ++i) {
      Timing discarded;
      const auto into = [&](Timing& timing) -> Timing& { return i < 0 ? discarded : timing; };
      into(forward).measure([&] { each_part([&](size_t p) { run_forward(p, training); }); });
      if (!training) continue;
      if (!products && (!call_.first || parameters))
        into(backward).measure([&] { each_part([&](size_t p) { run_gradient(p, !call_.first, parameters); }); });
      if (products && !call_.first)
        into(input).measure([&] { each_part([&](size_t p) { run_gradient(p, true, false); }); });
      if (products) into(weight).measure([&] { each_part([&](size_t p) { run_gradient(p, false, true); }); });
    }
    LayerTime result{call_.name, call_.module->kind(), {}};
    const double gflop = 2e-9 * static_cast<double>(call_.macs * batch_size());
    const auto* conv = dynamic_cast<const Conv2d*>(call_.module);
    const ConvMethods methods = conv != nullptr ? conv->methods(call_.input) : ConvMethods{};
    const auto report = [&](const char* pass, const Timing& timing, const std::string& method) {
      if (!timing.empty()) result.passes.push_back({pass, timing.median(), gflop, method});
    };
    report("forward", forward, methods.output);
    report("input gradient", input, methods.input_grad);
    report("weight gradient", weight, methods.weight_grad);
    report("backward", backward, "");
    return result;
  }

 private:
  int64_t batch_size() const {
    int64_t count = 0;
    for (const Variable& input : inputs_) count += input.size(0);
    return count;
  }

  /// One part goes through at once, and the layer's own loops use the threads; else each part is
  /// one thread's.
  template <class F>
  void each_part(F f) {
    parallel_for(static_cast<int64_t>(inputs_.size()), 1, [&](int64_t p, int64_t) { f(static_cast<size_t>(p)); });
  }
  void run_forward(size_t part, bool training) {
    const RecordingGuard recording(training);
    const RandomStep random(0);
    outputs_[part] = (*call_.module)(inputs_[part]);
  }
  void run_gradient(size_t part, bool of_input, bool of_parameters) {
    Variables targets;
    if (of_parameters) targets = call_.module->parameters();
    if (of_input) targets.push_back(inputs_[part]);
    grad({outputs_[part]}, targets, CreateGraph::no, {seeds_[part]}, /*allow_unused=*/true, /*retain_graph=*/true);
  }

  const LayerCall& call_;
  Variables inputs_, outputs_, seeds_;
};

}  // namespace

std::vector<LayerCall> layer_calls(Module& model, const Shape& image) {
  const EvaluationMode evaluation(model);
  const NoGrad no_grad;
  std::vector<LayerCall> calls;
  const CallObserver observer([&](Module& module, const std::string& path, const Variable& x, const Variable& y) {
    if (module.has_parts()) return;
    calls.push_back({path, &module, x.shape(), y.shape(), calls.empty(), module.macs(x.shape(), y.shape())});
  });
  model(Tensor::zeros(image));
  return calls;
}

nlohmann::json conv_methods(Module& model, const Shape& image) {
  nlohmann::json result = nlohmann::json::object();
  for (const LayerCall& call : layer_calls(model, image))
    if (const auto* conv = dynamic_cast<const Conv2d*>(call.module)) {
      const ConvMethods methods = conv->methods(call.input);
      result[call.name] = {{"forward", methods.output}, {"weight_grad", methods.weight_grad}};
      if (!call.first) result[call.name]["input_grad"] = methods.input_grad;
    }
  return result;
}

std::vector<LayerTime> time_layers(Module& model, const Shape& image, int64_t batch_size, const StepPlan& plan,
                                   int64_t repetitions, PeakMeter& peak) {
  const ConstantWeights constant;  // as in a step, which packs each weight once for all parts
  std::vector<LayerTime> times;
  for (const LayerCall& call : layer_calls(model, image)) {
    times.push_back(LayerBench(call, batch_size, plan).run(model.training(), repetitions));
    peak.sample();
  }
  return times;
}

}  // namespace kindling::cli
