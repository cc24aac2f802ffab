#include <catch2/catch.hpp>

#include <kindling/autograd/ops/ops.h>

namespace kindling {
namespace {

using Catch::Message;

Variable parameter(const std::vector<double>& values, const Shape& shape) {
  return Variable(Tensor::from(values, shape), true);
}

}  // namespace

TEST_CASE("anomaly mode names the first operation that is not finite") {
  const Variable x = parameter({1, 2, 0, 4, 0, 6}, {2, 3});
  const auto layer = [&] {
    const Scope outer("fire3"), inner("squeeze");
    return log(x);
  };
  CHECK_NOTHROW(layer());
  const AnomalyMode anomaly;
  CHECK_THROWS_MATCHES(layer(), Error,
                       Message("fire3/squeeze: log: first non-finite value: -inf at [0, 2] of the result [2, 3]"));
  const NoGrad no_grad;
  CHECK_THROWS_AS(layer(), Error);  // without recording as well
}

TEST_CASE("anomaly mode names the operation whose gradient is not finite") {
  const Variable x = parameter({4, 0}, {2});
  const auto layer = [&] {
    const Scope scope("norm");
    return sqrt(x * 1.0);  // 0 is fine, its derivative is not
  };
  const auto backward = [&] { (sum(layer()) * 2.0).backward(); };
  CHECK_NOTHROW(backward());
  {
    const AnomalyMode anomaly;
    CHECK_THROWS_MATCHES(backward(), Error,
                         Message("norm: sqrt: first non-finite value: inf at [1] of the gradient of input 0 [2]"));
  }
  CHECK_NOTHROW(backward());  // off again
}

TEST_CASE("anomaly mode passes what is finite") {
  const AnomalyMode anomaly;
  const Variable x = parameter({4, 1}, {2});
  const Variable g = grad({sum(square(sqrt(x)))}, {x}, CreateGraph::yes)[0];
  CHECK_NOTHROW(sum(g * g).backward());
}

}  // namespace kindling
