#include <kindling/data/shapes.h>

#include <kindling/data/shapes_draw.h>

namespace kindling::data {

constexpr auto kClasses = static_cast<int64_t>(kFigures.size());

Shapes::Shapes(int64_t count, uint64_t seed) : count_(count), seed_(seed) {
  check(count >= 1, "Shapes", "needs at least one image, got ", count);
}

Sample Shapes::get(int64_t index) const {
  const int64_t label = this->label(index);
  Tensor image = Tensor::empty({kShapesSide, kShapesSide, 3}, DType::u8);
  draw_figure(static_cast<int>(label), Rng(seed_).fork(static_cast<uint64_t>(index)), image.data<uint8_t>());
  return {image, Tensor::scalar(static_cast<double>(label), DType::i64)};
}

int64_t Shapes::label(int64_t index) const {
  check(index >= 0 && index < count_, "Shapes", "sample ", index, " of ", count_);
  return index % kClasses;
}

std::vector<std::string> Shapes::classes() const { return {kFigures.begin(), kFigures.end()}; }

Splits shapes(const ShapesOptions& options) {
  return {std::make_shared<Shapes>(options.count, 2 * options.seed),
          std::make_shared<Shapes>(options.val_count, 2 * options.seed + 1), nullptr};
}

}  // namespace kindling::data
