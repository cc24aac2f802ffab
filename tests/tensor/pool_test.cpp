#include <kindling/tensor/pool.h>

#include <cmath>
#include <limits>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

struct Case {
  Shape x;
  Pool2dOptions options;
};

const std::vector<Case> kCases = {
    {{2, 7, 8, 3}, {.kernel = 2}},
    {{2, 7, 8, 3}, {.kernel = 3, .stride = 2}},
    {{2, 8, 8, 5}, {.kernel = 3, .stride = 2, .ceil_mode = true}},
    {{1, 6, 7, 17}, {.kernel = 3, .stride = 2, .padding = 1}},
    {{1, 6, 7, 4}, {.kernel = {2, 3}, .stride = {1, 3}, .padding = {1, 0}, .ceil_mode = true}},
    {{3, 5, 5, 2}, {.kernel = 3, .stride = 2, .padding = 1, .ceil_mode = true, .count_include_pad = false}},
    {{1, 1, 1, 1}, {.kernel = 1}},
    {{1, 2, 2, 2}, {.kernel = 3, .stride = 2, .ceil_mode = true}},  // a window larger than the image
};

// The definition: looks at every pixel of every window, in double.
struct Reference {
  Tensor max, mean;

  Reference(const Tensor& x, const Pool2dOptions& given) {
    Pool2dOptions o = given;
    if (o.stride == Size2(0)) o.stride = o.kernel;
    const Shape shape = pool2d_shape("test", x.shape(), o);
    max = Tensor::empty(shape, DType::f64);
    mean = Tensor::empty(shape, DType::f64);
    for (int64_t n = 0; n < shape[0]; ++n)
      for (int64_t i = 0; i < shape[1]; ++i)
        for (int64_t j = 0; j < shape[2]; ++j)
          for (int64_t c = 0; c < shape[3]; ++c) pool(x, o, n, i, j, c);
  }

  void pool(const Tensor& x, const Pool2dOptions& o, int64_t n, int64_t i, int64_t j, int64_t c) {
    double largest = -std::numeric_limits<double>::infinity(), total = 0;
    int64_t inside = 0, padded = 0;
    for (int64_t p = 0; p < o.kernel.h; ++p)
      for (int64_t q = 0; q < o.kernel.w; ++q) {
        const int64_t h = i * o.stride.h + p - o.padding.h, w = j * o.stride.w + q - o.padding.w;
        if (h < x.size(1) + o.padding.h && w < x.size(2) + o.padding.w) ++padded;
        if (h < 0 || w < 0 || h >= x.size(1) || w >= x.size(2)) continue;
        ++inside;
        total += x.at<double>({n, h, w, c});
        largest = std::max(largest, x.at<double>({n, h, w, c}));
      }
    max.at<double>({n, i, j, c}) = largest;
    mean.at<double>({n, i, j, c}) = total / static_cast<double>(o.count_include_pad ? padded : inside);
  }
};

}  // namespace

TEST_CASE("pooling is the definition, in both dtypes and on every instruction set") {
  const Poison poison;
  for (const Case& c : kCases) {
    INFO("x " << c.x << ", kernel " << c.options.kernel << ", stride " << c.options.stride << ", padding "
              << c.options.padding);
    Rng rng(2);
    const Tensor x = random(c.x, rng);
    const Reference reference(x, c.options);
    for_each_isa([&] {
      for (const DType dtype : {DType::f32, DType::f64}) {
        const double tolerance = dtype == DType::f32 ? 1e-6 : 1e-14;
        const MaxPool2dResult result = max_pool2d(x.to(dtype), c.options);
        check_close(result.values, reference.max, dtype == DType::f32 ? 1e-7 : 0);
        CHECK(bitwise_equal(max_pool2d_at(x.to(dtype), result.argmax, c.options), result.values));
        check_close(avg_pool2d(x.to(dtype), c.options), reference.mean, tolerance);
      }
    });
  }
}

TEST_CASE("pooling and unpooling are adjoint") {
  for (const Case& c : kCases) {
    Rng rng(9);
    const Tensor x = random(c.x, rng), other = random(c.x, rng);
    const MaxPool2dResult result = max_pool2d(x, c.options);
    const Tensor g = random(result.values.shape(), rng);
    const Poison poison;
    CHECK(std::abs(dot(max_pool2d_at(other, result.argmax, c.options), g) -
                   dot(other, max_unpool2d(g, result.argmax, c.x, c.options))) < 1e-12);
    CHECK(std::abs(dot(avg_pool2d(other, c.options), g) - dot(other, avg_pool2d_grad(g, c.x, c.options))) < 1e-12);
  }
}

