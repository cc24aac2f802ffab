#include <kindling/tensor/elementwise.h>

#include <cmath>
#include <limits>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct UnaryCase {
  const char* name;
  Tensor (*function)(const Tensor&);
  double (*definition)(double);
  double low, high;  // where random operands are drawn
};

double sign_of(double x) { return std::isnan(x) ? x : static_cast<double>((x > 0) - (x < 0)); }

const std::vector<UnaryCase> kUnary = {
    {"neg", neg, [](double x) { return -x; }, -3, 3},
    {"abs", abs, [](double x) { return std::fabs(x); }, -3, 3},
    {"sign", sign, sign_of, -3, 3},
    {"exp", exp, [](double x) { return std::exp(x); }, -5, 5},
    {"log", log, [](double x) { return std::log(x); }, 0.01, 5},
    {"log1p", log1p, [](double x) { return std::log1p(x); }, -0.9, 3},
    {"sqrt", sqrt, [](double x) { return std::sqrt(x); }, 0, 5},
    {"rsqrt", rsqrt, [](double x) { return 1 / std::sqrt(x); }, 0.01, 5},
    {"square", square, [](double x) { return x * x; }, -3, 3},
    {"reciprocal", reciprocal, [](double x) { return 1 / x; }, 0.1, 3},
    {"sin", sin, [](double x) { return std::sin(x); }, -7, 7},
    {"cos", cos, [](double x) { return std::cos(x); }, -7, 7},
    {"tanh", tanh, [](double x) { return std::tanh(x); }, -3, 3},
    {"sigmoid", sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -5, 5},
    {"softplus", softplus, [](double x) { return x > 50 ? x : std::log1p(std::exp(x)); }, -5, 5},
    {"erf", erf, [](double x) { return std::erf(x); }, -3, 3},
    {"relu", relu, [](double x) { return x < 0 ? 0 : x; }, -3, 3},
};

struct BinaryCase {
  const char* name;
  Tensor (*function)(const Tensor&, const Tensor&);
  double (*definition)(double, double);
};

const std::vector<BinaryCase> kBinary = {
    {"add", add, [](double a, double b) { return a + b; }},
    {"sub", sub, [](double a, double b) { return a - b; }},
    {"mul", mul, [](double a, double b) { return a * b; }},
    {"div", div, [](double a, double b) { return a / b; }},
    {"maximum", maximum, [](double a, double b) { return std::isnan(a) || std::isnan(b) ? kNan : std::max(a, b); }},
    {"minimum", minimum, [](double a, double b) { return std::isnan(a) || std::isnan(b) ? kNan : std::min(a, b); }},
    {"pow", pow, [](double a, double b) { return std::pow(a, b); }},
    {"equal", equal, [](double a, double b) { return static_cast<double>(a == b); }},
    {"less", less, [](double a, double b) { return static_cast<double>(a < b); }},
    {"less_equal", less_equal, [](double a, double b) { return static_cast<double>(a <= b); }},
    {"greater", greater, [](double a, double b) { return static_cast<double>(a > b); }},
    {"greater_equal", greater_equal, [](double a, double b) { return static_cast<double>(a >= b); }},
    {"relu_grad", relu_grad, [](double a, double b) { return b > 0 ? a : 0; }},
};

double element(const Tensor& x, const Shape& index) {
  return x.dtype() == DType::f32 ? static_cast<double>(x.at<float>(index)) : x.at<double>(index);
}

// A few units in the last place (library functions are good to one or two), or below the smallest normal number:
// denormals may be flushed.
bool close(double actual, double expected, DType dtype) {
  if (std::isnan(expected)) return std::isnan(actual);
  const bool single = dtype == DType::f32;
  const double rounded = single ? static_cast<double>(static_cast<float>(expected)) : expected;  // may overflow to inf
  if (std::isinf(rounded)) return actual == rounded;
  const double unit = single ? 0x1p-24 : 0x1p-53, tiny = single ? 0x1p-126 : 0x1p-1022;
  return std::abs(actual - expected) <= 4 * unit * std::abs(expected) + tiny;
}

