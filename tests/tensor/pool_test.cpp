#include <kindling/tensor/pool.h>

#include <cmath>
#include <limits>

#include <kindling/tensor/kernels/pool.h>
#include <kindling/tensor/kernels/table.h>
#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

struct Case {
  Shape x;
  Pool2dOptions options;
};

bool fits(const Case& c) {
  const auto fits_along = [&](int64_t in, int64_t kernel, int64_t stride, int64_t padding) {
    const int64_t missing = kernel - in - 2 * padding;
    return 2 * padding <= kernel &&
           (missing <= 0 || (c.options.ceil_mode && missing < (stride == 0 ? kernel : stride)));
  };
  const Pool2dOptions& o = c.options;
  return fits_along(c.x[1], o.kernel.h, o.stride.h, o.padding.h) &&
         fits_along(c.x[2], o.kernel.w, o.stride.w, o.padding.w);
}

// Every combination of options that fits: windows that overlap, meet, and leave gaps; that hang over the edge or are
// larger than the image.
const std::vector<Case>& cases() {
  static const std::vector<Case> all = [] {
    std::vector<Case> result;
    for (const Shape& x : {Shape{2, 7, 8, 3}, Shape{1, 6, 5, 17}, Shape{3, 1, 2, 2}})
      for (const Size2 kernel : {Size2(1), Size2(2), Size2(3), Size2(2, 3), Size2(5, 1)})
        for (const Size2 stride : {Size2(0), Size2(1), Size2(2), Size2(3, 1)})
          for (const Size2 padding : {Size2(0), Size2(1), Size2(1, 0)})
            for (const bool ceil_mode : {false, true})
              for (const bool count_include_pad : {false, true}) {
                const Case c{x, {kernel, stride, padding, ceil_mode, count_include_pad}};
                if (fits(c)) result.push_back(c);
              }
    return result;
  }();
  return all;
}

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
  for (const Case& c : cases()) {
    INFO("x " << c.x << ", kernel " << c.options.kernel << ", stride " << c.options.stride << ", padding "
              << c.options.padding << ", ceil " << c.options.ceil_mode << ", count padding "
              << c.options.count_include_pad);
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
  for (const Case& c : cases()) {
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

TEST_CASE("unpooling adds every gradient where its window's largest pixel is") {
  for (const Case& c : cases()) {
    INFO("x " << c.x << ", kernel " << c.options.kernel << ", stride " << c.options.stride);
    Rng rng(9);
    const MaxPool2dResult result = max_pool2d(random(c.x, rng), c.options);
    const Shape& y = result.values.shape();
    const Tensor g = random(y, rng);
    Tensor expected = Tensor::zeros(c.x, DType::f64);
    const Size2 kernel = c.options.kernel, padding = c.options.padding;
    const int64_t stride_h = c.options.stride.h == 0 ? kernel.h : c.options.stride.h;
    const int64_t stride_w = c.options.stride.w == 0 ? kernel.w : c.options.stride.w;
    const int64_t H = c.x[1], W = c.x[2], C = c.x[3];
    for (int64_t pixel = 0; pixel < y[0] * y[1] * y[2]; ++pixel) {
      const int64_t h = pixel / y[2] % y[1] * stride_h - padding.h, w = pixel % y[2] * stride_w - padding.w;
      const kernels::Window window{((pixel / (y[1] * y[2]) * H + h) * W + w) * C,
                                   W * C,
                                   std::max<int64_t>(0, -h),
                                   std::min(kernel.h, H - h),
                                   std::max<int64_t>(0, -w),
                                   std::min(kernel.w, W - w),
                                   kernel.w};
      kernels::naive_max_unpool_pixel(window, C, expected.data<double>(), result.argmax.data<uint8_t>() + pixel * C,
                                      g.data<double>() + pixel * C);
    }
    for_each_isa([&] {
      const Poison poison;
      CHECK(bitwise_equal(max_unpool2d(g, result.argmax, c.x, c.options), expected));
      check_close(max_unpool2d(g.to(DType::f32), result.argmax, c.x, c.options), expected, 1e-6);
    });
  }
}

TEST_CASE("the vectors of max pooling are the naive loop, also for NaN and equals") {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  const float with_nan[] = {0, 1, 1, nan, 2, nan, -1, 2}, without[] = {0, 1, -0.F, -3, 2, 0.5, -1, 2},
              infinite[] = {0, inf, 1, -inf, 2, -inf, -1, 3};
  for (const auto& values : {with_nan, without, infinite})
    for (const int64_t C : {1, 5, 16, 19, 70}) {
      Tensor x = Tensor::empty({3, 4, C});
      Rng rng(11);
      for (int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = values[rng.next_below(8)];
      const kernels::Window window{0, 4 * C, 0, 3, 1, 4, 4};
      Tensor expected = Tensor::empty({C}), expected_tap = Tensor::empty({C}, DType::u8);
      kernels::naive_max_pool_pixel(window, C, expected.data<float>(), expected_tap.data<uint8_t>(), x.data<float>());
      for_each_isa([&] {
        Tensor y = Tensor::empty({C}), tap = Tensor::empty({C}, DType::u8);
        kernels::table<float>().max_pool_pixel(window, C, y.data<float>(), tap.data<uint8_t>(), x.data<float>());
        CHECK(bitwise_equal(y, expected));
        CHECK(bitwise_equal(tap, expected_tap));
      });
    }
}

TEST_CASE("max_pool2d: the first of equals wins, NaN is largest, padding never wins") {
  // 19 channels: whole vectors and a rest.
  const auto row = [](const std::vector<float>& pixels, const Pool2dOptions& options) {
    const int64_t n = static_cast<int64_t>(pixels.size());
    const Tensor x = Tensor::from(pixels, {1, 1, n, 1}).broadcast_to({1, 1, n, 19});
    return max_pool2d(x, options);
  };
  for_each_isa([&] {
    const auto expect = [](const MaxPool2dResult& result, float value, int64_t tap) {
      for (const float y : result.values.to_vector<float>())
        CHECK((y == value || (std::isnan(y) && std::isnan(value))));
      for (const int64_t found : result.argmax.to_vector<int64_t>()) CHECK(found == tap);
    };
    expect(row({3, 3, 3}, {.kernel = {1, 3}}), 3, 0);
    expect(row({1, 7, 7}, {.kernel = {1, 3}}), 7, 1);
    expect(row({0, -0.F}, {.kernel = {1, 2}}), 0, 0);
    expect(row({1, NAN, 9, NAN}, {.kernel = {1, 4}}), NAN, 1);
    expect(row({NAN, INFINITY}, {.kernel = {1, 2}}), NAN, 0);
    expect(row({-INFINITY, -INFINITY}, {.kernel = {1, 2}}), -INFINITY, 0);
    expect(row({-5}, {.kernel = 3, .padding = 1}), -5, 4);
  });
}

TEST_CASE("taps that are not in their window are no pixels") {
  const Tensor x = Tensor::full({1, 2, 2, 3}, 7), argmax = Tensor::full({1, 1, 1, 3}, 200, DType::u8);
  CHECK(norm(max_pool2d_at(x, argmax, {.kernel = 2})) == 0);
  CHECK(norm(max_unpool2d(Tensor::ones({1, 1, 1, 3}), argmax, x.shape(), {.kernel = 2})) == 0);
}

TEST_CASE("pooled sizes are Caffe's: rounded up, without windows that start outside") {
  const auto size = [](int64_t pixels, int64_t kernel, int64_t stride, int64_t padding = 0) {
    return pool2d_shape("test", {1, pixels, pixels, 1},
                        {.kernel = kernel, .stride = stride, .padding = padding, .ceil_mode = true})[1];
  };
  CHECK(size(111, 3, 2) == 55);
  CHECK(size(109, 3, 2) == 54);
  CHECK(size(54, 3, 2) == 27);
  CHECK(size(55, 3, 2) == 27);
  CHECK(size(27, 3, 2) == 13);
  CHECK(size(113, 3, 2) == 56);
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
  check_same_bits_for_all_threads([&] { return max_pool2d_at(x, result.argmax, options); });
  check_same_bits_for_all_threads([&] { return avg_pool2d(x, options); });
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
  check_throws([&] { max_pool2d(x, {.kernel = 2, .stride = -1}); },
               "max_pool2d: kernel 2 and stride -1 must be at least 1");
  check_throws(
      [&] {
        max_pool2d(Tensor::zeros({1, 20, 20, 1}), {.kernel = 17});
      },
      "max_pool2d: kernel 17 has more than 256 pixels");
  const Tensor taps = Tensor::zeros({1, 1, 1, 1}, DType::u8);
  check_throws(
      [&] {
        max_pool2d_at(Tensor::zeros({1, 17, 17, 1}), taps, {.kernel = 17});
      },
      "max_pool2d_at: kernel 17 has more than 256 pixels");
  check_throws(
      [&] {
        max_unpool2d(Tensor::zeros({1, 1, 1, 1}), taps, {1, 17, 17, 1}, {.kernel = 17});
      },
      "max_unpool2d: kernel 17 has more than 256 pixels");
  check_throws(
      [&] {
        max_pool2d(Tensor::zeros({1, 0, 4, 8}), {.kernel = 2, .padding = 1});
      },
      "max_pool2d: output would be empty: input [1, 0, 4, 8], kernel 2, padding 1");
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