TEST_CASE("max_pool2d: the first of equals wins, NaN is largest, padding never wins") {
  const Tensor ties = Tensor::full({1, 2, 2, 1}, 3);
  CHECK(max_pool2d(ties, {.kernel = 2}).argmax.item<int64_t>() == 0);
  Tensor x = Tensor::from<float>({1, NAN, 9, NAN}, {1, 2, 2, 1});
  const MaxPool2dResult with_nan = max_pool2d(x, {.kernel = 2});
  CHECK(std::isnan(with_nan.values.item()));
  CHECK(with_nan.argmax.item<int64_t>() == 1);
  const Tensor negative = Tensor::full({1, 1, 1, 1}, -5);
  CHECK(max_pool2d(negative, {.kernel = 3, .padding = 1}).values.item() == -5);
}

TEST_CASE("pooled sizes are Caffe's: rounded up, without windows that start outside") {
  const auto size = [](int64_t pixels, int64_t kernel, int64_t stride, int64_t padding = 0) {
    return pool2d_shape("test", {1, pixels, pixels, 1},
                        {.kernel = kernel, .stride = stride, .padding = padding, .ceil_mode = true})[1];
  };
  CHECK(size(111, 3, 2) == 55);
  CHECK(size(109, 3, 2) == 54);
  CHECK(size(54, 3, 2) == 27);
  CHECK(size(32, 3, 2) == 16);
  CHECK(size(4, 2, 2, 1) == 3);
  CHECK(size(5, 2, 3, 1) == 2);  // a third window would start in the padding behind the image
}

TEST_CASE("pooling has the same bits for any number of threads, and takes strided operands") {
  Rng rng(3);
  const Pool2dOptions options{.kernel = 3, .stride = 2, .ceil_mode = true};
  const Tensor x = random({4, 11, 12, 5}, rng, DType::f32);
  const MaxPool2dResult result = max_pool2d(x, options);
  check_same_bits_for_all_threads([&] { return max_pool2d(x, options).values; });
  check_same_bits_for_all_threads([&] { return max_unpool2d(result.values, result.argmax, x.shape(), options); });
  check_same_bits_for_all_threads([&] { return avg_pool2d_grad(result.values, x.shape(), options); });
  CHECK(bitwise_equal(max_pool2d(strided(x), options).values, result.values));
  CHECK(bitwise_equal(max_unpool2d(strided(result.values), strided(result.argmax), x.shape(), options),
                      max_unpool2d(result.values, result.argmax, x.shape(), options)));
}

TEST_CASE("pooling reports what does not fit") {
  const Tensor x = Tensor::zeros({1, 2, 2, 1});
  check_throws([&] { max_pool2d(x, {.kernel = 3}); },
               "max_pool2d: output would be empty: input [1, 2, 2, 1], kernel 3, padding 0");
  check_throws([&] { max_pool2d(x, {.kernel = 2, .padding = 2}); },
               "max_pool2d: padding 2 must be at most half the kernel, 2");
  check_throws(
      [&] {
        max_pool2d(Tensor::zeros({1, 20, 20, 1}), {.kernel = 17});
      },
      "max_pool2d: kernel 17 has more than 256 pixels");
  check_throws(
      [&] {
        avg_pool2d(Tensor::zeros({2, 2}), {.kernel = 2});
      },
      "avg_pool2d: input must be [N, H, W, C], got [2, 2]");
  check_throws(
      [&] {
        max_unpool2d(x, Tensor::zeros({1, 1, 1, 1}, DType::u8), {1, 2, 2, 1}, {.kernel = 2});
      },
      "max_unpool2d: gradient must be [1, 1, 1, 1], got [1, 2, 2, 1]");
  check_throws(
      [&] {
        max_pool2d_at(x, Tensor::zeros({1, 1, 1, 1}), {.kernel = 2});
      },
      "max_pool2d_at: argmax must be u8 [1, 1, 1, 1], got f32 [1, 1, 1, 1]");
}
