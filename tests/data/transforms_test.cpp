#include <kindling/data/transforms.h>

#include <cmath>
#include <set>

#include <catch2/catch.hpp>

#include "test_files.h"

using namespace kindling;
using namespace kindling::data;
using Catch::Matchers::Message;

namespace {

Tensor random_image(const Shape& shape, uint64_t seed, DType dtype = DType::u8) {
  Rng rng(seed);
  const Tensor values = Tensor::uniform(shape, 0, dtype == DType::u8 ? 256 : 1, rng);
  return values.to(dtype);
}

Tensor run(const Transform& transform, const Tensor& image, uint64_t seed = 0) {
  Rng rng(seed);
  return transform(image, rng);
}

// The formula of resize()'s comment, one axis after the other, in double.
std::vector<double> resized_line(const std::vector<double>& x, int64_t out) {
  const double s = static_cast<double>(x.size()) / static_cast<double>(out), t = std::max(s, 1.0);
  std::vector<double> y;
  for (int64_t i = 0; i < out; ++i) {
    double sum = 0, weights = 0;
    for (size_t j = 0; j < x.size(); ++j) {
      const double w =
          std::max(0.0, 1 - std::abs((static_cast<double>(i) + 0.5) * s - (static_cast<double>(j) + 0.5)) / t);
      sum += w * x[j];
      weights += w;
    }
    y.push_back(sum / weights);
  }
  return y;
}

Tensor reference_resize(const Tensor& image, Size2 size) {
  const int64_t height = image.size(0), channels = image.size(2);
  Tensor across = Tensor::empty({height, size.w, channels}, DType::f64);
  Tensor result = Tensor::empty({size.h, size.w, channels}, DType::f64);
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t y = 0; y < height; ++y) {
      const auto line = resized_line(image.select(2, c).select(0, y).to_vector<double>(), size.w);
      for (int64_t x = 0; x < size.w; ++x) across.at<double>({y, x, c}) = line[static_cast<size_t>(x)];
    }
    for (int64_t x = 0; x < size.w; ++x) {
      const auto line = resized_line(across.select(2, c).select(1, x).to_vector<double>(), size.h);
      for (int64_t y = 0; y < size.h; ++y) result.at<double>({y, x, c}) = line[static_cast<size_t>(y)];
    }
  }
  return result;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  const auto x = a.to_vector<double>(), y = b.to_vector<double>();
  double largest = 0;
  for (size_t i = 0; i < x.size(); ++i) largest = std::max(largest, std::abs(x[i] - y[i]));
  return largest;
}

}  // namespace

TEST_CASE("resize agrees with its formula, up and down, u8 and f32") {
  const std::vector<Size2> sizes{{1, 1}, {5, 7}, {14, 9}, {3, 40}, {26, 2}, {13, 17}};
  for (const int64_t channels : {1, 3, 4})
    for (const Size2 size : sizes) {
      INFO("to " << size << " with " << channels << " channels");
      const Tensor pixels = random_image({13, 17, channels}, 1),
                   floats = random_image({13, 17, channels}, 2, DType::f32);
      const Tensor small = run(resize(size), pixels);
      CHECK(small.dtype() == DType::u8);
      CHECK(largest_difference(small, reference_resize(pixels, size)) <= 1.001);  // rounded after either pass
      CHECK(largest_difference(run(resize(size), floats), reference_resize(floats, size)) <= 1e-6);
    }
}

TEST_CASE("resize: known values") {
  const Tensor line = Tensor::from<float>({0, 4, 8, 12}, {1, 4, 1});
  CHECK(run(resize({1, 8}), line).to_vector<float>() == std::vector<float>{0, 1, 3, 5, 7, 9, 11, 12});
  // To a half: weights 1, 3, 3, 1, cut off and rescaled at the border.
  const auto half = run(resize({1, 2}), line).to_vector<float>();
  CHECK_THAT(half[0], Catch::WithinAbs((3 * 0 + 3 * 4 + 1 * 8) / 7.0, 1e-6));
  CHECK_THAT(half[1], Catch::WithinAbs((1 * 4 + 3 * 8 + 3 * 12) / 7.0, 1e-6));
  const Tensor flat = Tensor::full({9, 31, 3}, 255, DType::u8);
  CHECK(bitwise_equal(run(resize({5, 8}), flat), Tensor::full({5, 8, 3}, 255, DType::u8)));
}

