#include <kindling/tensor/norm.h>

#include <cmath>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

// Batch normalisation and its gradient as the paper has them
// (arXiv:1502.03167, section 3), channel by channel, in double.
struct Reference {
  Tensor mean, inv_std, y, dx, dgamma, dbeta;

  Reference(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& grad, double eps) {
    const int64_t C = x.size(-1), M = x.numel() / C;
    for (Tensor* per_channel : {&mean, &inv_std, &dgamma, &dbeta}) *per_channel = Tensor::zeros({C}, DType::f64);
    y = Tensor::zeros({M, C}, DType::f64);
    dx = Tensor::zeros({M, C}, DType::f64);
    const Tensor rows = x.reshape({M, C}), g = grad.reshape({M, C});
    for (int64_t c = 0; c < C; ++c) {
      const std::vector<double> xs = rows.select(1, c).to_vector<double>(), gs = g.select(1, c).to_vector<double>();
      const double weight = gamma.at<double>({c}), m = static_cast<double>(M);
      double mu = 0, variance = 0;
      for (const double value : xs) mu += value / m;
      for (const double value : xs) variance += (value - mu) * (value - mu) / m;
      const double r = 1 / std::sqrt(variance + eps);
      double d_variance = 0, d_mean = 0;
      for (size_t i = 0; i < xs.size(); ++i) {
        const double xhat = (xs[i] - mu) * r;
        y.at<double>({static_cast<int64_t>(i), c}) = weight * xhat + beta.at<double>({c});
        dgamma.at<double>({c}) += gs[i] * xhat;
        dbeta.at<double>({c}) += gs[i];
        d_variance += gs[i] * weight * (xs[i] - mu) * -0.5 * r * r * r;
        d_mean -= gs[i] * weight * r;
      }
      for (size_t i = 0; i < xs.size(); ++i)
        dx.at<double>({static_cast<int64_t>(i), c}) =
            gs[i] * weight * r + d_variance * 2 * (xs[i] - mu) / m + d_mean / m;
      mean.at<double>({c}) = mu;
      inv_std.at<double>({c}) = r;
    }
    y = y.reshape(x.shape());
    dx = dx.reshape(x.shape());
  }
};

// Sum over the channels within size/2 of each.
Tensor naive_window_sum(const Tensor& x, int64_t size) {
  Tensor y = Tensor::zeros(x.shape(), DType::f64);
  for_each_index(x.shape(), [&](const Shape& at) {
    for (int64_t c = at.back() - size / 2; c <= at.back() + size / 2; ++c) {
      if (c < 0 || c >= x.size(-1)) continue;
      Shape neighbour = at;
      neighbour[at.rank() - 1] = c;
      y.at<double>(at) += x.at<double>(neighbour);
    }
  });
  return y;
}

}  // namespace

TEST_CASE("batch normalisation and its gradient are the paper's, for every layout, dtype and instruction set") {
  const Poison poison;
  Rng rng(1);
  // The last is cut into several blocks of rows.
  for (const Shape& shape : {Shape{4, 3}, Shape{2, 3, 4, 5}, Shape{3, 1}, Shape{1, 2, 2, 37}, Shape{3000, 33}}) {
    INFO("shape " << shape);
    const int64_t C = shape.back();
    const Tensor x = random(shape, rng), grad = random(shape, rng);
    const Tensor gamma = Tensor::uniform({C}, 0.5, 2, rng, DType::f64), beta = random({C}, rng);
    const Reference expected(x, gamma, beta, grad, 1e-3);
    for_each_isa([&] {
      for (const DType dtype : {DType::f32, DType::f64})
        for (const bool with_gaps : {false, true}) {
          // Sums over M elements in blocks: some ulps times the root of a block's length.
          const double tolerance = dtype == DType::f32 ? 5e-6 : 1e-13;
          const auto operand = [&](const Tensor& t) { return with_gaps ? strided(t.to(dtype)) : t.to(dtype); };
          const BatchNormStats stats = batch_norm_stats(operand(x), 1e-3);
          // An average of numbers of both signs is small beside them: its error is measured against theirs.
          check_close(stats.mean + 1.0, expected.mean + 1.0, tolerance);
          check_close(stats.inv_std, expected.inv_std, tolerance);
          check_close(batch_norm_apply(operand(x), stats, operand(gamma), operand(beta)), expected.y, tolerance);
          const BatchNormStats given{operand(stats.mean), operand(stats.inv_std)};
          const BatchNormGrads grads =
              batch_norm_grads(operand(grad), operand(x), given, operand(gamma), operand(beta));
          check_close(grads.dx, expected.dx, tolerance);
          check_close(grads.dgamma, expected.dgamma, tolerance);
          check_close(grads.dbeta, expected.dbeta, tolerance);
        }
    });
  }
}

