#include <kindling/compress/distillation.h>

#include <catch2/catch.hpp>

#include <kindling/compress/agreement.h>
#include <kindling/compress/weight_layers.h>
#include <kindling/tests/support/tensors.h>
#include <kindling/train/evaluate.h>
#include "small_model.h"

using namespace kindling;
using namespace kindling::testing;

TEST_CASE("distil: the divergence falls, the codes stay, and the weights are steps times codes") {
  const data::DatasetPtr pictures = small_pictures(40);
  Sequential original = small_model(), net = small_model();
  QuantisedModel quantised = quantise(net, calibrate(net, pictures), {.target_bytes = 340});
  const QuantisedModel before = quantised;
  const Tensor target = logits_of(original, *pictures);
  const double rounded = mean_divergence(target, logits_of(net, *pictures));
  int64_t batches = 0;
  distil(original, net, quantised, pictures,
         {.epochs = 20, .batch_size = 10, .lr = 0.02, .progress = [&](int64_t done, int64_t total, double kl) {
            CHECK(total == 80);
            CHECK(kl > 0);
            batches = done;
          }});
  CHECK(batches == 80);
  CHECK(mean_divergence(target, logits_of(net, *pictures)) < 0.9 * rounded);
  const std::vector<WeightLayer> layers = weight_layers(net);
  for (size_t i = 0; i < layers.size(); ++i) {
    CHECK(quantised.layers[i].codes == before.layers[i].codes);
    CHECK(quantised.layers[i].step != before.layers[i].step);
    CHECK(layers[i].weight->is_leaf());
    CHECK(layers[i].weight->value().to_vector<float>()[3] ==
          quantised.layers[i].step * static_cast<float>(quantised.layers[i].codes[3]));
  }
}

TEST_CASE("distil: the same whether somebody watches or not") {
  const data::DatasetPtr pictures = small_pictures(20);
  Sequential original = small_model(), net = small_model();
  const QuantisedModel start = quantise(net, calibrate(net, pictures), {.target_bytes = 340});
  QuantisedModel watched = start, alone = start;
  DistillationOptions options{.epochs = 4, .batch_size = 10, .lr = 0.02};
  distil(original, net, alone, pictures, options);
  options.progress = [](int64_t, int64_t, double) {};
  distil(original, net, watched, pictures, options);
  for (size_t i = 0; i < start.layers.size(); ++i) CHECK(watched.layers[i].step == alone.layers[i].step);
}

TEST_CASE("distil: stopped, it has changed nothing") {
  const data::DatasetPtr pictures = small_pictures(8);
  Sequential original = small_model(), net = small_model();
  QuantisedModel quantised = quantise(net, calibrate(net, pictures), {.target_bytes = 340});
  const Tensor before = logits_of(net, *pictures);
  std::atomic<bool> stop = false;
  CHECK_THROWS_AS(distil(original, net, quantised, pictures,
                         {.progress = [&](int64_t, int64_t, double) { stop = true; }, .stop = &stop}),
                  Stopped);
  CHECK(bitwise_equal(logits_of(net, *pictures), before));
}