// Every element of `actual` is definition(index).
template <class Definition>
void check_elements(const Tensor& actual, const Shape& shape, DType dtype, Definition definition) {
  REQUIRE(actual.shape() == shape);
  REQUIRE(actual.dtype() == dtype);
  REQUIRE(actual.is_contiguous());
  for_each_index(shape, [&](const Shape& index) {
    const double value = element(actual, index), expected = definition(index);
    if (close(value, expected, dtype)) return;
    INFO("at " << index << ": " << value << ", expected " << expected);
    CHECK(close(value, expected, dtype));
  });
}

const std::vector<double> kExtremes = {0, -0.0, 1, -1, 0.5, 2, 3, -3, 100, -100, 1e30, -1e30, kInf, -kInf, kNan};

}  // namespace

TEST_CASE("unary functions are the standard library's, for every layout, dtype and instruction set") {
  const Poison poison;
  Rng rng(1);
  for (const UnaryCase& c : kUnary)
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{1}, Shape{67}, Shape{3, 5, 7}, Shape{2, 0, 3}})
      for (const DType dtype : {DType::f32, DType::f64}) {
        INFO(c.name << ' ' << dtype << ' ' << shape);
        const Tensor x = Tensor::uniform(shape, c.low, c.high, rng, dtype);
        for_each_isa([&] {
          for (const Tensor& operand : {x, strided(x)})
            check_elements(c.function(operand), shape, dtype,
                           [&](const Shape& at) { return c.definition(element(x, at)); });
        });
      }
}

TEST_CASE("unary functions at zero, infinity, NaN and +-100") {
  for (const UnaryCase& c : kUnary)
    for (const DType dtype : {DType::f32, DType::f64})
      for_each_isa([&] {
        INFO(c.name << ' ' << dtype);
        const Tensor x = Tensor::from<double>(kExtremes).to(dtype);
        check_elements(c.function(x), x.shape(), dtype, [&](const Shape& at) { return c.definition(element(x, at)); });
      });
}

TEST_CASE("sigmoid and softplus do not overflow") {
  const Tensor x = Tensor::from<float>({-1000, -100, 100, 1000});
  CHECK(sigmoid(x).to_vector<float>() == std::vector<float>{0, sigmoid(x).at<float>({1}), 1, 1});
  CHECK(softplus(x).to_vector<float>() == std::vector<float>{0, softplus(x).at<float>({1}), 100, 1000});
  CHECK(sigmoid(x).at<float>({1}) < 1e-37F);
}

TEST_CASE("log1p and softplus keep small numbers") {
  using Catch::WithinRel;
  CHECK_THAT(log1p(Tensor::scalar(1e-12, DType::f64)).item(), WithinRel(1e-12, 1e-12));  // the series' next term
  CHECK_THAT(softplus(Tensor::scalar(-30, DType::f64)).item(), WithinRel(std::exp(-30.0), 1e-12));
}

TEST_CASE("binary functions broadcast, for every layout, dtype and instruction set") {
  const Poison poison;
  Rng rng(2);
  const std::vector<std::pair<Shape, Shape>> shapes = {
      {{}, {}},        {{}, {5}},           {{67}, {67}},           {{3, 5}, {5}}, {{3, 5}, {3, 1}}, {{4, 1}, {1, 5}},
      {{2, 3, 4}, {}}, {{2, 1, 4}, {3, 1}}, {{2, 3, 4, 5}, {4, 1}}, {{1}, {0}},    {{0, 3}, {1, 3}}, {{1, 1}, {1}}};
  for (const BinaryCase& c : kBinary)
    for (const auto& [shape_a, shape_b] : shapes)
      for (const DType dtype : {DType::f32, DType::f64}) {
        INFO(c.name << ' ' << dtype << ' ' << shape_a << ' ' << shape_b);
        const Shape shape = broadcast_shapes("test", shape_a, shape_b);
        const Tensor a = Tensor::uniform(shape_a, 0.5, 2, rng, dtype), b = Tensor::uniform(shape_b, -1, 3, rng, dtype);
        const auto definition = [&, wide_a = a.broadcast_to(shape), wide_b = b.broadcast_to(shape)](const Shape& at) {
          return c.definition(element(wide_a, at), element(wide_b, at));
        };
        for_each_isa([&] {
          check_elements(c.function(a, b), shape, dtype, definition);
          check_elements(c.function(strided(a), strided(b)), shape, dtype, definition);
          check_elements(c.function(a, strided(b)), shape, dtype, definition);
        });
      }
}