TEST_CASE("resize gives the pixels of Pillow, bit for bit") {
  // Those of Image.resize(size, Image.BILINEAR), Pillow 13.0.
  CHECK(fingerprint(run(resize({20, 19}), numbered_image(37, 53))) == 0x1d7d6667b9c52d82);
  CHECK(fingerprint(run(resize({31, 50}), numbered_image(24, 40))) == 0x846b5fdbe28ff1cb);
  CHECK(fingerprint(run(resize({64, 7}), numbered_image(40, 30))) == 0xd08096cf8dfc09c2);
  CHECK(fingerprint(run(resize({90, 64}), numbered_image(30, 200))) == 0x2baf7e8b07f81334);
}

TEST_CASE("resize leaves an image of that size alone") {
  const Tensor image = random_image({6, 8, 3}, 3);
  CHECK(run(resize({6, 8}), image).storage() == image.storage());
}

TEST_CASE("resize takes views") {
  const Tensor image = random_image({8, 6, 3}, 4);
  const Tensor turned = image.permute({1, 0, 2});
  CHECK(bitwise_equal(run(resize(5), turned), run(resize(5), turned.contiguous())));
}

TEST_CASE("resize_shorter keeps the ratio of the sides") {
  CHECK(run(resize_shorter(10), random_image({20, 35, 3}, 5)).shape() == Shape{10, 17, 3});
  CHECK(run(resize_shorter(10), random_image({35, 20, 3}, 5)).shape() == Shape{17, 10, 3});
  CHECK(run(resize_shorter(10), random_image({5, 5, 1}, 5)).shape() == Shape{10, 10, 1});
}

TEST_CASE("center_crop takes the middle, as torchvision does") {
  // Of a side of 7: torchvision's offsets for 6, 5, ... pixels, round(0.5), round(1.0), round(1.5), ...
  const Tensor line = numbered_image(1, 7);
  const std::vector<int64_t> offsets{0, 1, 2, 2, 2, 3};
  for (int64_t size = 6; size >= 1; --size)
    CHECK(run(center_crop({1, size}), line).at<uint8_t>({0, 0, 0}) == offsets[static_cast<size_t>(6 - size)]);
  const Tensor image = numbered_image(7, 6);
  const Tensor expected = image.slice(0, 2, 6).slice(1, 2, 5).contiguous();
  CHECK(bitwise_equal(run(center_crop({4, 3}), image), expected));
  CHECK(bitwise_equal(run(center_crop({7, 6}), image), image));
  CHECK_THROWS_MATCHES(run(center_crop(7), image), ShapeError,
                       Message("center_crop: cannot cut 7 x 7 out of an image of shape [7, 6, 3]"));
}

TEST_CASE("resize_and_crop: of long images only the middle, of others all is resized first") {
  const Transform both = compose({resize_shorter(32), center_crop(28)});
  for (const Shape& shape : {Shape{40, 40, 3}, Shape{40, 160, 3}, Shape{77, 41, 3}, Shape{5, 20, 1}})
    CHECK(bitwise_equal(run(resize_and_crop(32, 28), random_image(shape, 6)), run(both, random_image(shape, 6))));
  // Ten times as long: the same up to rounding.
  const Tensor wide = smooth_image(40, 400), tall = smooth_image(403, 40);
  CHECK(largest_difference(run(resize_and_crop(32, 28), wide), run(both, wide)) <= 1);
  CHECK(run(resize_and_crop(32, 28), tall).shape() == Shape{28, 28, 3});
  // As a whole this one would become 256 x 15360000 pixels.
  CHECK(run(resize_and_crop(256, 224), random_image({1, 60000, 3}, 6)).shape() == Shape{224, 224, 3});
  CHECK(run(resize_and_crop(256, 224), random_image({60000, 1, 3}, 6)).shape() == Shape{224, 224, 3});
}

