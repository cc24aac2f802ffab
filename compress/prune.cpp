#include <kindling/compress/prune.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace kindling {
namespace {

/// Layers that are pruned by one threshold, and how many weights they keep.
struct Group {
  std::vector<size_t> layers;
  int64_t kept = 0;
};

std::vector<Group> groups_of(const std::vector<WeightLayer>& layers, const PruneOptions& options) {
  constexpr double kNone = -1;
  for (const LayerDensity& entry : options.layers)
    check(entry.value >= 0 && entry.value <= 1, "prune", "density ", entry.value, " of \"", entry.pattern,
          "\" is not in [0, 1]");
  check(options.density >= 0 && options.density <= 1, "prune", "density ", options.density, " is not in [0, 1]");
  const std::vector<double> own = values_for(layers, options.layers, kNone, "prune");
  std::vector<Group> groups;
  Group together;
  int64_t weights = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    const int64_t count = layers[i].weight->numel();
    if (own[i] == kNone && options.overall) {
      together.layers.push_back(i);
      weights += count;
    } else {
      groups.push_back({{i}, kept_of(own[i] == kNone ? options.density : own[i], count)});
    }
  }
  together.kept = kept_of(options.density, weights);
  if (!together.layers.empty()) groups.push_back(together);
  return groups;
}

template <class T>
std::vector<T> magnitudes(const Tensor& weight) {
  std::vector<T> result(static_cast<size_t>(weight.numel()));
  std::transform(weight.data<T>(), weight.data<T>() + weight.numel(), result.begin(), [](T x) { return std::fabs(x); });
  return result;
}

/// The scores s_i of prune().
template <class T>
std::vector<T> relative_squares(const Tensor& weight) {
  std::vector<T> scores = magnitudes<T>(weight);
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  double sum = 0;
  for (const int64_t i : order) {  // from the largest
    T& score = scores[static_cast<size_t>(i)];
    const double square = static_cast<double>(score) * static_cast<double>(score);
    sum += square;
    score = square > 0 ? static_cast<T>(square / sum) : T(0);
  }
  return scores;
}

/// For each weight of the group a mask: 1 for the `kept` largest scores, of equal ones the first.
template <class T>
std::vector<Tensor> masks_of(const std::vector<const Tensor*>& weights, int64_t kept) {
  std::vector<T> scores;
  for (const Tensor* weight : weights) {
    const std::vector<T> own = weights.size() > 1 ? relative_squares<T>(*weight) : magnitudes<T>(*weight);
    scores.insert(scores.end(), own.begin(), own.end());
  }
  // All above `least` are kept, and of those that equal it so many as are missing.
  T least = INFINITY;
  int64_t missing = 0;
  if (kept > 0) {
    std::vector<T> sorted = scores;
    const auto last = sorted.begin() + (kept - 1);
    std::nth_element(sorted.begin(), last, sorted.end(), std::greater<>());
    least = *last;
    missing = kept - std::count_if(sorted.begin(), last, [&](T score) { return score > least; });
  }
  std::vector<Tensor> masks;
  for (auto score = scores.begin(); const Tensor* weight : weights) {
    Tensor& mask = masks.emplace_back(Tensor::empty(weight->shape(), DType::u8));
    for (int64_t i = 0; i < weight->numel(); ++i, ++score)
      mask.data<uint8_t>()[i] = *score > least || (*score == least && missing-- > 0);
  }
  return masks;
}

std::vector<Tensor> masks_of(const std::vector<const Tensor*>& weights, int64_t kept) {
  return visit_floating("prune", weights[0]->dtype(),
                        [&](auto type) { return masks_of<decltype(type)>(weights, kept); });
}

/// 1 where the weight is not 0.
Tensor mask_of(const Tensor& weight) {
  Tensor mask = Tensor::empty(weight.shape(), DType::u8);
  visit_floating("prune", weight.dtype(), [&](auto type) {
    const auto* x = weight.data<decltype(type)>();
    for (int64_t i = 0; i < weight.numel(); ++i) mask.data<uint8_t>()[i] = x[i] != 0;
  });
  return mask;
}

int64_t count_ones(const Tensor& mask) {
  return std::count(mask.data<uint8_t>(), mask.data<uint8_t>() + mask.numel(), uint8_t{1});
}

PrunedLayer summary(const WeightLayer& layer, int64_t kept) {
  return {layer.path, layer.weight->numel(), kept, layer.bias->defined() ? layer.bias->numel() : 0};
}

