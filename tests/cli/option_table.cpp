#include "option_table.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <regex>
#include <sstream>

#include <kindling/interop/weights.h>
#include <kindling/io/atomic_file.h>
#include <kindling/models/registry.h>
#include <kindling/tensor/rng.h>

namespace kindling::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string random_bytes(int64_t count, Rng& rng) {
  std::string bytes;
  for (int64_t i = 0; i < count; ++i) bytes += static_cast<char>(rng.next_below(256));
  return bytes;
}

/// Files of CIFAR-10's binary form with four pictures each.
void write_cifar(const std::string& path) {
  constexpr int64_t kPixels = 3 * 32 * 32;
  Rng rng(1);
  fs::create_directories(path);
  for (const char* part :
       {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"}) {
    std::string bytes;
    for (int label = 0; label < 4; ++label) bytes += static_cast<char>(label) + random_bytes(kPixels, rng);
    write_file(path + "/" + part + ".bin", bytes);
  }
}

/// MNIST's files with pictures of 16 pixels, 20 to train on and four to test on.
void write_mnist(const std::string& path) {
  constexpr int64_t kPixels = 16 * 16;
  Rng rng(1);
  fs::create_directories(path);
  for (const auto& [part, count] : {std::pair("train", 20), std::pair("t10k", 4)}) {
    const std::string size{'\0', '\0', '\0', static_cast<char>(count)}, side{'\0', '\0', '\0', 16};
    std::string labels;
    for (int i = 0; i < count; ++i) labels += static_cast<char>(i % 10);
    write_file(path + "/" + part + "-images-idx3-ubyte",
               std::string("\0\0\x08\x03", 4) + size + side + side + random_bytes(count * kPixels, rng));
    write_file(path + "/" + part + "-labels-idx1-ubyte", std::string("\0\0\x08\x01", 4) + size + labels);
  }
}

void write_weights(const std::string& path, const std::string& model, ModelOptions options, uint64_t seed = 7) {
  Rng rng(seed);
  save(*make_model(model, options, rng), path);
}

/// Numbers that depend on the clock and the machine's other work, and paths that differ from run to
/// run.
const std::set<std::string> kMeasured{"images_per_second",
                                      "peak_rss_mb",
                                      "ms_per_step",
                                      "ms_quartiles",
                                      "ms",
                                      "fraction_of_peak",
                                      "rss_growth_mb",
                                      "fma_peak_gflops",
                                      "fma_peak_gflops_median",
                                      "gflops",
                                      "run",
                                      "page_faults_per_step",
                                      "first_step_ms"};

json without_measured(const json& document) {
  if (!document.is_structured()) return document;
  json result = document.is_array() ? json::array() : json::object();
  for (const auto& [key, value] : document.items()) {
    if (document.is_array())
      result.push_back(without_measured(value));
    else if (!kMeasured.contains(key))
      result[key] = without_measured(value);
  }
  return result;
}

/// Whether two documents are the same but for rounding.
bool similar(const json& a, const json& b) {
  constexpr double kRounding = 1e-5;
  const json one = a.flatten(), other = b.flatten();
  if (one.size() != other.size()) return false;
  for (const auto& [place, value] : one.items()) {
    if (!other.contains(place)) return false;
    const json& twin = other[place];
    const bool numbers = value.is_number() && twin.is_number();
    const bool near =
        numbers && std::abs(value.get<double>() - twin.get<double>()) <= kRounding * std::abs(value.get<double>());
    if (!near && value != twin) return false;
  }
  return true;
}

void read_checkpoint(const std::string& path, OptionResult& result) {
  const SafetensorsFile file(path);
  const std::string bytes = contents(path);
  for (const TensorEntry& entry : file.entries()) {
    auto& part = entry.name.starts_with(kStatePrefix) ? result.state : result.weights;
    part[entry.name] = bytes.substr(static_cast<size_t>(entry.offset), static_cast<size_t>(entry.bytes));
  }
  for (const auto& [name, text] : file.metadata())
    if (name != "description") result.state["metadata " + name] = text;  // which tells options, effect or none
  result.state.erase(std::string(kStatePrefix) + "run/metrics_lines");   // as many as were written beside it
}

OptionResult run(const std::vector<std::string>& arguments, bool writes_run) {
  const TemporaryFolder folder;
  OptionResult result;
  result.outcome = kindling_command(writes_run ? with(arguments, {"--out", folder / "run"}) : arguments);
  if (result.outcome.code != 0) return result;
  result.figures = without_measured(result.outcome.json());
  if (writes_run) read_checkpoint(folder / "run/last.ckpt", result);
  return result;
}

void check_row(const OptionRow& row, const OptionResult& one, const OptionResult& other) {
  INFO(one.outcome.err << other.outcome.err);
  CHECK(one.outcome.code == 0);
  if (row.expect == Expect::refused) {
    CHECK((other.outcome.code == 1 || other.outcome.code == 2));
    return;
  }
  CHECK(other.outcome.code == 0);
  const bool same_weights = one.weights == other.weights, same_state = one.state == other.state;
  const bool same_figures = one.figures == other.figures, similar_figures = similar(one.figures, other.figures);
  if (row.expect == Expect::other_weights) CHECK_FALSE(same_weights);
  if (row.expect == Expect::other_figures) CHECK_FALSE(similar_figures);
  if (row.expect == Expect::other_bits) CHECK((similar_figures && !same_figures));
  if (row.expect == Expect::same) CHECK((same_weights && same_state && similar_figures));
}

}  // namespace