TEST_CASE("pad_and_crop moves the image by every offset, zeros coming in") {
  for (const DType dtype : {DType::u8, DType::f32}) {
    const Tensor image = numbered_image(4, 5).to(dtype);
    std::set<std::pair<int64_t, int64_t>> seen;
    for (uint64_t seed = 0; seed < 300; ++seed) {
      const Tensor moved = run(pad_and_crop(1), image, seed);
      int matches = 0;
      for (int64_t dy = -1; dy <= 1; ++dy)
        for (int64_t dx = -1; dx <= 1; ++dx) {
          Tensor expected = Tensor::zeros(image.shape(), dtype);
          for (int64_t y = std::max<int64_t>(0, -dy); y < std::min<int64_t>(4, 4 - dy); ++y)
            for (int64_t x = std::max<int64_t>(0, -dx); x < std::min<int64_t>(5, 5 - dx); ++x)
              expected.select(0, y).select(0, x).copy_(image.select(0, y + dy).select(0, x + dx));
          if (!bitwise_equal(moved, expected)) continue;
          ++matches;
          seen.emplace(dy, dx);
        }
      CHECK(matches == 1);
    }
    CHECK(seen.size() == 9);
  }
  const Tensor tiny = random_image({2, 2, 3}, 6);
  for (uint64_t seed = 0; seed < 50; ++seed) CHECK(run(pad_and_crop(9), tiny, seed).shape() == tiny.shape());
}

TEST_CASE("cutout puts a square of zeros around any pixel, and changes nothing else") {
  for (const int64_t size : {1, 2, 3}) {
    const Tensor image = random_image({5, 6, 2}, 3).to(DType::f32);
    const Tensor before = image.clone();
    std::set<std::pair<int64_t, int64_t>> seen;
    for (uint64_t seed = 0; seed < 600; ++seed) {
      const Tensor cut = run(cutout(size), image, seed);
      int matches = 0;
      for (int64_t y = 0; y < 5; ++y)
        for (int64_t x = 0; x < 6; ++x) {
          Tensor expected = image.clone();
          for (int64_t h = std::max<int64_t>(0, y - size / 2); h < std::min<int64_t>(5, y - size / 2 + size); ++h)
            for (int64_t w = std::max<int64_t>(0, x - size / 2); w < std::min<int64_t>(6, x - size / 2 + size); ++w)
              expected.select(0, h).select(0, w).fill_(0);
          if (!bitwise_equal(cut, expected)) continue;
          ++matches;
          seen.emplace(y, x);
        }
      CHECK(matches == 1);
    }
    CHECK(seen.size() == 30);
    CHECK(bitwise_equal(image, before));
  }
  CHECK_THROWS_WITH(cutout(0), "cutout: needs a size of at least 1, got 0");
}

TEST_CASE("random_flip mirrors left-right with its probability") {
  for (const DType dtype : {DType::u8, DType::f32}) {
    const Tensor image = numbered_image(3, 4).to(dtype);
    Tensor mirrored = Tensor::empty(image.shape(), dtype);
    for (int64_t x = 0; x < 4; ++x) mirrored.select(1, x).copy_(image.select(1, 3 - x));
    CHECK(bitwise_equal(run(random_flip(1), image), mirrored));
    CHECK(bitwise_equal(run(random_flip(0), image), image));
    int flips = 0;
    for (uint64_t seed = 0; seed < 1000; ++seed) flips += bitwise_equal(run(random_flip(0.3), image, seed), mirrored);
    CHECK(std::abs(flips - 300) < 60);  // four standard deviations
    flips = 0;
    for (uint64_t seed = 0; seed < 1000; ++seed) flips += bitwise_equal(run(random_flip(), image, seed), mirrored);
    CHECK(std::abs(flips - 500) < 64);
  }
}

TEST_CASE("random_resized_crop: boxes keep to area and ratio, and to the image") {
  // Channel 0 holds x + 0.5, channel 1 y + 0.5: an enlarged crop shows where its pixels come from.
  constexpr int64_t kHeight = 60, kWidth = 80, kOut = 120;
  Tensor ramp = Tensor::empty({kHeight, kWidth, 2});
  for (int64_t y = 0; y < kHeight; ++y)
    for (int64_t x = 0; x < kWidth; ++x) {
      ramp.at<float>({y, x, 0}) = static_cast<float>(x) + 0.5f;
      ramp.at<float>({y, x, 1}) = static_cast<float>(y) + 0.5f;
    }
  const auto transform = random_resized_crop(kOut, {.scale = {0.1, 0.5}, .ratio = {0.5, 2.0}});
  double smallest = 1, largest = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const Tensor out = run(transform, ramp, seed);
    REQUIRE(out.shape() == Shape{kOut, kOut, 2});
    // Away from the border the crop is linear: its slope is box side / kOut.
    const double step_x = (out.at<float>({60, 80, 0}) - out.at<float>({60, 40, 0})) / 40;
    const double step_y = (out.at<float>({80, 60, 1}) - out.at<float>({40, 60, 1})) / 40;
    const double width = step_x * kOut, height = step_y * kOut;
    const double left = out.at<float>({60, 40, 0}) - 40.5 * step_x, top = out.at<float>({40, 60, 1}) - 40.5 * step_y;
    const double share = width * height / (kHeight * kWidth);
    smallest = std::min(smallest, share), largest = std::max(largest, share);
    CHECK(share > 0.09);  // sides are whole pixels
    CHECK(share < 0.52);
    CHECK(width / height > 0.48);
    CHECK(width / height < 2.1);
    CHECK(left > -0.01);
    CHECK(top > -0.01);
    CHECK(left + width < kWidth + 0.01);
    CHECK(top + height < kHeight + 0.01);
    CHECK_THAT(width, Catch::WithinAbs(std::round(width), 1e-2));
  }
  CHECK(smallest < 0.15);
  CHECK(largest > 0.45);
}

