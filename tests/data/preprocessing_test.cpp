// From a picture to an input.
#include <kindling/data/preprocessing.h>

#include <set>
#include <utility>

#include <catch2/catch.hpp>

#include "test_files.h"

using namespace kindling;
using namespace kindling::data;

namespace {

Tensor apply(const Preprocessing& preprocessing, const Tensor& picture) {
  Rng rng(1);
  return preprocess(preprocessing)(picture, rng);
}

}  // namespace

TEST_CASE("by default pixels are standardised and nothing else happens") {
  const Tensor picture = Tensor::from<uint8_t>({0, 51, 255, 127}, {2, 2, 1});
  const Tensor input = apply({}, picture);
  CHECK(input.shape() == picture.shape());
  CHECK(input.to_vector<float>() == std::vector<float>{-2.0F, -76.5F / 63.75F, 2.0F, -0.5F / 63.75F});
}

TEST_CASE("a picture is resized, its middle cut out and every channel normalised") {
  Rng rng(1);
  const Tensor picture = smooth_image(40, 90);
  const Tensor input = apply({.size = 28, .shorter = 32, .mean = {10, 20, 30}, .std = {1, 2, 4}}, picture);
  const Tensor expected =
      compose({resize_shorter(32), center_crop(28), normalize({10, 20, 30}, {1, 2, 4})})(picture, rng);
  CHECK(input.shape() == Shape{28, 28, 3});
  CHECK(bitwise_equal(input, expected));
  CHECK(bitwise_equal(apply({.size = 20}, picture), apply({.size = 20, .shorter = 20}, picture)));
}

TEST_CASE("a square picture is resized whole where the shorter side is the size") {
  Rng rng(1);
  const Tensor square = smooth_image(40, 40);
  CHECK(bitwise_equal(apply({.size = 24, .mean = {0}, .std = {1}}, square), resize(24)(square, rng).to(DType::f32)));
}

TEST_CASE("Caffe's preprocessing resizes the whole picture and turns the order of colours round") {
  Rng rng(1);
  const Tensor picture = smooth_image(300, 500);
  const Tensor middle = center_crop(227)(resize(256)(picture, rng), rng), input = apply(caffe_preprocessing(), picture);
  CHECK(input.shape() == Shape{227, 227, 3});
  const std::vector<double> mean{104, 117, 123};
  for (int64_t c = 0; c < 3; ++c) {
    const Tensor colour = middle.slice(2, 2 - c, 3 - c).contiguous(), channel = input.slice(2, c, c + 1).contiguous();
    const auto pixel = static_cast<float>(colour.data<uint8_t>()[1234]);
    CHECK(channel.data<float>()[1234] == pixel - static_cast<float>(mean[static_cast<size_t>(c)]));
  }
  CHECK_THROWS_WITH(apply({.mean = {0}, .std = {1}, .bgr = true}, Tensor::from<uint8_t>({1}, {1, 1, 1})),
                    "reverse_channels: needs 3 channels, got [1, 1, 1]");
}

TEST_CASE("torchvision's preprocessing has its numbers in the units of pixels") {
  const Preprocessing p = torchvision_preprocessing();
  const std::vector<double> mean{0.485, 0.456, 0.406}, std{0.229, 0.224, 0.225};
  for (size_t c = 0; c < 3; ++c) {
    CHECK(p.mean[c] == Approx(255 * mean[c]));
    CHECK(p.std[c] == Approx(255 * std[c]));
  }
  CHECK(apply(p, smooth_image(300, 500)).shape() == Shape{224, 224, 3});
}

TEST_CASE("what is no picture stays as it is") {
  const Tensor numbers = Tensor::from<float>({1, 2, 3});
  CHECK(bitwise_equal(apply({.size = 24, .mean = {1, 2, 3}, .std = {1, 2, 3}}, numbers), numbers));
}

TEST_CASE("preprocessing that makes no sense is refused") {
  CHECK_THROWS_WITH(preprocess({.size = 24, .shorter = 23}),
                    "preprocess: needs a size of at least 0 and shorter >= size (0 without a size), got size 24 and "
                    "shorter 23");
  CHECK_THROWS_WITH(preprocess({.size = 0, .shorter = 256}), Catch::EndsWith("got size 0 and shorter 256"));
  CHECK_THROWS_WITH(preprocess({.whole = true}), "preprocess: resizes whole pictures, but to no size");
  CHECK_NOTHROW(preprocess({.size = 24, .shorter = 24}));
  CHECK_THROWS_WITH(preprocess({.mean = {1, 2}, .std = {1}}), "preprocess: needs as many means as stds, got 2 and 1");
  CHECK_THROWS_WITH(preprocess({.mean = {1}, .std = {0}}), "preprocess: needs stds above 0, got 0");
}

TEST_CASE("at random, a picture is resized as always, and the piece comes from anywhere, mirrored or not") {
  const Preprocessing how{.size = 6, .shorter = 8, .mean = {0, 0, 0}, .std = {1, 1, 1}, .whole = true, .bgr = true};
  const Tensor picture = numbered_image(8, 8);
  const Tensor all = apply({.size = 8, .mean = {0, 0, 0}, .std = {1, 1, 1}, .bgr = true}, picture);
  std::set<std::pair<int64_t, bool>> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    const Tensor input = preprocess_at_random(how)(picture, rng);
    REQUIRE(input.shape() == Shape{6, 6, 3});
    for (int64_t place = 0; place < 9; ++place) {
      const Tensor piece = all.slice(0, place / 3, place / 3 + 6).slice(1, place % 3, place % 3 + 6).contiguous();
      if (bitwise_equal(input, piece)) seen.insert({place, false});
      Tensor mirrored = Tensor::empty(piece.shape());
      for (int64_t x = 0; x < 6; ++x) mirrored.select(1, x).copy_(piece.select(1, 5 - x));
      if (bitwise_equal(input, mirrored)) seen.insert({place, true});
    }
  }
  CHECK(seen.size() == 18);
}
