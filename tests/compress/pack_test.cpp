// A compressed model as a .kndz file, and back; plain rounding.
#include <catch2/catch.hpp>

#include <kindling/compress/pack.h>
#include <kindling/compress/prune.h>
#include <kindling/compress/share.h>
#include <kindling/compress/uniform.h>
#include <kindling/compress/weight_layers.h>
#include <kindling/io/kndz.h>
#include <kindling/io/weights.h>
#include <kindling/models/lenet.h>
#include <kindling/tests/support/temporary_folder.h>

using namespace kindling;

TEST_CASE("pack: shared weights become codes, the rest stays") {
  const TemporaryFolder folder;
  Rng rng(1);
  Sequential model = lenet({.size = 16}, rng);
  prune(model, {.density = 0.5});
  share(model, {.bits = 4});
  std::vector<CodedTensor> tensors = pack(model);
  REQUIRE(tensors.size() == named_tensors(model).size());
  for (const CodedTensor& tensor : tensors) {
    const bool weight = tensor.name.ends_with("/weight");
    CHECK(tensor.coding == (weight ? Coding::codebook : Coding::plain));
    if (weight) CHECK(tensor.codebook.size() <= 16);
  }
  write_kndz(folder / "a.kndz", tensors);
  Rng other(2);
  Sequential read = lenet({.size = 16}, other);
  load(read, read_kndz_weights(folder / "a.kndz"));
  for (const NamedTensor& tensor : named_tensors(model))
    for (const NamedTensor& same : named_tensors(read))
      if (same.name == tensor.name) CHECK(same.value.to_vector<float>() == tensor.value.to_vector<float>());
}

TEST_CASE("pack: numbers of 16 bits, but where they are too large for it") {
  Rng rng(1);
  Sequential model = lenet({.size = 16}, rng);
  share(model, {.bits = 4});
  model.named_parameters()[1].value.value().fill_(1e5F);  // conv1/bias
  for (const CodedTensor& tensor : pack(model, "F16"))
    CHECK(tensor.dtype == (tensor.name == "conv1/bias" ? "F32" : "F16"));
  for (const CodedTensor& tensor : pack(model, "BF16")) CHECK(tensor.dtype == "BF16");
}

TEST_CASE("round_uniformly: the nearest multiples of a step, of which the largest weight is one") {
  Rng rng(1);
  Sequential model = lenet({.size = 16}, rng);
  const auto before = weight_layers(model).front().weight->value().to_vector<float>();
  const QuantisedModel rounded = round_uniformly(model, 4);
  const auto after = weight_layers(model).front().weight->value().to_vector<float>();
  const QuantisedLayer& layer = rounded.layers.front();
  int32_t most = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    CHECK(std::abs(before[i] - after[i]) <= 0.5001f * layer.step);
    CHECK(after[i] == layer.step * static_cast<float>(layer.codes[i]));
    most = std::max(most, std::abs(layer.codes[i]));
  }
  CHECK(most == 7);
  CHECK_THROWS_AS(round_uniformly(model, 1), ShapeError);
  CHECK_THROWS_AS(round_uniformly(model, 17), ShapeError);
}