TEST_CASE("random_resized_crop falls back to the middle where no box fits") {
  const Tensor strip = random_image({10, 200, 3}, 7);  // ratio 20, and area 0.9 within ratio 4/3 needs more height
  const Tensor out = run(random_resized_crop(8, {.scale = {0.9, 1.0}}), strip, 1);
  const Tensor middle = strip.slice(1, 93, 93 + 13).contiguous();  // 13 = 10 * 4 / 3, (200 - 13) / 2 = 93
  CHECK(bitwise_equal(out, run(resize(8), middle)));
  const Tensor whole = random_image({12, 12, 3}, 8);
  CHECK(bitwise_equal(run(random_resized_crop(6, {.scale = {1, 1}, .ratio = {1, 1}}), whole), run(resize(6), whole)));
}

TEST_CASE("color_jitter agrees with its formula") {
  const Tensor image = random_image({6, 5, 3}, 9);
  const ColorJitterOptions options{.brightness = 0.5, .contrast = 0.6, .saturation = 0.7};
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Rng rng(seed);
    const double brightness = rng.next_uniform(0.5, 1.5), contrast = rng.next_uniform(0.4, 1.6),
                 saturation = rng.next_uniform(0.3, 1.7);
    std::vector<double> x = image.to_vector<double>();
    const auto clip = [](double value) { return std::clamp(value, 0.0, 255.0); };
    const auto grey = [&x](size_t i) { return 0.299 * x[i] + 0.587 * x[i + 1] + 0.114 * x[i + 2]; };
    for (double& value : x) value = clip(value * brightness);
    double mean = 0;
    for (size_t i = 0; i < x.size(); i += 3) mean += grey(i) / 30;
    for (double& value : x) value = clip(contrast * value + (1 - contrast) * mean);
    for (size_t i = 0; i < x.size(); i += 3) {
      const double own = grey(i);
      for (size_t c = i; c < i + 3; ++c) x[c] = clip(saturation * x[c] + (1 - saturation) * own);
    }
    CHECK(largest_difference(run(color_jitter(options), image, seed), Tensor::from(x, image.shape())) <= 0.501);
  }
}

TEST_CASE("color_jitter: no strength changes nothing, grey images have no saturation, floats are refused") {
  const Tensor image = random_image({6, 5, 3}, 10), grey = random_image({6, 5, 1}, 11);
  const ColorJitterOptions none{.brightness = 0, .contrast = 0, .saturation = 0};
  CHECK(bitwise_equal(run(color_jitter(none), image), image));
  CHECK(bitwise_equal(run(color_jitter({.brightness = 0, .contrast = 0, .saturation = 1}), grey, 3), grey));
  CHECK_THROWS_MATCHES(run(color_jitter(), image.to(DType::f32)), ShapeError,
                       Message("color_jitter: needs an image of u8 with 3 channels or 1, got f32 [6, 5, 3]"));
}