TEST_CASE("binary functions at zero, infinity, NaN, ties and +-100") {
  const int64_t n = static_cast<int64_t>(kExtremes.size());
  for (const BinaryCase& c : kBinary)
    for (const DType dtype : {DType::f32, DType::f64})
      for_each_isa([&] {
        INFO(c.name << ' ' << dtype);
        const Tensor a = Tensor::from<double>(kExtremes, {n, 1}).to(dtype);
        const Tensor b = Tensor::from<double>(kExtremes, {n}).to(dtype);
        check_elements(c.function(a, b), {n, n}, dtype, [&](const Shape& at) {
          return c.definition(element(a, {at[0], 0}), element(b, {at[1]}));
        });
      });
}

TEST_CASE("where takes from one or the other, and broadcasts all three") {
  const Tensor mask = Tensor::from<double>({1, 0, -2, kNan}, {4, 1});  // whatever is not 0 counts
  const Tensor a = Tensor::from<double>({1, 2, 3}), b = Tensor::scalar(-1, DType::f64);
  const std::vector<double> expected{1, 2, 3, -1, -1, -1, 1, 2, 3, 1, 2, 3};
  CHECK(where(mask, a, b).to_vector<double>() == expected);
  CHECK(where(strided(mask), strided(a), b).to_vector<double>() == expected);
  const Tensor none = where(mask.to(DType::f32), Tensor::zeros({1, 0}), Tensor::scalar(0));
  CHECK(none.shape() == Shape{4, 0});
}

TEST_CASE("operators and scalars are the functions") {
  const Tensor a = Tensor::from<double>({1, -2, 3}), b = Tensor::from<double>({4, 5, -6});
  const auto same = [](const Tensor& x, const std::vector<double>& values) { CHECK(x.to_vector<double>() == values); };
  same(a + b, {5, 3, -3});
  same(a - b, {-3, -7, 9});
  same(a * b, {4, -10, -18});
  same(a / b, {0.25, -0.4, -0.5});
  same(-a, {-1, 2, -3});
  same(a + 1.0, {2, -1, 4});
  same(a - 1.0, {0, -3, 2});
  same(a * 2.0, {2, -4, 6});
  same(2.0 * a, {2, -4, 6});
  same(a / 2.0, {0.5, -1, 1.5});
  same(pow(a, 2.0), {1, 4, 9});
}

TEST_CASE("elementwise functions on many elements have the same bits for any number of threads") {
  Rng rng(3);
  const Tensor x = random({300, 401}, rng, DType::f32), row = random({401}, rng, DType::f32);
  const Tensor transposed = random({401, 300}, rng, DType::f32).transpose();
  check_same_bits_for_all_threads([&] { return exp(x); });
  check_same_bits_for_all_threads([&] { return exp(transposed); });
  check_same_bits_for_all_threads([&] { return x * row; });
  check_same_bits_for_all_threads([&] { return x + transposed; });
  check_same_bits_for_all_threads([&] { return where(x, transposed, row); });
  check_elements(x + transposed, x.shape(), DType::f32,
                 [&](const Shape& at) { return element(x, at) + element(transposed, at); });
}

TEST_CASE("elementwise functions report what does not fit") {
  const Tensor x = Tensor::zeros({2, 3});
  check_throws([&] { add(x, Tensor::zeros({2})); },
               "add: shapes [2, 3] and [2] do not broadcast: sizes 3 and 2 differ, 1 from the end");
  check_throws([&] { greater(x, Tensor::zeros({2})); },
               "greater: shapes [2, 3] and [2] do not broadcast: sizes 3 and 2 differ, 1 from the end");
  check_throws([&] { mul(x, x.to(DType::f64)); }, "mul: operands have dtypes f32 and f64; convert one with to()");
  check_throws([&] { exp(x.to(DType::i64)); }, "exp: needs f32 or f64, got i64");
  check_throws([&] { maximum(x.to(DType::u8), x.to(DType::u8)); }, "maximum: needs f32 or f64, got u8");
  check_throws([&] { where(x, x, Tensor::zeros({4})); },
               "where: shapes [2, 3] and [4] do not broadcast: sizes 3 and 4 differ, 1 from the end");
  check_throws([&] { where(x.to(DType::u8), x, x); }, "where: operands have dtypes u8 and f32; convert one with to()");
}
