// Every model through every format and back.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include <kindling/interop/weights.h>
#include <kindling/io/atomic_file.h>
#include <kindling/models/definition.h>

#include <kindling/tests/support/temporary_folder.h>

using namespace kindling;

namespace {

std::unique_ptr<Module> made(const Definition& definition) {
  Rng rng(1);
  std::unique_ptr<Module> model = make_model(definition, rng);
  for (const NamedTensor& tensor : named_tensors(*model))  // statistics too, and no two alike
    Tensor(tensor.value).copy_(Tensor::uniform(tensor.value.shape(), 0.5, 1.5, rng));
  return model;
}

/// Checks that the model comes back from a file of each of these names, which says what it is.
void check_files(const Definition& definition, const std::vector<std::string>& names) {
  const TemporaryFolder folder;
  const std::unique_ptr<Module> model = made(definition);
  const Description description{
      .model = model->definition(), .classes = {"a", "b", "c"}, .preprocessing = data::caffe_preprocessing()};
  for (const std::string& name : names) {
    INFO(definition.model << " " << to_text(nlohmann::json(definition.options)) << " as " << name);
    save(*model, folder / name, description);
    const WeightsFile file(folder / name);
    REQUIRE(file.known.has_value());
    CHECK_FALSE(file.known->by_names);
    CHECK(to_metadata(file.known->description) == to_metadata(description));
    const std::unique_ptr<Module> back = load_model(file);
    const std::vector<NamedTensor> wanted = named_tensors(*model), found = named_tensors(*back);
    REQUIRE(found.size() == wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) CHECK(bitwise_equal(found[i].value, wanted[i].value));
  }
}

const std::vector<std::string> kAll{"x.safetensors", "x.pth", "x.pt", "x.npz", "x.caffemodel"};

}  // namespace

TEST_CASE("SqueezeNets of every bypass, form and norm come back from every format", "[model]") {
  for (const char* model : {"squeezenet1_0", "squeezenet1_1", "squeezenet_cifar"})
    for (const std::string& bypass : bypass_words())
      for (const std::string& form : form_words())
        for (const std::string& norm : norm_words())
          check_files({model, {{"bypass", bypass}, {"form", form}, {"norm", norm}, {"classes", "3"}}}, kAll);
}

TEST_CASE("LeNet comes back from every format", "[model]") {
  check_files({"lenet", {{"classes", "3"}}}, kAll);
  check_files({"lenet", {{"classes", "3"}, {"channels", "3"}, {"size", "40"}}}, kAll);
}

TEST_CASE("AlexNet comes back from files of PyTorch and Caffe", "[slow]") {
  check_files({"alexnet", {{"form", "torchvision"}, {"classes", "3"}}}, {"x.pth"});
  check_files({"alexnet", {{"form", "caffe"}, {"classes", "3"}}}, {"x.caffemodel"});
}

TEST_CASE("names of another framework can be asked for in any format") {
  const TemporaryFolder folder;
  const std::unique_ptr<Module> model = made({"squeezenet1_1", {{"classes", "3"}}});
  save(*model, folder / "x.npz", Naming::torchvision);
  const WeightsFile file(folder / "x.npz");
  CHECK(file.file.tensors[0].name == "features.0.weight");
  CHECK(file.file.tensors[0].shape == Shape{64, 3, 3, 3});
  CHECK(file.known->naming == Naming::torchvision);
  CHECK(folder.listing() == "x.npz x.npz.json");
}

TEST_CASE("notes beside a file that are damaged are refused, and named") {
  const TemporaryFolder folder;
  const std::unique_ptr<Module> model = made({"lenet", {{"classes", "3"}}});
  save(*model, folder / "x.npz");
  for (const char* text : {"", "[]", R"({"description": 3})"}) {
    write_file(folder / "x.npz.json", text);
    CHECK_THROWS_WITH(WeightsFile(folder / "x.npz"), Catch::StartsWith((folder / "x.npz.json") + ": "));
  }
}

TEST_CASE("what a format cannot hold is refused, and nothing is left behind") {
  const TemporaryFolder folder;
  Rng rng(1);
  const std::unique_ptr<Module> model = made({"lenet", {{"classes", "3"}}});
  CHECK_THROWS_WITH(save(*model, folder / "x.net"),
                    (folder / "x.net") + ": a .net file holds codes, not weights: write_deep_compression() writes it");
  CHECK_THROWS_WITH(save(*model, folder / "x.npy"),
                    (folder / "x.npy") + ": an .npy file holds one array, not 8: name an .npz file");
  CHECK_THROWS_WITH(write_tensor_file(folder / "x.caffemodel", FileFormat::caffe, {{"scalar", Tensor::scalar(1)}}, {}),
                    (folder / "x.caffemodel") + ": Caffe has no layer whose first tensor is \"scalar\"");
  CHECK(folder.listing().empty());
}
