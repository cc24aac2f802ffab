#include <kindling/io/grid_rate.h>

#include <cmath>

#include <kindling/io/grid_model.h>

namespace kindling {
namespace {

constexpr uint32_t kShift = 3;  // the table has 4096 probabilities: 16 KiB, which stay in the L1 cache

/// -log2 of probabilities in 1/32768.
struct BitCosts {
  std::array<float, (32768 >> kShift)> of{};
  BitCosts() {
    for (size_t i = 0; i < of.size(); ++i)
      of[i] = static_cast<float>(-std::log2((static_cast<double>(i) + 0.5) / static_cast<double>(of.size())));
  }
};

/// A coder that adds up what bits cost.
struct CostCounter {
  const BitCosts& costs;
  float sum = 0;

  bool code(AdaptiveBit& model, bool bit) {
    const uint32_t p = model.probability();
    sum += costs.of[(bit ? p : 32767 - p) >> kShift];
    return bit;
  }
  uint32_t code_raw(uint32_t count, uint32_t value) {
    sum += static_cast<float>(count);
    return value;
  }
};

/// A coder whose output nobody wants.
struct Learner {
  static bool code(AdaptiveBit& model, bool bit) {
    model.learn(bit);
    return bit;
  }
  static uint32_t code_raw(uint32_t, uint32_t value) { return value; }
};

}  // namespace

GridRate::GridRate() : model_(std::make_unique<GridModel>()) {}
GridRate::GridRate(const GridRate& other) : model_(std::make_unique<GridModel>(*other.model_)) {}
GridRate& GridRate::operator=(const GridRate& other) {
  *model_ = *other.model_;
  return *this;
}
GridRate::GridRate(GridRate&&) noexcept = default;
GridRate& GridRate::operator=(GridRate&&) noexcept = default;
GridRate::~GridRate() = default;

void GridRate::begin(const GridShape& shape) { model_->begin(shape, 0); }

float GridRate::bits(int32_t q) const {
  static const BitCosts costs;
  CostCounter counter{costs};
  model_->code(counter, q);
  return counter.sum;
}

void GridRate::update(int32_t q) {
  Learner learner;
  model_->code(learner, q);
  model_->advance(q);
}

}  // namespace kindling