OptionData::OptionData() {
  const std::vector<std::string> classes{"blue", "green", "red"};
  write_images(folder_ / "split/train", classes, 4);
  write_images(folder_ / "split/val", classes, 2);
  write_images(folder_ / "flat", classes, 8);
  write_images(folder_ / "unsplit/train", classes, 8);
  write_images(folder_ / "damaged", classes, 8);
  write_file(folder_ / "damaged/green/broken.bmp", "BM");
  write_cifar(folder_ / "cifar");
  write_mnist(folder_ / "mnist");
  write_file(folder_ / "labels.txt", "red\nblue\ngreen\n");
  write_file(folder_ / "options.json", R"({"nesterov": false})");
  write_weights(folder_ / "lenet.safetensors", "lenet", {.classes = 3, .channels = 3, .size = 16});
  write_weights(folder_ / "other.safetensors", "lenet", {.classes = 3, .channels = 3, .size = 16}, 8);
  write_weights(folder_ / "shapes.safetensors", "lenet", {.channels = 3, .size = 32});
  write_weights(folder_ / "v1.safetensors", "squeezenet1_0", {.classes = 3});
  write_weights(folder_ / "grey.safetensors", "lenet", {.channels = 1, .size = 16});
  write_weights(folder_ / "squeezenet.safetensors", "squeezenet_cifar", {.classes = 3});
  write_weights_alone(folder_ / "squeezenet.safetensors", folder_ / "squeezenet_alone.safetensors");
  write_weights_alone(folder_ / "lenet.safetensors", folder_ / "lenet_alone.safetensors");
  write_safetensors(folder_ / "unknown.safetensors", {{"a", Tensor::ones({2})}});
  write_weights(folder_ / "norm.safetensors", "squeezenet_cifar", {.classes = 3, .norm = Norm::batch});
}

std::vector<std::string> OptionData::words(const std::string& text) const {
  std::istringstream in(std::regex_replace(text, std::regex("@"), folder_.path()));
  std::vector<std::string> result;
  for (std::string word; in >> word;) result.push_back(word);
  return result;
}

void check_options(const std::string& command, const std::vector<OptionRow>& rows, bool writes_run) {
  const OptionData data;
  std::map<std::vector<std::string>, OptionResult> known;
  const auto result = [&](const OptionRow& row, const std::string& value) -> const OptionResult& {
    const std::vector<std::string> arguments = data.words(command + " " + row.companions + " " + value);
    const auto [place, is_new] = known.try_emplace(arguments);
    if (is_new) place->second = run(arguments, writes_run);
    return place->second;
  };
  for (const OptionRow& row : rows) {
    if (row.expect == Expect::elsewhere) continue;
    INFO(command << " " << row.companions << ": \"" << row.one << "\" against \"" << row.other << "\"");
    CHECK_THAT(row.one + row.other, Catch::Contains("--" + row.option));
    check_row(row, result(row, row.one), result(row, row.other));
  }
}

std::vector<OptionRow> family_rows(const std::string& companions, Expect shapes, Expect pools) {
  return {{"squeeze-ratio", "", "--squeeze-ratio 0.25", companions, shapes},
          {"pct3x3", "", "--pct3x3 0.25", companions, shapes},
          {"base-e", "", "--base-e 64", companions, shapes},
          {"incr-e", "", "--incr-e 64", companions, shapes},
          {"freq", "", "--freq 4", companions, shapes},
          {"pools", "--pools 1,3,5", "--pools 1,5", companions, pools}};
}

std::set<std::string> options_in_help(const std::string& command) {
  std::istringstream words(command);
  std::vector<std::string> arguments;
  for (std::string word; words >> word;) arguments.push_back(word);
  std::istringstream help(kindling_command(with(arguments, {"--help"})).out);
  const std::regex option(R"(^  (?:-h,)?--(?:\[no-\])?([a-z0-9-]+))");
  std::set<std::string> names;
  std::smatch match;
  for (std::string line; std::getline(help, line);)
    if (std::regex_search(line, match, option)) names.insert(match[1]);
  return names;
}

void check_complete(const std::string& command, const std::vector<OptionRow>& rows) {
  std::set<std::string> names;
  for (const OptionRow& row : rows) names.insert(row.option);
  INFO("options of " << command);
  CHECK(names == options_in_help(command));
}

}  // namespace kindling::testing
