#include <kindling/io/grid_rate.h>

#include <kindling/io/bit_costs.h>
#include <kindling/io/grid_model.h>

namespace kindling {
namespace {

/// A coder that adds up what bits cost.
struct CostCounter {
  float sum = 0;

  bool code(AdaptiveBit& model, bool bit) {
    sum += bit_cost(model, bit);
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
  CostCounter counter;
  model_->code(counter, q);
  return counter.sum;
}

void GridRate::update(int32_t q) {
  Learner learner;
  model_->code(learner, q);
  model_->advance(q);
}

}  // namespace kindling
