#include <kindling/interop/weights.h>

#include <sstream>

#include <catch2/catch.hpp>

#include <kindling/io/atomic_file.h>
#include <kindling/io/checkpoint.h>
#include <kindling/models/lenet.h>
#include <kindling/nn/conv.h>
#include <kindling/nn/linear.h>
#include <kindling/nn/norm.h>
#include <kindling/nn/sequential.h>

#include <kindling/tests/support/temporary_folder.h>

using namespace kindling;

namespace {

Sequential make_net(int64_t classes, uint64_t seed) {
  Rng rng(seed);
  Sequential net;
  net.add("conv", Conv2d(3, 4, {.kernel = 3}, rng));
  net.add("norm", BatchNorm2d(4));
  net.add("head", Linear(4, classes, rng));
  return net;
}

std::vector<Tensor> copies(Module& net) {
  std::vector<Tensor> result;
  for (const NamedTensor& tensor : named_tensors(net)) result.push_back(tensor.value.clone());
  return result;
}

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), bitwise_equal);
}

struct Renamed : Module {
  Variable weight{Tensor::ones({1}), true};
  void visit(Visitor& visitor) override { visitor("@weight", weight); }
  std::string kind() const override { return "Renamed"; }
  Variable forward(const Variable& x) override { return x; }
};

struct OneWeight : Module {
  explicit OneWeight(const Shape& shape) : weight(Tensor::ones(shape), true) {}
  Variable weight;
  void visit(Visitor& visitor) override { visitor("weight", weight); }
  std::string kind() const override { return "OneWeight"; }
  Variable forward(const Variable& x) override { return x; }
};

struct Counter : Module {
  Tensor count = Tensor::from<int64_t>({0});
  void visit(Visitor& visitor) override { visitor("count", count); }
  std::string kind() const override { return "Counter"; }
  Variable forward(const Variable& x) override { return x; }
};

}  // namespace

TEST_CASE("weights and buffers come back bit for bit") {
  const TemporaryFolder folder;
  Sequential net = make_net(10, 1), other = make_net(10, 2);
  for (auto& [name, buffer] : net.named_buffers()) buffer.fill_(0.25);
  REQUIRE_FALSE(same(copies(net), copies(other)));
  save(net, folder / "net.safetensors");
  CHECK(load(other, folder / "net.safetensors").empty());
  CHECK(same(copies(net), copies(other)));
}

TEST_CASE("weights in a file are converted to the model's dtype") {
  const TemporaryFolder folder;
  Sequential net = make_net(10, 1), other = make_net(10, 2);
  save(net, folder / "x");
  other.to(DType::f64);
  load(other, folder / "x");
  CHECK(other.parameters().front().dtype() == DType::f64);
  CHECK(other.parameters().front().value().to_vector<float>() == net.parameters().front().value().to_vector<float>());
}

TEST_CASE("a file that does not fit is refused with all that is wrong, and changes nothing") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  Sequential net = make_net(10, 1);
  std::vector<NamedTensor> tensors = named_tensors(net);
  for (NamedTensor& tensor : tensors) {
    if (tensor.name == "conv/bias") tensor.name = "conv/offset";
    if (tensor.name == "head/weight") tensor.value = Tensor::zeros({1000, 4});
  }
  write_safetensors(path, tensors);
  Sequential other = make_net(10, 2);
  const std::vector<Tensor> before = copies(other);
  CHECK_THROWS_MATCHES(load(other, path), FileError,
                       Catch::Message(path + ": does not fit the model\n"
                                             "  missing from the file:\n    conv/bias [4]\n"
                                             "  not in the model:\n    conv/offset [4]\n"
                                             "  of another shape:\n    head/weight: file [1000, 4], model [10, 4]"));
  CHECK(same(before, copies(other)));

  SECTION("what fits can be asked for") {
    const LoadReport report = load(other, path, {.strict = false});
    CHECK(report.missing == std::vector<std::string>{"conv/bias [4]"});
    CHECK(report.unexpected == std::vector<std::string>{"conv/offset [4]"});
    CHECK(report.misshaped == std::vector<std::string>{"head/weight: file [1000, 4], model [10, 4]"});
    CHECK(bitwise_equal(copies(other)[0], copies(net)[0]));
    CHECK(bitwise_equal(copies(other)[1], before[1]));
  }
}

TEST_CASE("a layer may be excepted: all else must fit, and of the layer all or nothing is loaded") {
  const TemporaryFolder folder;
  Sequential net = make_net(10, 1), same_head = make_net(10, 2), other = make_net(3, 2);
  save(net, folder / "x");
  const LoadReport report = load(other, folder / "x", {.except = "head"});
  CHECK(report.misshaped ==
        std::vector<std::string>{"head/weight: file [10, 4], model [3, 4]", "head/bias: file [10], model [3]"});
  CHECK(bitwise_equal(copies(other)[0], copies(net)[0]));
  CHECK(load(same_head, folder / "x", {.except = "head"}).empty());
  CHECK(same(copies(same_head), copies(net)));
  CHECK_THROWS_AS(load(other, folder / "x", {.except = "conv"}), FileError);
}

