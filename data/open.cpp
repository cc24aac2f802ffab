#include <kindling/data/open.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include <kindling/data/cifar.h>
#include <kindling/data/files.h>
#include <kindling/data/folder.h>
#include <kindling/data/mnist.h>
#include <kindling/data/pictures.h>
#include <kindling/data/shapes.h>

namespace kindling::data {
namespace {

struct Spec {
  std::string kind, path;
};

Spec parse(const std::string& spec) {
  if (spec == "shapes") return {spec, ""};
  const size_t colon = spec.find(':');
  const std::string kind = spec.substr(0, colon);
  check(kind == "cifar10" || kind == "mnist" || kind == "folder", "data", "there is no data set \"", spec,
        "\"; known are shapes, cifar10:PATH, mnist:PATH and folder:PATH");
  check(colon != std::string::npos && colon + 1 < spec.size(), "data", "\"", spec, "\" needs a path: ", kind, ":PATH");
  return {kind, spec.substr(colon + 1)};
}

HoldOut hold_out(const OpenOptions& options) {
  return {.share = options.val_share.value_or(HoldOut{}.share), .seed = options.seed};
}

Splits open_whole(const std::string& spec, const OpenOptions& options) {
  const auto [kind, path] = parse(spec);
  if (kind == "cifar10") return cifar10(path, hold_out(options));
  if (kind == "mnist") return mnist(path, hold_out(options));
  if (kind == "folder") return folder(path, folder_options(options));
  return shapes({.seed = options.seed});
}

}  // namespace

Splits open_dataset(const std::string& spec, const OpenOptions& options) {
  Splits splits = open_whole(spec, options);
  const int64_t wanted = options.train_images, there_are = splits.train->size();
  if (wanted == 0) return splits;
  const int64_t classes = std::ssize(splits.train->classes());
  check(wanted <= there_are, "train-images", wanted, " is more than the ", there_are, " images to train on in ", spec);
  check(wanted >= classes, "train-images", wanted, " is fewer than the ", classes, " classes of ", spec);
  splits.train = draw(splits.train, wanted);
  return splits;
}

bool is_data_spec(const std::string& text) {
  const size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  return text == "shapes" || (colon != std::string::npos && (kind == "cifar10" || kind == "mnist" || kind == "folder"));
}

DatasetPtr open_pictures(const std::string& folder_or_spec, const OpenOptions& options, int64_t most) {
  if (!is_data_spec(folder_or_spec)) return std::make_shared<PictureFolder>(folder_or_spec, options.decode);
  const DatasetPtr all = open_whole(folder_or_spec, options).train;
  return draw(all, std::min(most, all->size()));
}

EvalSet open_for_eval(const std::string& spec, const OpenOptions& options) {
  const auto [kind, path] = parse(spec);
  if (kind == "cifar10") return {cifar10_test(path), "the test part"};
  if (kind == "mnist") return {mnist_test(path), "the test part"};
  if (kind == "folder") return folder_for_eval(path, folder_options(options));
  return {shapes({.seed = options.seed}).val, "the validation part"};
}

std::optional<std::string> path_of_folder(const std::string& spec) {
  const auto [kind, path] = parse(spec);
  return kind == "folder" ? std::optional(path) : std::nullopt;
}

bool has_part(const std::string& spec, const std::string& part) {
  const std::optional<std::string> path = path_of_folder(spec);
  return path && is_folder(std::filesystem::path(*path) / part);
}

FolderOptions folder_options(const OpenOptions& options) {
  return {.val_share = options.val_share,
          .seed = options.seed,
          .labels = options.labels,
          .decode = options.decode,
          .classes = options.classes};
}

InputInfo describe_inputs(const Dataset& dataset) {
  constexpr int64_t kLooks = 16;
  InputInfo info;
  std::vector<int64_t> shorter_sides;
  std::string reason = "there are no samples";
  const int64_t looks = std::min(kLooks, dataset.size());
  for (int64_t look = 0; look < looks; ++look) {
    const int64_t index = look * dataset.size() / looks;
    try {
      const Tensor input = dataset.get(index).input;
      const Shape shape = input.shape();
      check(shape.rank() == 3, "describe_inputs", dataset.describe(index), " is no image [H, W, C], but ", shape);
      const Size2 size{shape[0], shape[1]};
      check(info.channels == 0 || info.channels == shape[2], "describe_inputs", dataset.describe(index), " has ",
            shape[2], " channels, others ", info.channels);
      info.size = info.channels == 0 || info.size == size ? std::optional(size) : std::nullopt;
      if (info.channels == 0) info.dtype = input.dtype();
      info.channels = shape[2];
      shorter_sides.push_back(std::min(size.h, size.w));
    } catch (const FileError& error) {
      reason = error.what();
    }
  }
  if (info.channels == 0) throw FileError("none of the samples can be read: " + reason);
  const auto middle = shorter_sides.begin() + std::ssize(shorter_sides) / 2;
  std::nth_element(shorter_sides.begin(), middle, shorter_sides.end());
  info.shorter_side = *middle;
  return info;
}

}  // namespace kindling::data