/// Sets what is masked to 0 and holds it there, and what has been held at 0 as well. Returns how
/// many weights are left.
int64_t apply(const Tensor& wanted, Variable& weight) {
  Tensor mask = wanted;
  if (const Tensor& held = weight.constraint().codes; held.defined()) {
    mask = wanted.clone();
    for (int64_t i = 0; i < mask.numel(); ++i)
      if (held.data<uint8_t>()[i] == 0) mask.data<uint8_t>()[i] = 0;
  }
  const int64_t left = count_ones(mask);
  if (left == mask.numel()) {
    weight.set_constraint({});
    return left;
  }
  visit_floating("prune", weight.dtype(), [&](auto type) {
    auto* x = weight.value().data<decltype(type)>();
    for (int64_t i = 0; i < mask.numel(); ++i)
      if (mask.data<uint8_t>()[i] == 0) x[i] = 0;
  });
  weight.value().mark_written("prune");
  weight.set_constraint({mask});
  return left;
}

}  // namespace

int64_t kept_of(double density, int64_t weights) {
  return std::min(weights, static_cast<int64_t>(std::ceil(density * static_cast<double>(weights) - 1e-6)));
}

std::vector<PrunedLayer> prune(Module& model, const PruneOptions& options) {
  std::vector<WeightLayer> layers = checked_weight_layers(model, "prune");
  std::vector<PrunedLayer> result(layers.size());
  for (const Group& group : groups_of(layers, options)) {
    std::vector<const Tensor*> weights;
    for (const size_t i : group.layers) weights.push_back(&layers[i].weight->value());
    const std::vector<Tensor> masks = masks_of(weights, group.kept);
    for (size_t m = 0; m < masks.size(); ++m) {
      WeightLayer& layer = layers[group.layers[m]];
      result[group.layers[m]] = summary(layer, apply(masks[m], *layer.weight));
    }
  }
  return result;
}

PrunedLayer keep_largest(const WeightLayer& layer, double density) {
  const Tensor mask = masks_of({&layer.weight->value()}, kept_of(density, layer.weight->numel())).front();
  return summary(layer, apply(mask, *layer.weight));
}

void hold_pruned(Module& model) {
  for (WeightLayer& layer : checked_weight_layers(model, "hold_pruned"))
    apply(mask_of(layer.weight->value()), *layer.weight);
}

void release_weights(Module& model) {
  for (WeightLayer& layer : checked_weight_layers(model, "release_weights")) layer.weight->set_constraint({});
}

std::vector<PrunedLayer> count_kept(Module& model) {
  std::vector<PrunedLayer> result;
  for (const WeightLayer& layer : checked_weight_layers(model, "count_kept"))
    result.push_back(summary(layer, count_ones(mask_of(layer.weight->value()))));
  return result;
}

std::vector<LayerDensity> squeezenet_table1_densities() {
  return {
      {"^fire(6|8)/expand1x1$", 0.5}, {"^fire(7|9)/squeeze$", 0.5}, {"^conv1$", 1.0}, {"/(squeeze|expand1x1)$", 1.0},
      {"^fire[89]/expand3x3$", 0.3},  {"/expand3x3$", 0.33},        {"^conv10$", 0.2}};
}

double gradual_density(double first, double last, int64_t i, int64_t times) {
  const double left = 1 - static_cast<double>(i) / static_cast<double>(times);
  return last + std::max(first - last, 0.0) * left * left * left;
}

std::function<void(int64_t updates)> gradual_pruning(Module& model, const GradualPruning& options) {
  check(options.every > 0 && options.times > 0 && options.begin >= 0, "gradual_pruning", "begins after ", options.begin,
        " updates, then ", options.times, " times every ", options.every, " updates");
  check(options.first_density >= 0 && options.first_density <= 1, "gradual_pruning", "first density ",
        options.first_density, " is not in [0, 1]");
  static_cast<void>(
      groups_of(checked_weight_layers(model, "prune"), options.last));  // throws now rather than in training
  return [&model, options](int64_t updates) {
    const int64_t since = updates - options.begin, i = since / options.every;
    if (since < 0 || since % options.every != 0 || i > options.times) return;
    PruneOptions now = options.last;
    const auto density = [&](double last) { return gradual_density(options.first_density, last, i, options.times); };
    now.density = density(now.density);
    for (LayerDensity& entry : now.layers) entry.value = density(entry.value);
    prune(model, now);
  };
}

}  // namespace kindling
