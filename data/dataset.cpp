#include <kindling/data/dataset.h>

#include <algorithm>
#include <cmath>
#include <compare>
#include <map>

#include <nlohmann/json.hpp>

namespace kindling::data {

std::string Dataset::describe(int64_t index) const { return std::string("#").append(std::to_string(index)); }

int64_t Dataset::label(int64_t index) const { return get(index).target.item<int64_t>(); }

nlohmann::json Dataset::about() const { return {}; }

nlohmann::json Wrapped::about() const { return base_->about(); }

TensorDataset::TensorDataset(Tensor inputs, Tensor targets, std::vector<std::string> classes)
    : inputs_(std::move(inputs)), targets_(std::move(targets)), classes_(std::move(classes)) {
  check(inputs_.rank() >= 1 && targets_.rank() >= 1 && inputs_.size(0) == targets_.size(0), "TensorDataset",
        "needs one target for each input: inputs ", inputs_.shape(), ", targets ", targets_.shape());
}

Sample TensorDataset::get(int64_t index) const {
  check(index >= 0 && index < size(), "TensorDataset", "sample ", index, " of ", size());
  return {inputs_.select(0, index), targets_.select(0, index)};
}

Subset::Subset(DatasetPtr base, std::vector<int64_t> indices) : Wrapped(std::move(base)), indices_(std::move(indices)) {
  for (const int64_t index : indices_)
    check(index >= 0 && index < Wrapped::size(), "Subset", "sample ", index, " of ", Wrapped::size());
}

Sample Subset::get(int64_t index) const { return Wrapped::get(base_index(index)); }

int64_t Subset::label(int64_t index) const { return Wrapped::label(base_index(index)); }

int64_t Subset::origin(int64_t index) const { return Wrapped::origin(base_index(index)); }

std::string Subset::describe(int64_t index) const { return Wrapped::describe(base_index(index)); }

int64_t Subset::base_index(int64_t index) const {
  check(index >= 0 && index < size(), "Subset", "sample ", index, " of ", size());
  return indices_[static_cast<size_t>(index)];
}

DatasetPtr draw(const DatasetPtr& dataset, int64_t count) {
  check(count >= 0 && count <= dataset->size(), "draw", count, " samples of ", dataset->size());
  struct Turn {
    uint64_t order;
    int64_t index;
    auto operator<=>(const Turn&) const = default;
  };
  std::map<int64_t, std::vector<Turn>> classes;
  for (int64_t i = 0; i < dataset->size(); ++i)
    classes[dataset->label(i)].push_back({Rng().bits(static_cast<uint64_t>(dataset->origin(i))), i});
  for (auto& [label, turns] : classes) std::sort(turns.begin(), turns.end());
  std::vector<int64_t> drawn;
  for (size_t round = 0; std::ssize(drawn) < count; ++round)
    for (const auto& [label, turns] : classes)
      if (round < turns.size() && std::ssize(drawn) < count) drawn.push_back(turns[round].index);
  std::sort(drawn.begin(), drawn.end());
  return std::make_shared<Subset>(dataset, std::move(drawn));
}

Splits split(const DatasetPtr& dataset, const HoldOut& hold_out) {
  const int64_t size = dataset->size();
  check(hold_out.share >= 0 && hold_out.share < 1, "split", "needs a share from 0 to below 1, got ", hold_out.share);
  if (hold_out.share == 0) return {dataset, nullptr, nullptr};
  check(size >= 2, "split", "needs at least two samples, got ", size);
  const int64_t held_out = std::max<int64_t>(1, std::llround(hold_out.share * static_cast<double>(size)));
  check(held_out < size, "split", "a share of ", hold_out.share, " leaves none of ", size, " samples to train on");

  std::vector<bool> in_val(static_cast<size_t>(size), false);
  const std::vector<int64_t> order = permutation(size, Rng(hold_out.seed));
  for (int64_t i = 0; i < held_out; ++i) in_val[static_cast<size_t>(order[static_cast<size_t>(i)])] = true;
  std::vector<int64_t> train, val;
  for (int64_t i = 0; i < size; ++i) (in_val[static_cast<size_t>(i)] ? val : train).push_back(i);
  return {std::make_shared<Subset>(dataset, std::move(train)), std::make_shared<Subset>(dataset, std::move(val)), {}};
}

}  // namespace kindling::data
