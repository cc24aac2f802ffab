// Weights of other frameworks, against what these compute with them. The files are not part of the project.
#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

#include <kindling/data/folder.h>
#include <kindling/data/image.h>
#include <kindling/interop/weights.h>
#include <kindling/io/npy.h>

#include <kindling/tests/support/shared_data.h>
#include <kindling/tests/support/temporary_folder.h>

using namespace kindling;

namespace {

namespace fs = std::filesystem;

const std::string kV11 = "squeezenet_v1_1_imagenet/", kTraffic = "traffic_lights_caffe/",
                  kCompressed = "squeezenet_v1_0_deep_compressed/";

Tensor array(const fs::path& path) { return read_npy(path).tensors.at(0).value(); }

/// The only file with that ending.
fs::path file_in(const fs::path& folder, const std::string& ending) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ending) return entry.path();
  FAIL("no " << ending << " in " << folder);
  return {};
}

/// Of images [N, H, W, C] in the pixels that the network takes.
Tensor logits(Module& net, const Tensor& images) {
  const NoGrad no_grad;
  return net(images).value();
}

double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  double largest = 0;
  for (int64_t i = 0; i < a.numel(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a.data<float>()[i]) - b.data<float>()[i]));
  return largest;
}

/// NCHW as other frameworks have it.
Tensor images_of(const fs::path& path) { return array(path).permute({0, 2, 3, 1}).contiguous(); }

Tensor first_rows(const Tensor& x, int64_t n) { return x.slice(0, 0, n).contiguous(); }

std::vector<fs::path> photographs(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (data::is_image_name(entry.path().string())) files.push_back(entry.path());
  std::sort(files.begin(), files.end(),
            [](const fs::path& a, const fs::path& b) { return a.filename() < b.filename(); });
  return files;
}

struct Answers {
  std::vector<Tensor> logits;              ///< of each photograph, [1, C]
  std::vector<std::vector<int64_t>> best;  ///< its five classes
  double share(const std::vector<int64_t>& truth, size_t among) const {
    double right = 0;
    for (size_t i = 0; i < best.size(); ++i)
      right += std::find(best[i].begin(), best[i].begin() + static_cast<std::ptrdiff_t>(among), truth[i]) !=
               best[i].begin() + static_cast<std::ptrdiff_t>(among);
    return 100 * right / static_cast<double>(best.size());
  }
};

std::vector<int64_t> best_five(const float* row, int64_t classes) {
  std::vector<int64_t> order(static_cast<size_t>(classes));
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + 5, order.end(),
                    [&](int64_t a, int64_t b) { return row[a] > row[b]; });
  order.resize(5);
  return order;
}

Answers classify(const WeightsFile& weights, const std::vector<fs::path>& files) {
  const std::unique_ptr<Module> net = load_model(weights);
  const data::Transform transform = data::preprocess(*weights.known->description.preprocessing);
  Rng unused(0);
  Answers answers;
  for (const fs::path& file : files) {
    answers.logits.push_back(logits(*net, transform(data::decode_image(file), unused).unsqueeze(0)));
    answers.best.push_back(best_five(answers.logits.back().data<float>(), answers.logits.back().size(1)));
  }
  return answers;
}

/// Class numbers by the names of the folders.
std::vector<int64_t> true_classes(const std::vector<fs::path>& files, const std::vector<std::string>& folders) {
  std::vector<int64_t> truth;
  for (const fs::path& file : files)
    truth.push_back(std::find(folders.begin(), folders.end(), file.parent_path().filename()) - folders.begin());
  return truth;
}

/// Two percentages, top-1 and top-5, on the photographs of `sample`, within `tolerance` of those
/// expected.
void check_accuracy(const WeightsFile& weights, const std::string& sample, double top1, double top5, double tolerance) {
  const auto labels = shared_data("imagenet_classes.txt"), folder = shared_data(sample);
  if (!labels || !folder) return;
  const std::vector<fs::path> files = photographs(*folder);
  const Answers answers = classify(weights, files);
  const std::vector<int64_t> truth = true_classes(files, data::read_labels(labels->string()).folders);
  INFO(weights.file.path << " on " << sample);
  CHECK_THAT(answers.share(truth, 1), Catch::WithinAbs(top1, tolerance));
  CHECK_THAT(answers.share(truth, 5), Catch::WithinAbs(top5, tolerance));
}

/// Checks the logits of the 100 photographs. Of tall ones only the most probable class, where the
/// reference has resized these in another order.
void check_logits(const WeightsFile& weights, const fs::path& reference, bool with_tall_ones = true) {
  const auto folder = shared_data("imagenet_sample");
  if (!folder) return;
  const Tensor expected = array(reference);
  const std::vector<fs::path> files = photographs(*folder);
  const Answers answers = classify(weights, files);
  REQUIRE(expected.size(0) == std::ssize(files));
  for (size_t i = 0; i < files.size(); ++i) {
    INFO(weights.file.path << " on " << files[i]);
    const Tensor row = expected.slice(0, static_cast<int64_t>(i), static_cast<int64_t>(i) + 1).contiguous();
    CHECK(answers.best[i][0] == best_five(row.data<float>(), row.size(1))[0]);
    const Tensor photograph = data::decode_image(files[i]);
    if (with_tall_ones || photograph.size(0) <= photograph.size(1))
      CHECK(largest_difference(answers.logits[i], row) < 1e-3);
  }
}

}  // namespace

