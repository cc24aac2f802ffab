#include <kindling/io/checkpoint.h>

#include <catch2/catch.hpp>

#include <kindling/autograd/ops/reduce.h>
#include <kindling/io/atomic_file.h>
#include <kindling/nn/linear.h>
#include <kindling/optim/sgd.h>

#include <kindling/tests/support/temporary_folder.h>

using namespace kindling;

namespace {

Linear make_net(uint64_t seed) {
  Rng rng(seed);
  return Linear(3, 2, rng);
}

void train_a_step(Linear& net, SGD& optimizer) {
  net.zero_grad();
  sum(net(Variable(Tensor::ones({4, 3})))).backward();
  optimizer.step();
}

}  // namespace

TEST_CASE("a checkpoint brings back model and optimiser, so that the next step is the same") {
  const TemporaryFolder folder;
  Linear net = make_net(1), other = make_net(2);
  SGD optimizer(net.parameters(), {.lr = 0.1, .momentum = 0.9}),
      other_optimizer(other.parameters(), {.lr = 0.1, .momentum = 0.9});
  train_a_step(net, optimizer);
  save_checkpoint(folder / "c", net,
                  {{"optimizer", optimizer.state()}, {"run", {{"step", Tensor::from<int64_t>({7}, {})}}}});

  const States states = load_checkpoint(folder / "c", other);
  other_optimizer.load_state(states.at("optimizer"));
  CHECK(scalar<int64_t>(states.at("run"), "step") == 7);
  train_a_step(net, optimizer);
  train_a_step(other, other_optimizer);
  for (size_t i = 0; i < net.parameters().size(); ++i)
    CHECK(bitwise_equal(net.parameters()[i].value(), other.parameters()[i].value()));
}

TEST_CASE("a checkpoint serves as weights, and the same state gives the same bytes") {
  const TemporaryFolder folder;
  Linear net = make_net(1), other = make_net(2);
  SGD optimizer(net.parameters(), {.lr = 0.1, .momentum = 0.9});
  train_a_step(net, optimizer);
  for (const char* name : {"a", "b"}) save_checkpoint(folder / name, net, {{"optimizer", optimizer.state()}});
  CHECK(read_file(folder / "a") == read_file(folder / "b"));
  CHECK(load(other, folder / "a").empty());
  CHECK(bitwise_equal(other.weight.value(), net.weight.value()));
}

TEST_CASE("files that are no checkpoint, or not of this model, are refused") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  Linear net = make_net(1);
  save(net, path);
  CHECK_THROWS_MATCHES(load_checkpoint(path, net), FileError,
                       Catch::Message(path + ": holds weights, not the checkpoint of a run"));
  write_safetensors(path, {}, {{"kindling_checkpoint", "99"}});
  CHECK_THROWS_MATCHES(load_checkpoint(path, net), FileError,
                       Catch::Message(path + ": is a checkpoint of version 99, this program reads version 1"));
  write_safetensors(path, {{"@odd", Tensor::ones({1})}}, {{"kindling_checkpoint", "1"}});
  CHECK_THROWS_MATCHES(load_checkpoint(path, net), FileError,
                       Catch::Message(path + ": state \"@odd\" belongs to nothing"));

  save_checkpoint(path, net, {});
  Rng rng(1);
  Linear wider(3, 5, rng);
  const Tensor before = wider.weight.value().clone();
  CHECK_THROWS_AS(load_checkpoint(path, wider), FileError);
  CHECK(bitwise_equal(wider.weight.value(), before));
}

TEST_CASE("numbers are read out of a state by name and type") {
  const State state{{"n", Tensor::from<int64_t>({3}, {})}, {"list", Tensor::zeros({2}, DType::i64)}};
  CHECK(scalar<int64_t>(state, "n") == 3);
  CHECK_THROWS_MATCHES(scalar<int64_t>(state, "m"), Error, Catch::Message("state has no entry \"m\""));
  CHECK_THROWS_MATCHES(scalar<double>(state, "n"), Error, Catch::Message("state entry \"n\" is not one f64"));
  CHECK_THROWS_MATCHES(scalar<int64_t>(state, "list"), Error, Catch::Message("state entry \"list\" is not one i64"));
}
