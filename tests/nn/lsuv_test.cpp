#include <kindling/nn/lsuv.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include <kindling/nn/conv.h>
#include <kindling/nn/fn.h>
#include <kindling/nn/linear.h>
#include <kindling/nn/observer.h>
#include <kindling/nn/sequential.h>
#include <kindling/tensor/reduce.h>

using namespace kindling;

namespace {

Sequential make_net() {
  Rng rng(3);
  Sequential net;
  net.add("conv1", Conv2d(3, 8, {.kernel = 3, .relu = true, .init = init::normal(0, 5)}, rng));
  net.add("conv2", Conv2d(8, 8, {.kernel = 1, .bias = false, .init = init::normal(0, 0.01)}, rng));
  net.add("relu2", ReLU());
  net.add("flatten", Flatten());
  net.add("fc1", Linear(8 * 16, 6, {.bias_init = init::normal(0, 1)}, rng));
  net.add("fc2", Linear(6, 4, rng));
  return net;
}

double rms(const Tensor& x) { return std::sqrt(dot(x, x) / static_cast<double>(x.numel())); }

/// Root mean squares of all layers' outputs.
std::map<std::string, double> output_rms(Module& net, const Tensor& batch) {
  std::map<std::string, double> result;
  const NoGrad no_grad;
  const CallObserver observer([&](Module&, const std::string& path, const Variable&, const Variable& output) {
    result[path] = rms(output.value().contiguous());
  });
  net(batch);
  return result;
}

}  // namespace

TEST_CASE("every layer but the last puts out a root mean square of 1") {
  Sequential net = make_net();
  Rng rng(1);
  const Tensor batch = Tensor::normal({16, 6, 6, 3}, 0.5, 2.0, rng);
  const Tensor last_before = net.at("fc2").parameters().front().value().clone();
  scale_to_unit_variance(net, batch);
  const auto after = output_rms(net, batch);
  for (const char* layer : {"conv1", "conv2", "fc1"}) {
    INFO(layer);
    CHECK_THAT(after.at(layer), Catch::WithinRel(1.0, 1e-5));  // rounding of single precision
  }
  CHECK(bitwise_equal(net.at("fc2").parameters().front().value(), last_before));
  CHECK(net.training());
}

TEST_CASE("a layer that is 0 everywhere keeps its weights, and the same batch gives the same bits") {
  Sequential net = make_net(), again = make_net();
  for (Sequential* one : {&net, &again}) one->at("conv2").parameters().front().value().fill_(0);
  Rng rng(1);
  const Tensor batch = Tensor::normal({4, 6, 6, 3}, 0, 1, rng);
  scale_to_unit_variance(net, batch);
  scale_to_unit_variance(again, batch);
  const Variables a = net.parameters(), b = again.parameters();
  for (size_t i = 0; i < a.size(); ++i) CHECK(bitwise_equal(a[i].value(), b[i].value()));
  for (const Variable& p : a) CHECK(all_finite(p.value()));
}
