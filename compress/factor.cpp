#include <kindling/compress/factor.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <utility>

#include <kindling/nn/conv.h>
#include <kindling/nn/factored.h>
#include <kindling/nn/replace.h>
#include <kindling/tensor/svd.h>

namespace kindling {
namespace {

/// A layer's weight as a matrix, and the shapes of two weights whose product it is.
struct Matrix {
  Tensor value;
  std::function<Shape(int64_t rank)> first, second;
  int64_t first_runs = 1;  ///< pixels of "0"'s output for each of the layer's

  int64_t weights(int64_t rank) const { return rank * (value.size(0) + value.size(1)); }
  int64_t macs(int64_t rank) const { return rank * (value.size(0) + first_runs * value.size(1)); }
};

Matrix conv_matrix(const Tensor& w, const Conv2dOptions& conv, Factoring form) {
  const int64_t o = w.size(0), h = w.size(1), v = w.size(2), c = w.size(3);
  switch (form) {
    case Factoring::spatial:
      return {w.permute({0, 2, 1, 3}).reshape({o * v, h * c}),
              [=](int64_t r) {
                return Shape{r, h, 1, c};
              },
              [=](int64_t r) {
                return Shape{o, 1, v, r};
              },
              v > 1 ? conv.stride.w : 1};
    case Factoring::input_channels:
      return {w.reshape({o * h * v, c}),
              [=](int64_t r) {
                return Shape{r, 1, 1, c};
              },
              [=](int64_t r) {
                return Shape{o, h, v, r};
              },
              (h > 1 ? conv.stride.h : 1) * (v > 1 ? conv.stride.w : 1)};
    case Factoring::output_channels:
      break;
  }
  return {w.reshape({o, h * v * c}),
          [=](int64_t r) {
            return Shape{r, h, v, c};
          },
          [=](int64_t r) {
            return Shape{o, 1, 1, r};
          }};
}

/// What is to be factored.
struct Chosen {
  WeightLayer layer;
  const Conv2d* conv;  ///< null of a Linear
};

Matrix matrix_of(const Chosen& chosen, Factoring form) {
  const Tensor& w = chosen.layer.weight->value();
  if (chosen.conv != nullptr) return conv_matrix(w, chosen.conv->options(), form);
  const int64_t o = w.size(0), i = w.size(1);
  return {w, [=](int64_t r) { return Shape{r, i}; }, [=](int64_t r) { return Shape{o, r}; }};
}

double square_sum(const std::vector<double>& s, int64_t begin) {
  double sum = 0;
  for (auto i = static_cast<size_t>(begin); i < s.size(); ++i) sum += s[i] * s[i];
  return sum;
}

/// A layer and the decomposition of its matrix.
struct Decomposed {
  WeightLayer layer;
  Matrix matrix;
  Svd parts;
  double squares;  ///< of all values

