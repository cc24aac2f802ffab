#include <kindling/compress/share.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <kindling/optim/constraint.h>
#include <kindling/tensor/kernels/parallel.h>

namespace kindling {
namespace {

constexpr int64_t kMostBits = 8;

/// The codes of `weights`, whose nonzero values, sorted, are clustered so: 0 for 0, else the number
/// of the cluster, from 1.
Tensor codes_of(const std::vector<double>& weights, const std::vector<double>& sorted, const KMeans& clusters,
                const Shape& shape) {
  std::vector<double> largest;
  for (const int64_t end : clusters.ends) largest.push_back(sorted[static_cast<size_t>(end - 1)]);
  std::vector<uint8_t> codes;
  codes.reserve(weights.size());
  for (const double weight : weights)
    codes.push_back(weight == 0 ? uint8_t{0}
                                : static_cast<uint8_t>(std::lower_bound(largest.begin(), largest.end(), weight) -
                                                       largest.begin() + 1));
  return Tensor::from(codes, shape);
}

SharedLayer share_layer(WeightLayer& layer, int64_t bits, const ShareOptions& options) {
  const auto weights = layer.weight->value().to_vector<double>();
  std::vector<double> sorted;
  std::copy_if(weights.begin(), weights.end(), std::back_inserter(sorted), [](double w) { return w != 0; });
  std::sort(sorted.begin(), sorted.end());
  const KMeans clusters =
      kmeans(sorted, {.clusters = (int64_t{1} << bits) - 1, .start = options.start, .seed = options.seed});

  Codebook codebook{{0}, codes_of(weights, sorted, clusters, layer.weight->shape())};
  codebook.values.insert(codebook.values.end(), clusters.centroids.begin(), clusters.centroids.end());
  set_codebook(*layer.weight, codebook);
  const double squares = std::inner_product(sorted.begin(), sorted.end(), sorted.begin(), 0.0);
  const auto relative = [&](double error) { return squares == 0 ? 0 : std::sqrt(error / squares); };
  return {.path = layer.path,
          .weights = std::ssize(weights),
          .nonzero = std::ssize(sorted),
          .values = std::ssize(clusters.centroids),
          .start_error = relative(clusters.start_error),
          .error = relative(clusters.error),
          .steps = clusters.steps};
}

}  // namespace

std::vector<SharedLayer> share(Module& model, const ShareOptions& options) {
  std::vector<WeightLayer> layers = checked_weight_layers(model, "share");
  const std::vector<int64_t> bits = values_for(layers, options.layers, options.bits, "share");
  for (size_t i = 0; i < layers.size(); ++i)
    check(bits[i] >= 1 && bits[i] <= kMostBits, "share", "codes of ", bits[i], " bits for ", layers[i].path,
          ": they must have 1 to ", kMostBits);
  std::vector<SharedLayer> result(layers.size());
  parallel_for(std::ssize(layers), 1, [&](int64_t number, int64_t) {
    const auto i = static_cast<size_t>(number);
    result[i] = share_layer(layers[i], bits[i], options);
  });
  return result;
}

Codebook codebook_of(const Variable& weight) {
  const auto& [codes, shared] = weight.constraint();
  if (!shared) throw Error("codebook_of: the weight is not shared");
  auto values = shared_values(weight).to_vector<float>();
  const uint8_t* code = codes.data<uint8_t>();
  values.resize(static_cast<size_t>(*std::max_element(code, code + codes.numel())) + 1);
  return {values, codes};
}

void set_codebook(Variable& weight, const Codebook& codebook) {
  Tensor values = Tensor::zeros(free_shape(weight, {codebook.codes, true}), weight.dtype());
  const uint8_t* code = codebook.codes.data<uint8_t>();
  const auto known = std::min(std::ssize(codebook.values), values.numel());
  const int64_t largest = codebook.codes.numel() == 0 ? 0 : *std::max_element(code, code + codebook.codes.numel());
  check(largest < std::max<int64_t>(known, 1), "set_codebook", "code ", largest, ", but ", known, " values");
  for (int64_t i = 1; i < known; ++i)
    visit_floating("set_codebook", values.dtype(),
                   [&](auto type) { values.data<decltype(type)>()[i] = codebook.values[static_cast<size_t>(i)]; });
  weight.set_constraint({codebook.codes, true});
  spread_values(values, weight);
  weight.value().mark_written("set_codebook");
}

}  // namespace kindling