TEST_CASE("normalize and to_unit_range") {
  const Tensor image = Tensor::from<uint8_t>({0, 100, 255, 7, 8, 9}, {1, 2, 3});
  const auto transform = normalize({10, 20, 30}, {2, 4, 5});
  const std::vector<float> expected{-5, 20, 45, -1.5f, -3, -4.2f};
  CHECK(run(transform, image).to_vector<float>() == expected);
  CHECK(run(transform, image.to(DType::f32)).to_vector<float>() == expected);
  CHECK(run(to_unit_range(), image).to_vector<float>() ==
        std::vector<float>{0, 100 / 255.0f, 1, 7 / 255.0f, 8 / 255.0f, 9 / 255.0f});
  CHECK_THROWS_MATCHES(run(transform, random_image({2, 2, 1}, 0)), ShapeError,
                       Message("normalize: has means of 3 channels, got an image of shape [2, 2, 1]"));
  CHECK_THROWS_MATCHES(normalize({1, 2}, {1}), ShapeError,
                       Message("normalize: needs as many means as stds, got 2 and 1"));
  CHECK_THROWS_MATCHES(normalize({1}, {0}), ShapeError, Message("normalize: needs stds above 0, got 0"));
}

TEST_CASE("compose: a transform draws the same whatever comes after it") {
  const Tensor image = random_image({16, 16, 3}, 12);
  const auto whole = compose({pad_and_crop(4), random_flip(), normalize({0, 0, 0}, {1, 1, 1})});
  const auto shorter = compose({pad_and_crop(4), random_flip()});
  for (uint64_t seed = 0; seed < 20; ++seed)
    CHECK(bitwise_equal(run(whole, image, seed), run(shorter, image, seed).to(DType::f32)));
  CHECK(bitwise_equal(run(compose({}), image), image));
}

TEST_CASE("transforms refuse what is no image") {
  for (const Transform& transform :
       {resize(3), resize_shorter(3), center_crop(1), resize_and_crop(1, 1), random_resized_crop(3), pad_and_crop(1),
        cutout(1), random_flip(), color_jitter(), normalize({1}, {1}), to_unit_range()}) {
    CHECK_THROWS_WITH(run(transform, Tensor::zeros({4, 4})),
                      Catch::EndsWith(": needs an image [H, W, C], got shape [4, 4]"));
    CHECK_THROWS_WITH(run(transform, Tensor::zeros({4, 4, 3}, DType::i64)),
                      Catch::EndsWith(": needs an image of u8 or f32, got i64"));
  }
  CHECK_THROWS_MATCHES(resize({0, 3}), ShapeError, Message("resize: needs a size of at least one pixel, got 0 x 3"));
  CHECK_THROWS_MATCHES(pad_and_crop(-1), ShapeError, Message("pad_and_crop: needs a padding of at least 0, got -1"));
  CHECK_THROWS_MATCHES(random_flip(1.5), ShapeError, Message("random_flip: needs a probability in [0, 1], got 1.5"));
  CHECK_THROWS_MATCHES(random_resized_crop(4, {.scale = {0.5, 0.2}}), ShapeError,
                       Message("random_resized_crop: needs 0 < scale[0] <= scale[1] <= 1, got 0.5 and 0.2"));
  CHECK_THROWS_MATCHES(random_resized_crop(4, {.ratio = {2, 1}}), ShapeError,
                       Message("random_resized_crop: needs 0 < ratio[0] <= ratio[1], got 2 and 1"));
  CHECK_THROWS_MATCHES(color_jitter({.brightness = 2}), ShapeError,
                       Message("color_jitter: needs strengths in [0, 1], got 2"));
}

TEST_CASE("transforms keep their bits from version to version") {
  const Tensor image = smooth_image(40, 50);
  CHECK(fingerprint(run(compose({resize(32), pad_and_crop(4), random_flip()}), image, 1)) == 0xfe9a39fb77d8c92f);
  CHECK(fingerprint(run(random_resized_crop(24), image, 2)) == 0xced02ee629805233);
  CHECK(fingerprint(run(color_jitter(), image, 3)) == 0x329d8f02b667470b);
}

TEST_CASE("transformed applies the transform as samples are read, the same every time") {
  const Tensor images = random_image({4, 9, 9, 3}, 13);
  const auto base = std::make_shared<TensorDataset>(images, Tensor::arange(4), std::vector<std::string>{"a"});
  const DatasetPtr cut = transformed(base, compose({random_flip(), pad_and_crop(3), center_crop(5)}));
  CHECK(cut->size() == 4);
  CHECK(cut->classes() == std::vector<std::string>{"a"});
  CHECK(cut->describe(2) == "#2");
  CHECK(cut->get(2).input.shape() == Shape{5, 5, 3});
  CHECK(cut->get(2).target.item<int64_t>() == 2);
  CHECK(bitwise_equal(cut->get(2).input, cut->get(2).input));
}