TEST_CASE("weights of the right number of elements but another form are refused") {
  struct Pair {
    Shape file, model;
  };
  // 64 features of one pixel and one feature of 8x8 pixels; a transposed matrix; axes of size 1 more or less.
  for (const auto& [in_file, in_model] : {Pair{{10, 1, 1, 64}, {10, 8, 8, 1}},
                                          {{10, 8, 8, 1}, {10, 1, 1, 64}},
                                          {{3, 5}, {5, 3}},
                                          {{10, 1, 1, 64}, {10, 64}},
                                          {{4, 1}, {4}}}) {
    const TemporaryFolder folder;
    const std::string path = folder / "x";
    write_safetensors(path, {{"weight", Tensor::full(in_file, 7)}});
    OneWeight net(in_model);
    std::ostringstream line;
    line << "weight: file " << in_file << ", model " << in_model;
    CHECK_THROWS_MATCHES(load(net, path), FileError,
                         Catch::Message(path + ": does not fit the model\n  of another shape:\n    " + line.str()));
    CHECK(load(net, path, {.strict = false}).misshaped == std::vector<std::string>{line.str()});
    CHECK(bitwise_equal(net.weight.value(), Tensor::ones(in_model)));
  }
}

TEST_CASE("integers are no weights, but fill integer buffers") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  Sequential net = make_net(10, 1);
  std::vector<NamedTensor> tensors = named_tensors(net);
  for (NamedTensor& tensor : tensors)
    if (tensor.name == "head/weight") tensor.value = Tensor::zeros({10, 4}, DType::u8);
  write_safetensors(path, tensors);
  CHECK_THROWS_MATCHES(
      load(net, path), FileError,
      Catch::Message(path + ": does not fit the model\n"
                            "  of another type:\n    head/weight: file has U8, the model needs a floating-point type"));

  Counter counter;
  write_safetensors(path, {{"count", Tensor::from<int64_t>({7})}});
  CHECK(load(counter, path).empty());
  CHECK(counter.count.item<int64_t>() == 7);
}

TEST_CASE("long lists are shortened") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  std::vector<NamedTensor> tensors;
  for (int i = 10; i < 25; ++i) tensors.push_back({std::string("t").append(std::to_string(i)), Tensor::ones({1})});
  write_safetensors(path, tensors);
  Sequential net;
  try {
    load(net, path);
    FAIL("must throw");
  } catch (const FileError& error) {
    CHECK_THAT(error.what(), Catch::EndsWith("    t19 [1]\n    and 5 more"));
  }
}

TEST_CASE("a file cut short while it is read changes nothing") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  Sequential net = make_net(10, 1), other = make_net(10, 2);
  save(net, path);
  const TensorFile file = read_safetensors(path);
  const auto size = std::filesystem::file_size(path);
  std::filesystem::resize_file(path, size - 8);
  const std::vector<Tensor> before = copies(other);
  CHECK_THROWS_AS(load(other, file), FileError);
  CHECK(same(before, copies(other)));
}

TEST_CASE("of a checkpoint the weights are read, and their checksums looked at, but not the state of the run") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  Rng rng(1);
  Sequential net = lenet({.size = 16}, rng);
  save_checkpoint(path, net, {{"optimizer", {{"momentum", Tensor::ones({7})}}}},
                  to_metadata({.model = net.definition()}));
  const std::string whole = read_file(path);
  const auto damage = [&](const std::string& tensor) {
    std::string bytes = whole;
    write_file(path, whole);
    const SafetensorsFile file(path);
    bytes[static_cast<size_t>(file.find(tensor)->offset)] ^= 1;
    write_file(path, bytes);
  };
  damage("@optimizer/momentum");
  const std::unique_ptr<Module> loaded = load_model(path);
  CHECK(same(copies(*loaded), copies(net)));
  damage("fc2/weight");
  const WeightsFile weights(path);  // reads no values
  CHECK_THROWS_WITH(load_model(weights), Catch::StartsWith(path + ": byte ") &&
                                             Catch::Contains("tensor \"fc2/weight\": its checksum is wrong"));
}

TEST_CASE("names that are kept for the state of a run are refused") {
  Renamed net;
  CHECK_THROWS_MATCHES(named_tensors(net), Error,
                       Catch::Message("name \"@weight\": names beginning with '@' are kept for the state of a run"));
}