TEST_CASE("the variance is taken about the mean: a large offset does not spoil it") {
  Rng rng(2);
  const Tensor x = Tensor::normal({4096, 2}, 1000, 1, rng);
  const Tensor ones = Tensor::ones({2}, DType::f64), zeros = Tensor::zeros({2}, DType::f64);
  const Tensor exact = x.to(DType::f64);
  const Reference expected(exact, ones, zeros, exact, 1e-5);
  // In one pass, E[x^2] - E[x]^2 would keep no digit: x^2 = 10^6 has an ulp of 0.06.
  check_close(batch_norm_stats(x, 1e-5).inv_std, expected.inv_std, 1e-5);
}

TEST_CASE("a constant channel is normalised to its bias") {
  const Tensor x = Tensor::full({5, 2}, 3);
  const BatchNormStats stats = batch_norm_stats(x, 1e-5);
  const Tensor gamma = Tensor::ones({2}), beta = Tensor::from<float>({-1, 4});
  CHECK(bitwise_equal(batch_norm_apply(x, stats, gamma, beta), beta.broadcast_to({5, 2}).contiguous()));
}

TEST_CASE("batch normalisation has the same bits for any number of threads") {
  Rng rng(3);
  const Tensor x = random({40, 15, 16, 24}, rng, DType::f32), grad = random(x.shape(), rng, DType::f32);
  const Tensor gamma = random({24}, rng, DType::f32), beta = random({24}, rng, DType::f32);
  const BatchNormStats stats = batch_norm_stats(x, 1e-5);
  check_same_bits_for_all_threads([&] { return batch_norm_stats(x, 1e-5).mean; });
  check_same_bits_for_all_threads([&] { return batch_norm_stats(x, 1e-5).inv_std; });
  check_same_bits_for_all_threads([&] { return batch_norm_apply(x, stats, gamma, beta); });
  check_same_bits_for_all_threads([&] { return batch_norm_grads(grad, x, stats, gamma, beta).dx; });
  check_same_bits_for_all_threads([&] { return batch_norm_grads(grad, x, stats, gamma, beta).dgamma; });
}

TEST_CASE("a batch normalisation of several blocks of rows works in slices of channels, with ReLU too") {
  Rng rng(7);
  const Shape shape{3000, 33};  // a block has 65,536 elements
  const Tensor x = random(shape, rng, DType::f32), grad = random(shape, rng, DType::f32);
  const Tensor gamma = random({33}, rng, DType::f32), beta = random({33}, rng, DType::f32);
  const BatchNormStats stats = batch_norm_stats(x, 1e-5);
  for_each_isa([&] {
    const Tensor y = batch_norm_apply(x, stats, gamma, beta);
    for (const Activation activation : {Activation::none, Activation::relu}) {
      const bool with_relu = activation == Activation::relu;
      const Tensor half = Tensor::zeros({3000, 40}).slice(1, 5, 38);
      const Tensor at_half = batch_norm_apply(x, stats, gamma, beta, activation, {half});
      REQUIRE(at_half.storage() == half.storage());
      CHECK(bitwise_equal(half, with_relu ? relu(y) : y));
      const Tensor sum = half.clone();
      batch_norm_apply(x, stats, gamma, beta, activation, {sum, /*add=*/true});
      CHECK(bitwise_equal(sum, add(half, at_half)));
      Tensor grad_half = half;
      grad_half.copy_(grad);
      const BatchNormGrads actual = batch_norm_grads(grad_half, x, stats, gamma, beta, activation);
      const BatchNormGrads expected = batch_norm_grads(with_relu ? relu_grad(grad, y) : grad, x, stats, gamma, beta);
      check_close(actual.dx, expected.dx, 1e-6);
      check_close(actual.dgamma, expected.dgamma, 1e-6);
      check_close(actual.dbeta, expected.dbeta, 1e-6);
      batch_norm_grads(grad_half, x, stats, gamma, beta, activation, {grad_half});  // over the gradient itself
      CHECK(bitwise_equal(grad_half, actual.dx));
    }
  });
}

TEST_CASE("NaN goes through the ReLU of a batch normalisation, in every channel of a vector and of what is left") {
  const Tensor mean = Tensor::zeros({37}), ones = Tensor::ones({37});
  for (int64_t channel = 0; channel < 37; ++channel) {
    Tensor x = Tensor::full({2, 37}, -1);
    x.at<float>({1, channel}) = NAN;
    for_each_isa([&] {
      const Tensor y = batch_norm_apply(x, {mean, ones}, ones, mean, Activation::relu);
      for_each_index(y.shape(), [&](const Shape& at) {
        const bool wanted = at == Shape{1, channel};
        if (wanted ? !std::isnan(y.at<float>(at)) : y.at<float>(at) != 0) FAIL_CHECK(at << " is " << y.at<float>(at));
      });
    });
  }
}

