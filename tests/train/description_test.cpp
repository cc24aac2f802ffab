// Checkpoints that describe themselves.
#include <kindling/train/description.h>

#include <catch2/catch.hpp>

#include <kindling/io/checkpoint.h>
#include <kindling/interop/weights.h>
#include <kindling/models/squeezenet.h>
#include <kindling/nn/observer.h>
#include <kindling/optim/sgd.h>
#include <kindling/train/trainer.h>

#include <kindling/tests/support/temporary_folder.h>
#include <kindling/tests/train/small_problem.h>

using namespace kindling;

namespace {

/// Pictures of u8 [16,16,3] in two classes.
data::DatasetPtr pictures(int64_t n = 8) {
  Rng rng(1);
  Tensor images = Tensor::empty({n, 16, 16, 3}, DType::u8);
  for (int64_t i = 0; i < images.numel(); ++i) images.data<uint8_t>()[i] = static_cast<uint8_t>(rng.next_below(256));
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < n; ++i) labels.push_back(i % 2);
  return std::make_shared<data::TensorDataset>(images, Tensor::from(labels),
                                               std::vector<std::string>{"cat", "d\xC3\xB6g"});
}

void train(Module& net, const data::DatasetPtr& data, const std::string& run, const TrainerOptions& options = {},
           const std::string& about_data = "") {
  TrainerOptions how = options;
  how.batch_size = 4;
  Trainer trainer(net, SGD(net.parameters(), {.lr = 0.01}), how);
  trainer.fit(data, data, {.epochs = 1, .run = run, .about_data = about_data, .curves = false});
}

}  // namespace

TEST_CASE("the README's program leaves a checkpoint that tells everything", "[model]") {
  const TemporaryFolder folder;
  Rng rng(1);
  auto net = squeezenet_cifar({.classes = 2, .bypass = Bypass::simple, .norm = Norm::batch}, rng);
  train(net, pictures(), folder / "run", {}, R"({"files": 8, "digest": "abc"})");
  std::filesystem::copy_file(folder / "run/best.ckpt", folder / "alone.ckpt");  // it needs nothing beside it

  const Description told = read_description(folder / "alone.ckpt");
  CHECK(told.is_complete());
  CHECK(told.model == net.definition());
  CHECK(told.classes == std::vector<std::string>{"cat", "d\xC3\xB6g"});
  CHECK(*told.preprocessing == data::Preprocessing{.size = 16});
  CHECK(told.data == R"({"digest":"abc","files":8})");

  const std::unique_ptr<Module> loaded = load_model(folder / "alone.ckpt");
  CHECK_FALSE(loaded->training());
  CHECK(same_bits(parameter_copies(*loaded), parameter_copies(net)));
}

TEST_CASE("explicit preprocessing is used and told", "[model]") {
  const TemporaryFolder folder;
  Rng rng(1);
  auto net = squeezenet_cifar({.classes = 2}, rng);
  const data::Preprocessing preprocessing{.size = 8, .shorter = 9, .mean = {1, 2, 3}, .std = {50, 60, 0.1}};
  Shape seen;
  const CallObserver observer([&](Module&, const std::string& path, const Variable& input, const Variable&) {
    if (path.empty()) seen = input.shape();
  });
  const ThreadsGuard one(1);
  train(net, pictures(), folder / "run", {.preprocessing = preprocessing});
  CHECK(*read_description(folder / "run/last.ckpt").preprocessing == preprocessing);
  CHECK(seen[1] == 8);
}

TEST_CASE("for the pictures' size no picture is read twice") {
  struct Counted : data::Wrapped {
    using Wrapped::Wrapped;
    data::Sample get(int64_t index) const override {
      reads[index] += 1;
      return Wrapped::get(index);
    }
    mutable std::map<int64_t, int> reads;
  };
  const Counted counted(pictures(5));
  Sequential net = small_net(1);
  CHECK(*describe(net, counted, {}, {}).preprocessing == data::Preprocessing{.size = 16});
  CHECK(counted.reads == std::map<int64_t, int>{{0, 1}, {1, 1}, {2, 1}, {3, 1}, {4, 1}});
}

TEST_CASE("preprocessing that no checkpoint can tell is refused, also beside own transforms") {
  Sequential net = small_net(1);
  const TrainerOptions how{.preprocessing = data::Preprocessing{.size = 0, .shorter = 256},
                           .eval_transform = standardize_pixels};
  CHECK_THROWS_WITH(describe(net, *quarters(4, 1), how, {}), Catch::Contains("got size 0 and shorter 256"));
}

TEST_CASE("what is not known is not told") {
  const TemporaryFolder folder;
  Sequential net = small_net(1);
  train(net, quarters(8, 1), folder / "numbers");
  const Description told = read_description(folder / "numbers/last.ckpt");
  CHECK_FALSE(told.is_complete());
  CHECK(told.model == Definition{});
  CHECK(told.classes.empty());
  CHECK_FALSE(told.preprocessing.has_value());
  CHECK(told.data.empty());
  CHECK_THROWS_WITH(load_model(folder / "numbers/last.ckpt"),
                    (folder / "numbers/last.ckpt") +
                        ": does not say what model it holds, and no model that is known has "
                        "such tensors: make the model yourself and load() it");
  Sequential by_hand = small_net(2);
  CHECK(load(by_hand, folder / "numbers/last.ckpt").empty());
  CHECK(same_bits(parameter_copies(by_hand), parameter_copies(net)));

  Rng rng(1);
  auto known = squeezenet_cifar({.classes = 2}, rng);  // whose user cuts pictures in a way of their own
  train(known, pictures(), folder / "own", {.eval_transform = data::preprocess({.size = 12})});
  CHECK_FALSE(read_description(folder / "own/last.ckpt").preprocessing.has_value());
}

TEST_CASE("a description is the same for the same run, and is read as it was written") {
  const TemporaryFolder folder;
  const Description whole{.model = {"m", {{"a", "b"}}},
                          .classes = {"x", "\"y\"\n"},
                          .preprocessing = data::Preprocessing{.size = 3, .mean = {0.1}, .std = {1.0 / 3.0}},
                          .data = R"({"k":[1,2]})"};
  write_safetensors(folder / "x", {}, to_metadata(whole));
  const Description read = read_description(folder / "x");
  CHECK(read.model == whole.model);
  CHECK(read.classes == whole.classes);
  CHECK(read.preprocessing == whole.preprocessing);
  CHECK(read.data == whole.data);
  CHECK(to_metadata(read) == to_metadata(whole));
  CHECK_THROWS_WITH(to_metadata({.classes = {"\xFF"}}), Catch::Contains("is not UTF-8"));
}

TEST_CASE("files without a description have an empty one, damaged ones are refused") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  Sequential net = small_net(1);
  save(net, path);
  CHECK(read_description(path).model == Definition{});
  for (const char* text : {"", "[]", "{\"model\":3}",
                           R"({"model":null,"classes":[],"data":null,"preprocessing":{"size":4,"shorter":1,)"
                           R"("mean":[1],"std":[1]}})"}) {
    write_safetensors(path, {}, {{"description", text}});
    CHECK_THROWS_WITH(read_description(path), Catch::StartsWith(path + ": its description cannot be read: "));
  }
  write_safetensors(path, {}, to_metadata({.model = {"vgg"}}));
  CHECK_THROWS_WITH(load_model(path),
                    Catch::StartsWith(path + ": describes a model that cannot be made here: no model 'vgg'"));
}
