#include <kindling/data/shapes.h>

#include <set>

#include <catch2/catch.hpp>

#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/index.h>
#include <kindling/tensor/matmul.h>
#include <kindling/tensor/reduce.h>

using namespace kindling;
using namespace kindling::data;
using Catch::Matchers::Message;

namespace {

constexpr int64_t kValues = 32 * 32 * 3;

struct Table {
  Tensor x;  // [N, 3073] f32: pixels in -1..1, and a 1 for the bias
  Tensor y;  // [N] i64
};

Table table_of(const Dataset& dataset) {
  const int64_t count = dataset.size();
  Table table{Tensor::ones({count, kValues + 1}), Tensor::empty({count}, DType::i64)};
  for (int64_t i = 0; i < count; ++i) {
    const Sample sample = dataset.get(i);
    const auto* pixels = sample.input.data<uint8_t>();
    float* row = table.x.data<float>() + i * (kValues + 1);
    for (int64_t k = 0; k < kValues; ++k) row[k] = static_cast<float>(pixels[k]) / 127.5f - 1;
    table.y.data<int64_t>()[i] = sample.target.item<int64_t>();
  }
  return table;
}

// Weights w [3073, 10] of the least squares |x w - one_hot(y)|^2 + ridge |w|^2, by conjugate gradients on the normal
// equations, one problem a column, until the residual of each has shrunk a thousandfold.
Tensor least_squares(const Table& table, double ridge) {
  const Tensor xt = transpose(table.x);
  const auto normal = [&](const Tensor& w) { return matmul(xt, matmul(table.x, w)) + ridge * w; };
  const auto dot = [](const Tensor& a, const Tensor& b) { return sum(a * b, {0}, true); };
  Tensor residual = matmul(xt, one_hot(table.y, 10));
  Tensor w = Tensor::zeros(residual.shape()), direction = residual, squared = dot(residual, residual);
  const Tensor start = squared;
  for (int step = 0; step < 1000; ++step) {
    const Tensor image = normal(direction);
    const Tensor length = squared / dot(direction, image);
    w = w + length * direction;
    residual = residual - length * image;
    const Tensor next = dot(residual, residual);
    if (sum(greater(next, 1e-6 * start), {0, 1}).item() == 0) return w;
    direction = residual + (next / squared) * direction;
    squared = next;
  }
  FAIL("no convergence");
  return w;
}

double accuracy(const Table& table, const Tensor& w) {
  const std::vector<int64_t> guesses = argmax(matmul(table.x, w), 1).to_vector<int64_t>();
  const std::vector<int64_t> labels = table.y.to_vector<int64_t>();
  int right = 0;
  for (size_t i = 0; i < labels.size(); ++i) right += guesses[i] == labels[i];
  return static_cast<double>(right) / static_cast<double>(labels.size());
}

}  // namespace

TEST_CASE("Shapes: ten classes in turn, 32x32 RGB, the same bits every time") {
  const Shapes images(25, 7);
  CHECK(images.size() == 25);
  CHECK(images.classes() == std::vector<std::string>{"disc", "ring", "square", "triangle", "star", "cross", "crescent",
                                                     "arrow", "heart", "hourglass"});
  for (int64_t i = 0; i < 25; ++i) {
    const Sample sample = images.get(i);
    CHECK(sample.input.shape() == Shape{32, 32, 3});
    CHECK(sample.input.dtype() == DType::u8);
    CHECK(sample.target.item<int64_t>() == i % 10);
    CHECK(bitwise_equal(sample.input, Shapes(1000, 7).get(i).input));  // whatever the count
    CHECK_FALSE(bitwise_equal(sample.input, Shapes(25, 8).get(i).input));
  }
  CHECK_THROWS_MATCHES(images.get(25), ShapeError, Message("Shapes: sample 25 of 25"));
  CHECK_THROWS_MATCHES(Shapes(0, 1), ShapeError, Message("Shapes: needs at least one image, got 0"));
}

TEST_CASE("shapes: training and validation images have nothing in common") {
  std::set<std::vector<int64_t>> seen;
  for (const uint64_t seed : {0, 1}) {
    const Splits splits = shapes({.count = 300, .val_count = 200, .seed = seed});
    for (const DatasetPtr& part : {splits.train, splits.val})
      for (int64_t i = 0; i < part->size(); ++i) seen.insert(part->get(i).input.to_vector<int64_t>());
  }
  CHECK(seen.size() == 1000);
}

TEST_CASE("shapes: mean colour and brightness are the same for all classes") {
  const Shapes images(5000, 1);
  std::vector<double> mean(30, 0.0);
  for (int64_t i = 0; i < images.size(); ++i) {
    const Tensor image = images.get(i).input;
    for (int64_t p = 0; p < kValues; ++p)
      mean[static_cast<size_t>(3 * (i % 10) + p % 3)] += image.data<uint8_t>()[p] / (500.0 * 32 * 32);
  }
  // Of one image's mean the standard deviation is about 50, of 500 images' mean 2.3.
  for (const double value : mean) CHECK_THAT(value, Catch::WithinAbs(127.5, 9));
}

TEST_CASE("shapes: a linear classifier of the pixels stays under 40 % on new images", "[long]") {
  const Splits splits = shapes();
  const Table train = table_of(*splits.train), val = table_of(*splits.val);
  for (const double ridge : {100.0, 10'000.0}) {  // little regularisation, and about the best
    const Tensor w = least_squares(train, ridge);
    INFO("ridge " << ridge);
    CHECK(accuracy(val, w) < 0.4);
    CHECK(accuracy(train, w) > 0.25);  // it has learnt what it can
  }
}
