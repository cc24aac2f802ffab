#include <kindling/nn/chain.h>

#include <algorithm>

#include <kindling/autograd/ops/conv.h>
#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/shape.h>
#include <kindling/nn/conv.h>
#include <kindling/nn/norm.h>
#include <kindling/nn/observer.h>
#include <kindling/nn/pool.h>

namespace kindling {
namespace {

constexpr int64_t kChannels = 3;  // the axis

/// pool(conv(x)) in one pass.
Variable run_jointly(Conv2d& conv, MaxPool2d& pool, const Variable& x) {
  Shape map;
  {
    const Scope scope(conv.name());  // errors name the layer whose mistake it is
    map = *conv.output_shape(x.shape());
  }
  {
    const Scope scope(pool.name());
    pool.output_shape(map);
  }
  Variable y;
  {
    const Scope scope(conv.name());
    y = conv2d_max_pool2d(x, conv.weight, conv.bias, {conv.options(), pool.options(), conv.relu()});
  }
  if (CallObserver::watching()) {
    const NoGrad no_grad;
    const Variable between = conv(x);  // which tells of conv
    const Scope scope(pool.name());
    CallObserver::tell(pool, between, y);
  }
  return y;
}

/// What norm gives for x by itself, made once more for observers, which are told of it. To be
/// called in norm's scope.
Variable tell(BatchNorm2d& norm, const Variable& x, const BatchNormStats& stats) {
  const NoGrad no_grad;
  const Variable y = batch_norm_apply(x, stats, norm.weight, norm.bias, norm.activation());
  CallObserver::tell(norm, x, y);
  return y;
}

/// pool(norm(x)) in one pass, in training.
Variable run_jointly(BatchNorm2d& norm, MaxPool2d& pool, const Variable& x) {
  {
    const Scope scope(pool.name());  // errors name the layer whose mistake it is
    pool.output_shape(x.shape());
  }
  BatchNormResult y;
  Variable between;
  {
    const Scope scope(norm.name());
    y = norm.train_pooled(x, pool.options());
    if (!CallObserver::watching()) return y.values;
    between = tell(norm, x, y.stats);
  }
  const Scope scope(pool.name());
  CallObserver::tell(pool, between, y.values);
  return y.values;
}

/// sum + norm(x), in training.
Variable run_onto(Variable&& sum, BatchNorm2d& norm, const Variable& x) {
  const Scope scope(norm.name());
  const BatchNormResult y = norm.train_onto(std::move(sum), x);
  if (CallObserver::watching()) tell(norm, x, y.stats);
  return y.values;
}

}  // namespace

Module& Chain::add(std::string name, std::unique_ptr<Module> layer) {
  if (name.empty() || name.find('/') != std::string::npos)
    throw Error("Sequential: '" + name + "' is no name for a layer: it must not be empty or contain '/'");
  const bool taken = std::any_of(layers_.begin(), layers_.end(), [&](const Entry& e) { return e.name == name; });
  if (taken) throw Error("Sequential: there is a layer '" + name + "' already");
  layers_.push_back({std::move(name), std::move(layer)});
  return *layers_.back().layer;
}

void Chain::add(Chain layers) {
  for (Entry& entry : layers.layers_) add(std::move(entry.name), std::move(entry.layer));
}

Module& Chain::at(std::string_view name) {
  std::string names;
  for (const Entry& entry : layers_) {
    if (entry.name == name) return *entry.layer;
    names += ' ' + entry.name;
  }
  throw Error("Sequential: no layer '" + std::string(name) + "'; there are:" + names);
}

void Chain::visit(Visitor& visitor, int64_t begin, int64_t end) {
  for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
    visitor(layers_[i].name, layers_[i].layer);
}

Variable Chain::run(const Variable& x, int64_t begin, int64_t end, const Out& out) const {
  Variable y = x;
  for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
    Module& layer = *layers_[i].layer;
    const bool last = i + 1 == static_cast<size_t>(end);
    auto* const conv = dynamic_cast<Conv2d*>(&layer);
    auto* const norm = layer.training() ? dynamic_cast<BatchNorm2d*>(&layer) : nullptr;
    auto* const pool = last ? nullptr : dynamic_cast<MaxPool2d*>(layers_[i + 1].layer.get());
    if (pool != nullptr && (conv != nullptr || norm != nullptr)) {
      y = conv != nullptr ? run_jointly(*conv, *pool, y) : run_jointly(*norm, *pool, y);
      ++i;
    } else {
      y = last ? layer(y, out) : layer(y);
    }
  }
  return y;
}

Variable Chain::add_onto(Variable&& sum, const Variable& x) const {
  Module* const last = layers_.empty() ? nullptr : layers_.back().layer.get();
  auto* const norm = last != nullptr && last->training() ? dynamic_cast<BatchNorm2d*>(last) : nullptr;
  if (norm == nullptr) return std::move(sum) + (*this)(x);
  return run_onto(std::move(sum), *norm, run(x, 0, size() - 1));
}

std::optional<Shape> Chain::output_shape(const Shape& input) const {
  std::optional<Shape> shape = input;
  for (const Entry& entry : layers_) {
    const Scope scope(entry.name);
    shape = entry.layer->output_shape(*shape);
    if (!shape) break;
  }
  return shape;
}

Variable concat_channels(const Variable& x, std::initializer_list<const Chain*> parts) {
  std::vector<int64_t> ends;  // of the parts' slices; none if some part cannot tell its channels
  Shape whole;
  for (const Chain* part : parts) {
    const std::optional<Shape> shape = part->output_shape(x.shape());
    if (!shape || shape->rank() <= kChannels) {
      ends.clear();
      break;
    }
    ends.push_back((ends.empty() ? 0 : ends.back()) + (*shape)[kChannels]);
    whole = *shape;
  }
  Variables results;
  if (ends.empty()) {
    for (const Chain* part : parts) results.push_back((*part)(x));
    return concat(results, kChannels);
  }
  whole[kChannels] = ends.back();
  const Out joined{Tensor::empty(whole, x.dtype())};
  int64_t begin = 0;
  for (size_t i = 0; const Chain* part : parts) {
    results.push_back((*part)(x, {joined.to.slice(kChannels, begin, ends[i])}));
    begin = ends[i++];
  }
  return concat(results, kChannels, joined);
}

}  // namespace kindling