  /// By how much error^2 sinks with value i, for each weight that the value takes.
  double gain(int64_t i) const {
    const double value = parts.s[static_cast<size_t>(i)];
    return squares > 0 ? value * value / squares / static_cast<double>(matrix.weights(1)) : 0;
  }
  /// Weights with `rank` values, or of the layer as it is if those are fewer.
  int64_t weights(int64_t rank) const { return std::min(matrix.weights(rank), matrix.value.numel()); }
};

Decomposed decompose(const Chosen& chosen, Factoring form) {
  const Matrix matrix = matrix_of(chosen, form);
  Svd parts = svd(matrix.value);
  const double squares = square_sum(parts.s, 0);
  return {chosen.layer, matrix, std::move(parts), squares};
}

/// For each layer the number of values whose gain is at least a common threshold, the lowest with
/// which all layers together keep at most `share` of their weights. 0: the layer stays as it is.
std::vector<int64_t> ranks_overall(const std::vector<Decomposed>& layers, double share) {
  std::vector<double> thresholds;
  int64_t before = 0;
  for (const Decomposed& one : layers) {
    before += one.matrix.value.numel();
    for (int64_t i = 0; i < std::ssize(one.parts.s); ++i) thresholds.push_back(one.gain(i));
  }
  std::sort(thresholds.begin(), thresholds.end(), std::greater<>());
  const auto ranks_at = [&](double threshold) {
    std::vector<int64_t> ranks;
    for (const Decomposed& one : layers) {
      int64_t rank = 0;
      while (rank < std::ssize(one.parts.s) && one.gain(rank) >= threshold) ++rank;
      ranks.push_back(std::max<int64_t>(rank, 1));
    }
    return ranks;
  };
  const auto fits = [&](double threshold) {
    const std::vector<int64_t> ranks = ranks_at(threshold);
    int64_t kept = 0;
    for (size_t i = 0; i < layers.size(); ++i) kept += layers[i].weights(ranks[i]);
    return static_cast<double>(kept) <= share * static_cast<double>(before);
  };
  const auto end = std::partition_point(thresholds.begin(), thresholds.end(), fits);
  std::vector<int64_t> ranks = ranks_at(end == thresholds.begin() ? thresholds.front() : *std::prev(end));
  for (size_t i = 0; i < layers.size(); ++i)
    if (layers[i].matrix.weights(ranks[i]) >= layers[i].matrix.value.numel()) ranks[i] = 0;
  return ranks;
}

/// 0: the layer would not become smaller.
int64_t rank_of(const Matrix& matrix, const std::vector<double>& s, const FactorOptions& options) {
  const auto full = std::ssize(s);
  if (options.rank > 0) return std::min(options.rank, full);
  const int64_t weights = matrix.value.numel();
  int64_t rank = full;
  const auto share = [&](int64_t now) { return static_cast<double>(now) / static_cast<double>(weights); };
  if (options.energy > 0) {
    const double most_lost = (1 - options.energy) * square_sum(s, 0);
    while (rank > 1 && square_sum(s, rank - 1) <= most_lost) --rank;
  } else if (options.weights > 0) {
    while (rank > 0 && share(matrix.weights(rank)) > options.weights) --rank;
  } else {
    while (rank > 0 && share(matrix.macs(rank)) > options.macs) --rank;
  }
  return matrix.weights(rank) < weights ? rank : 0;
}

/// The first `rank` rows of x, each times the square root of its singular value, in `shape`.
Tensor scaled_rows(const Tensor& x, const std::vector<double>& s, int64_t rank) {
  Tensor rows = x.slice(0, 0, rank).clone();
  for (int64_t i = 0; i < rank; ++i) rows.select(0, i).mul_(std::sqrt(s[static_cast<size_t>(i)]));
  return rows;
}

void put(Module& model, const WeightLayer& layer, const Matrix& matrix, const Svd& parts, int64_t rank) {
  const Variable bias = *layer.bias;  // the layer goes
  Module& pair = replace(model, layer.path, [&](Module& old_layer) {
    return make_factored(old_layer, matrix.first(rank), matrix.second(rank));
  });
  Variables parameters = pair.parameters();
  parameters[0].value().copy_(scaled_rows(parts.vt, parts.s, rank).reshape(matrix.first(rank)));
  const Tensor columns = scaled_rows(parts.u.transpose(), parts.s, rank).transpose();
  parameters[1].value().copy_(columns.reshape(matrix.second(rank)));
  if (bias.defined()) parameters[2].value().copy_(bias.value());
}

std::vector<Chosen> choose(Module& model, const FactorOptions& options) {
  const int given = (options.rank > 0) + (options.energy > 0) + (options.weights > 0) + (options.macs > 0);
  check(given == 1 && options.energy <= 1, "factor", "needs one of rank, energy (at most 1), weights and macs, got ",
        options.rank, ", ", options.energy, ", ", options.weights, " and ", options.macs);
  check(!options.overall || options.weights > 0, "factor", "overall is of weights");
  std::map<std::string, Module*> modules;
  for (const auto& [path, module] : parts_with_paths(model)) modules[path] = module;
  std::vector<Chosen> result;
  const std::vector<WeightLayer> layers = checked_weight_layers(model, "factor");
  const std::vector<int64_t> matches = first_matches(layers, {options.layers}, "factor");
  for (size_t i = 0; i < layers.size(); ++i) {
    if (matches[i] < 0) continue;
    if (layers[i].path.ends_with("/0") || layers[i].path.ends_with("/1"))
      throw Error("factor: " + layers[i].path + " is a factor already");
    if (layers[i].groups != 1)
      throw Error("factor: " + layers[i].path + " is a convolution in groups, which cannot be factored");
    result.push_back({layers[i], dynamic_cast<const Conv2d*>(modules.at(layers[i].path))});
  }
  return result;
}

}  // namespace

std::vector<FactoredLayer> factor(Module& model, const FactorOptions& options) {
  const Definition definition = model.definition();
  const std::vector<Chosen> chosen = choose(model, options);
  std::vector<Decomposed> all;  // of large layers they are large: only if they are needed together
  std::vector<int64_t> ranks;
  if (options.overall) {
    for (const Chosen& one : chosen) all.push_back(decompose(one, options.form));
    ranks = ranks_overall(all, options.weights);
  }
  std::vector<FactoredLayer> result;
  for (size_t i = 0; i < chosen.size(); ++i) {
    const auto& [layer, matrix, parts, squares] = options.overall ? all[i] : decompose(chosen[i], options.form);
    const int64_t rank = options.overall ? ranks[i] : rank_of(matrix, parts.s, options);
    const int64_t weights = matrix.value.numel();
    FactoredLayer& row = result.emplace_back(FactoredLayer{.path = layer.path,
                                                           .rank = rank,
                                                           .full_rank = std::ssize(parts.s),
                                                           .weights_before = weights,
                                                           .weights = weights,
                                                           .macs_before = weights,
                                                           .macs = weights});
    if (rank == 0) continue;
    row.weights = matrix.weights(rank), row.macs = matrix.macs(rank);
    if (squares > 0) row.error = std::sqrt(square_sum(parts.s, rank) / squares);
    put(model, layer, matrix, parts, rank);
  }
  model.set_definition(definition);
  return result;
}

}  // namespace kindling
