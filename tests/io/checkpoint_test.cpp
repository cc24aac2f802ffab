#include <kindling/io/checkpoint.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>

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
  CHECK(load(other, read_safetensors(folder / "a")).empty());
  CHECK(bitwise_equal(other.weight.value(), net.weight.value()));
}

TEST_CASE("files that are no checkpoint, or not of this model, are refused") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  Linear net = make_net(1);
  write_safetensors(path, named_tensors(net));
  CHECK_THROWS_MATCHES(load_checkpoint(path, net), FileError,
                       Catch::Message(path + ": holds weights, not the checkpoint of a run"));
  write_safetensors(path, {}, {{"kindling_checkpoint", "99"}});
  CHECK_THROWS_MATCHES(load_checkpoint(path, net), FileError,
                       Catch::Message(path + ": is a checkpoint of version 99, this program reads versions 1 and 2"));
  write_safetensors(path, {{"@odd", Tensor::ones({1})}}, {{"kindling_checkpoint", "1"}});
  CHECK_THROWS_MATCHES(load_checkpoint(path, net), FileError,
                       Catch::Message(path + ": state \"@odd\" belongs to nothing"));

  save_checkpoint(path, net, {}, {{"note", "x"}});
  CHECK(checkpoint_version(SafetensorsFile(path)) == "2");
  CHECK(SafetensorsFile(path).metadata().at("note") == "x");
  Rng rng(1);
  Linear wider(3, 5, rng);
  const Tensor before = wider.weight.value().clone();
  CHECK_THROWS_AS(load_checkpoint(path, wider), FileError);
  CHECK(bitwise_equal(wider.weight.value(), before));
}

TEST_CASE("a checkpoint of version 1, which has no checksums, is still read") {
  const TemporaryFolder folder;
  const std::string
      path = folder / "old",
      header =
          R"({"__metadata__":{"kindling_checkpoint":"1"},"@run/step":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
          R"("weight":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]},)"
          R"("bias":{"dtype":"F32","shape":[2],"data_offsets":[32,40]}})";
  std::string bytes(8 + header.size() + 40, '\0');
  const uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  std::copy(header.begin(), header.end(), bytes.begin() + 8);
  bytes[8 + header.size()] = 7;
  write_file(path, bytes);
  Linear net = make_net(1);
  CHECK(scalar<int64_t>(load_checkpoint(path, net).at("run"), "step") == 7);
  CHECK(bitwise_equal(net.weight.value(), Tensor::zeros({2, 3})));
  CHECK(checkpoint_version(SafetensorsFile(path)) == "1");
}

TEST_CASE("no bit of a checkpoint can change unnoticed") {
  const TemporaryFolder folder;
  Linear net = make_net(1), other = make_net(2);
  SGD optimizer(net.parameters(), {.lr = 0.1, .momentum = 0.9});
  train_a_step(net, optimizer);
  save_checkpoint(folder / "c", net, {{"optimizer", optimizer.state()}}, {{"description", "{}"}});
  const std::string whole = read_file(folder / "c");
  const Tensor before = other.weight.value().clone();
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    std::ofstream(folder / "d", std::ios::binary) << flipped;
    INFO("bit " << bit);
    CHECK_THROWS_WITH(load_checkpoint(folder / "d", other), Catch::StartsWith((folder / "d") + ": "));
  }
  CHECK(bitwise_equal(other.weight.value(), before));
}

TEST_CASE("numbers are read out of a state by name and type") {
  const State state{{"n", Tensor::from<int64_t>({3}, {})}, {"list", Tensor::zeros({2}, DType::i64)}};
  CHECK(scalar<int64_t>(state, "n") == 3);
  CHECK_THROWS_MATCHES(scalar<int64_t>(state, "m"), Error, Catch::Message("state has no entry \"m\""));
  CHECK_THROWS_MATCHES(scalar<double>(state, "n"), Error, Catch::Message("state entry \"n\" is not one f64"));
  CHECK_THROWS_MATCHES(scalar<int64_t>(state, "list"), Error, Catch::Message("state entry \"list\" is not one i64"));
}
