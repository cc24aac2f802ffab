#include <kindling/compress/agreement.h>

#include <cmath>

#include <catch2/catch.hpp>

#include "small_model.h"

using namespace kindling;
using namespace kindling::testing;

TEST_CASE("mean_divergence: by hand, and 0 of itself") {
  const Tensor p = Tensor::from<float>({0, 0, 5, 5}, {2, 2});
  const Tensor q = Tensor::from<float>({0, std::log(3.0F), 1, 1}, {2, 2});  // 1/4 and 3/4, then the same
  CHECK(mean_divergence(p, q) == Approx(0.5 * (0.5 * std::log(2.0) + 0.5 * std::log(0.5 / 0.75))));
  CHECK(mean_divergence(p, p) == Approx(0).margin(1e-12));
  CHECK_THROWS_AS(mean_divergence(p, Tensor::zeros({2, 3})), ShapeError);
}

TEST_CASE("compare_predictions: of all pictures, whatever the batches") {
  const data::DatasetPtr pictures = small_pictures(10);
  Sequential original = small_model(1), other = small_model(2);
  other.train();
  const Agreement self = compare_predictions(original, original, pictures, {.batch_size = 4});
  CHECK(self.images == 10);
  CHECK(self.same_class == 100);
  CHECK(self.divergence == Approx(0).margin(1e-9));

  const Tensor p = logits_of(original, *pictures), q = logits_of(other, *pictures);
  int64_t same = 0;
  for (int64_t i = 0; i < 10; ++i) {
    const auto best = [i](const Tensor& logits) {
      int64_t result = 0;
      for (int64_t c = 1; c < 5; ++c)
        if (logits.at<float>({i, c}) > logits.at<float>({i, result})) result = c;
      return result;
    };
    same += best(p) == best(q);
  }
  const Agreement two = compare_predictions(original, other, pictures, {.batch_size = 4});
  CHECK(two.same_class == 10 * same);
  CHECK(two.divergence == Approx(mean_divergence(p, q)).epsilon(1e-6));
  CHECK(other.training());
}