TEST_CASE("the authors' SqueezeNet v1.1 computes what it does in Caffe's form", "[model]") {
  const auto folder = shared_data(kV11);
  if (!folder) return;
  const WeightsFile weights(file_in(*folder, ".caffemodel"));
  REQUIRE(weights.known.has_value());
  CHECK(weights.known->description.model.model == "squeezenet1_1");
  CHECK(weights.known->naming == Naming::caffe);
  const std::unique_ptr<Module> net = load_model(weights);
  const Tensor computed = logits(*net, images_of(*folder / "input_first4_caffe.npy"));
  CHECK(largest_difference(computed, first_rows(array(*folder / "logits_caffe_227.npy"), 4)) < 1e-3);
}

TEST_CASE("the same weights compute what they do in PyTorch with torchvision's names", "[model]") {
  const auto folder = shared_data(kV11);
  if (!folder) return;
  const WeightsFile weights(file_in(*folder, ".pth"));
  REQUIRE(weights.known.has_value());
  CHECK(weights.known->description.model.model == "squeezenet1_1");
  CHECK(weights.known->naming == Naming::torchvision);
  const std::unique_ptr<Module> net = load_model(weights);
  const Tensor computed = logits(*net, images_of(*folder / "input_first4_torchvision.npy"));
  CHECK(largest_difference(computed, first_rows(array(*folder / "logits_torchvision_224.npy"), 4)) < 1e-3);
}

TEST_CASE("the authors' compressed SqueezeNet v1.0 computes what its decoded weights do", "[model]") {
  const auto folder = shared_data(kCompressed);
  if (!folder) return;
  const std::unique_ptr<Module> net = load_model(file_in(*folder, ".net"));
  const Tensor computed = logits(*net, images_of(*folder / "input_first4.npy"));
  CHECK(largest_difference(computed, array(*folder / "logits_first4.npy")) < 1e-3);
}

TEST_CASE("a network that Caffe has written, with a last layer of its own", "[model]") {
  const auto folder = shared_data(kTraffic), pictures = shared_data("imagenet_sample"), inputs = shared_data(kV11);
  if (!folder || !pictures || !inputs) return;
  const WeightsFile weights(file_in(*folder, ".caffemodel"));
  REQUIRE(weights.known.has_value());
  CHECK(weights.file.tensors.size() == 52);  // 26 layers
  CHECK(weights.known->description.model.options.at("classes") == "3");
  const std::unique_ptr<Module> net = load_model(weights);
  const Tensor expected = array(*folder / "logits_first8.npy");
  const Tensor first = images_of(*inputs / "input_first4_caffe.npy");  // of the same photographs
  CHECK(largest_difference(logits(*net, first), first_rows(expected, 4)) < 1e-3);

  const std::vector<fs::path> files = photographs(*pictures);
  const data::Transform transform = data::preprocess(data::caffe_preprocessing());
  Rng unused(0);
  for (int64_t i = 0; i < 8; ++i) {
    const Tensor image = transform(data::decode_image(files[static_cast<size_t>(i)]), unused);
    const Tensor row = logits(*net, image.unsqueeze(0));
    INFO(files[static_cast<size_t>(i)]);
    CHECK(largest_difference(row, expected.slice(0, i, i + 1).contiguous()) < 1e-3);
  }
}

TEST_CASE("photographs are named as the references name them", "[slow]") {
  const auto v1_1 = shared_data(kV11), compressed = shared_data(kCompressed);
  if (!v1_1 || !compressed) return;
  const WeightsFile caffe(file_in(*v1_1, ".caffemodel")), torchvision(file_in(*v1_1, ".pth")),
      coded(file_in(*compressed, ".net"));
  check_accuracy(caffe, "imagenet_sample", 68, 87, 2);
  check_accuracy(torchvision, "imagenet_sample", 65, 87, 2);
  check_accuracy(coded, "imagenet_sample", 64, 83, 2);
  check_logits(caffe, *v1_1 / "logits_caffe_227.npy", /*with_tall_ones=*/false);
  check_logits(torchvision, *v1_1 / "logits_torchvision_224.npy");
  check_logits(coded, *compressed / "logits_imagenet_sample.npy");
}

TEST_CASE("three hundred more photographs are named as well as by the references", "[slow]") {
  const auto v1_1 = shared_data(kV11), compressed = shared_data(kCompressed);
  if (!v1_1 || !compressed) return;
  check_accuracy(WeightsFile(file_in(*v1_1, ".caffemodel")), "imagenet_small", 63.3, 86.7, 1.5);
  check_accuracy(WeightsFile(file_in(*v1_1, ".pth")), "imagenet_small", 62.3, 87.0, 1.5);
  check_accuracy(WeightsFile(file_in(*compressed, ".net")), "imagenet_small", 64.0, 83.7, 1.5);
}

TEST_CASE("real weights come back from every format with the bits that they had", "[model]") {
  const auto folder = shared_data(kV11);
  if (!folder) return;
  const TemporaryFolder out;
  const WeightsFile first(file_in(*folder, ".pth"));
  std::string before = first.file.path;
  for (const char* name : {"a.caffemodel", "b.safetensors", "c.npz", "d.pth"}) {
    save(*load_model(before), out / name, first.known->description);
    before = out / name;
    const WeightsFile now(before);
    REQUIRE(now.known.has_value());
    CHECK_FALSE(now.known->by_names);
    CHECK(now.known->description.preprocessing == data::torchvision_preprocessing());
  }
  const WeightsFile last(before);
  REQUIRE(last.file.tensors.size() == first.file.tensors.size());
  for (const StoredTensor& tensor : first.file.tensors) {
    const auto same = std::find_if(last.file.tensors.begin(), last.file.tensors.end(),
                                   [&](const StoredTensor& other) { return other.name == tensor.name; });
    REQUIRE(same != last.file.tensors.end());
    CHECK(bitwise_equal(same->value(), tensor.value()));
  }
}