TEST_CASE("batch normalisation reports what does not fit") {
  const Tensor x = Tensor::zeros({2, 3, 4}), four = Tensor::ones({4}), three = Tensor::ones({3});
  const BatchNormStats stats{four, four};
  check_throws(
      [] {
        batch_norm_stats(Tensor::zeros({0, 3}), 1e-5);
      },
      "batch_norm: needs [..., C] with at least one element, got [0, 3]");
  check_throws([] { batch_norm_stats(Tensor::scalar(1), 1e-5); },
               "batch_norm: needs [..., C] with at least one element, got []");
  check_throws([&] { batch_norm_apply(x, stats, three, four); },
               "batch_norm: weight must be [4], got [3]: input [2, 3, 4]");
  check_throws([&] { batch_norm_apply(x, stats, four, three); },
               "batch_norm: bias must be [4], got [3]: input [2, 3, 4]");
  check_throws(
      [&] {
        batch_norm_apply(x, {three, four}, four, four);
      },
      "batch_norm: mean must be [4], got [3]: input [2, 3, 4]");
  check_throws(
      [&] {
        batch_norm_apply(x, {four, three}, four, four);
      },
      "batch_norm: inv_std must be [4], got [3]: input [2, 3, 4]");
  check_throws([&] { batch_norm_apply(x, stats, four.to(DType::f64), four); },
               "batch_norm: operands have dtypes f32 and f64; convert one with to()");
  check_throws(
      [&] {
        batch_norm_grads(Tensor::zeros({2, 4}), x, stats, four, four);
      },
      "batch_norm_grads: gradient [2, 4] and input [2, 3, 4] differ");
  check_throws(
      [&] {
        batch_norm_grads(x, x, {three, four}, four, four);
      },
      "batch_norm_grads: mean must be [4], got [3]: input [2, 3, 4]");
  check_throws([&] { batch_norm_grads(x, x, stats, three, four); },
               "batch_norm_grads: weight must be [4], got [3]: input [2, 3, 4]");
}

TEST_CASE("local response normalisation is its formula, for every layout, dtype and instruction set") {
  const Poison poison;
  Rng rng(4);
  for (const Shape& shape : {Shape{1}, Shape{2, 3, 3, 7}, Shape{5, 96}, Shape{700, 101}})
    for (const LocalResponseNormOptions& o : std::vector<LocalResponseNormOptions>{
             {}, {.size = 1, .alpha = 0.5}, {.size = 3, .alpha = 2, .beta = 0.5, .k = 2}, {.size = 15, .alpha = 0.3}}) {
      INFO("shape " << shape << ", size " << o.size);
      const Tensor x = random(shape, rng), squares = naive_window_sum(square(x), o.size);
      Tensor expected = Tensor::empty(shape, DType::f64);
      for_each_index(shape, [&](const Shape& at) {
        const double scale = o.k + o.alpha / static_cast<double>(o.size) * squares.at<double>(at);
        expected.at<double>(at) = x.at<double>(at) * std::pow(scale, -o.beta);
      });
      for_each_isa([&] {
        check_close(local_response_norm(x, o), expected, 1e-14);
        check_close(local_response_norm(strided(x), o), expected, 1e-14);
        check_close(local_response_norm(x.to(DType::f32), o), expected, 1e-6);
      });
    }
}

TEST_CASE("channel_window_sum is its own adjoint") {
  Rng rng(5);
  const Tensor x = random({4, 9}, rng), y = random({4, 9}, rng);
  for (const int64_t size : {1, 3, 5, 21}) {
    check_close(channel_window_sum(x, size), naive_window_sum(x, size), 1e-14);
    CHECK(std::abs(dot(channel_window_sum(x, size), y) - dot(x, channel_window_sum(y, size))) < 1e-13);
  }
}

TEST_CASE("local response normalisation reports what does not fit, and has the same bits for any number of threads") {
  check_throws(
      [] {
        local_response_norm(Tensor::zeros({2, 3}), {.size = 4});
      },
      "local_response_norm: size must be odd, got 4");
  check_throws([] { channel_window_sum(Tensor::zeros({2, 3}), 0); }, "channel_window_sum: size must be odd, got 0");
  Rng rng(6);
  const Tensor x = random({5, 20, 20, 96}, rng, DType::f32);
  check_same_bits_for_all_threads([&] { return local_response_norm(x, {}); });
}
