// kindling info: what a model or a file of weights consists of.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/output.h>
#include <kindling/cli/program.h>
#include <kindling/interop/weights.h>
#include <kindling/io/elements.h>
#include <kindling/nn/summary.h>
#include <kindling/train/printable.h>

namespace kindling::cli {
namespace {

using Json = nlohmann::ordered_json;

struct InfoOptions {
  Everywhere everywhere;
  ModelChoice model;
};

void declare(InfoOptions& options, Settings& settings) { options.model.declare(settings); }

std::vector<int64_t> sizes(const Shape& shape) { return {shape.begin(), shape.end()}; }

/// "111 x 111 x 96": the shape without the batch axis.
std::string image_text(const Shape& shape) {
  std::string text;
  for (int64_t axis = 1; axis < shape.rank(); ++axis) text += (axis > 1 ? " x " : "") + std::to_string(shape[axis]);
  return text;
}

Json to_json(const LayerSummary& layer) {
  return {{"name", layer.name},
          {"kind", layer.kind},
          {"output_shape", sizes(layer.output_shape)},
          {"parameters", layer.parameters},
          {"macs", layer.macs}};
}

/// The layers of one row of the short summary, if it stands for more than one.
std::vector<LayerSummary> parts_of(const LayerSummary& row, const Summary& layers) {
  std::vector<LayerSummary> parts;
  for (const LayerSummary& layer : layers.layers)
    if (layer.name.starts_with(row.name + "/")) parts.push_back(layer);
  return parts;
}

int64_t bytes_of(Module& model) {
  int64_t bytes = 0;
  for (const NamedTensor& tensor : named_tensors(model)) bytes += tensor.value.numel() * size_of(tensor.value.dtype());
  return bytes;
}

void add_row(Table& table, const LayerSummary& layer, const std::string& name) {
  const auto count = [](int64_t number) { return number == 0 ? std::string("-") : with_commas(number); };
  table.add({name, layer.kind, image_text(layer.output_shape), count(layer.parameters), count(layer.macs)});
}

/// What a checkpoint tells besides its model.
void print_facts(const RunFacts& facts) {
  constexpr size_t kShown = 10;
  std::vector<std::string> names;
  for (const std::string& name : facts.class_names) names.push_back(printable(name));
  if (!names.empty())
    cli::print("classes: {}{}\n", fmt::join(names.begin(), names.begin() + std::min(names.size(), kShown), ", "),
               names.size() > kShown ? fmt::format(" and {} more", names.size() - kShown) : "");
  if (!facts.preprocessing) return;
  const data::Preprocessing& p = *facts.preprocessing;
  const std::string size =
      fmt::format("shorter side to {} pixels, the middle {} x {}", std::max(p.shorter, p.size), p.size, p.size);
  cli::print("pictures: {}; mean {}, std {}\n", p.size > 0 ? size : "in their own size", fmt::join(p.mean, ","),
             fmt::join(p.std, ","));
}

/// The tensors of a file, as they are.
Json tensors_of(const TensorFile& file) {
  Json list = Json::array();
  for (const StoredTensor& tensor : file.tensors)
    list.push_back({{"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", sizes(tensor.shape)}});
  return list;
}

/// Throws FileError if a checksum is wrong: all of the file is read for it.
void check_whole(const TensorFile& file) {
  for (const StoredTensor& tensor : file.tensors) tensor.value();
}

/// A model: the rows of Table 1 of the SqueezeNet paper, each followed by the layers in it.
int describe_model(const InfoOptions& options, const std::optional<RunFacts>& facts) {
  const int64_t channels = facts && facts->channels > 0 ? facts->channels : options.model.info().channels;
  Rng rng(options.everywhere.seed);
  const std::unique_ptr<Module> model = options.model.load(rng, channels);
  const int64_t size = options.model.input_size();
  const Shape input{1, size, size, channels};
  const Summary rows = summarize(*model, input, /*depth=*/1), layers = summarize(*model, input);
  const int64_t bytes = bytes_of(*model);

  if (options.everywhere.json) {
    Json list = Json::array();
    for (const LayerSummary& row : rows.layers) {
      list.push_back(to_json(row));
      for (const LayerSummary& part : parts_of(row, layers)) list.back()["parts"].push_back(to_json(part));
    }
    Json document{{"model", options.model.model},
                  {"input_shape", sizes(input)},
                  {"parameters", rows.parameters},
                  {"macs", rows.macs},
                  {"bytes", bytes},
                  {"class_names", facts ? Json(facts->class_names) : Json()},
                  {"preprocessing", facts && facts->preprocessing ? kindling::to_json(*facts->preprocessing) : Json()},
                  {"layers", list}};
    if (!options.model.weights.empty()) document["tensors"] = tensors_of(options.model.file().file);
    print_json(document);
    return kDone;
  }
  Table table({"layer", "kind", "output", "parameters", "MACs"}, {0, 1});
  table.add({"input", "", image_text(input), "", ""});
  for (const LayerSummary& row : rows.layers) {
    add_row(table, row, row.name);
    for (const LayerSummary& part : parts_of(row, layers))
      add_row(table, part, "  " + part.name.substr(row.name.size() + 1));
  }
  const std::string& file = options.model.weights;
  print("{}\n{}{}: {} parameters, {}, {} for one image\n", table.text(Style(1)), options.model.model,
        file.empty() ? "" : " in " + printable(file), with_commas(rows.parameters),
        with_unit(static_cast<double>(bytes), "B"), with_unit(static_cast<double>(rows.macs), "MACs"));
  if (facts) print_facts(*facts);
  return kDone;
}

/// Whether it is a parameter: not state of a run, and no running statistics of batch normalisation.
bool is_parameter(const std::string& name) {
  const auto ends_with = [&](const char* ending) { return name.ends_with(ending); };
  constexpr const char* kOthers[] = {"running_mean", "running_var", "num_batches_tracked",
                                     "bn/mean",      "bn/variance", "bn/count"};
  return !name.starts_with(kStatePrefix) && std::none_of(std::begin(kOthers), std::end(kOthers), ends_with);
}

/// Describes a file of weights if nothing more is known of it.
int describe_file(const InfoOptions& options) {
  const TensorFile& file = options.model.file().file;
  int64_t parameters = 0, bytes = 0;
  Json list = Json::array();
  Table table({"tensor", "dtype", "shape", "numbers", "bytes"}, {0, 1});
  for (const StoredTensor& tensor : file.tensors) {
    const Shape& shape = tensor.shape;
    const int64_t numbers = is_parameter(tensor.name) ? shape.numel() : 0;
    const int64_t bytes_of_it = shape.numel() * element_bytes(tensor.dtype);
    parameters += numbers;
    if (!tensor.name.starts_with(kStatePrefix)) bytes += bytes_of_it;
    if (!options.everywhere.json) {
      table.add({tensor.name, tensor.dtype, fmt::format("{}", fmt::join(sizes(shape), " x ")),
                 with_commas(shape.numel()), with_commas(bytes_of_it)});
      continue;
    }
    list.push_back({{"name", tensor.name},
                    {"kind", tensor.dtype},
                    {"output_shape", nullptr},
                    {"shape", sizes(shape)},
                    {"parameters", numbers},
                    {"macs", nullptr}});
  }
  if (options.everywhere.json) {
    print_json({{"weights", file.path},
                {"metadata", file.metadata},
                {"parameters", parameters},
                {"macs", nullptr},
                {"bytes", bytes},
                {"tensors", tensors_of(file)},
                {"layers", list}});
    return kDone;
  }
  print("{}\n{}: {} parameters, {}\n", table.text(Style(1)), printable(file.path), with_commas(parameters),
        with_unit(static_cast<double>(bytes), "B"));
  return kDone;
}

int run(InfoOptions& options, Settings& settings) {
  const bool has_file = !options.model.weights.empty(), names_model = settings.is_named("model");
  if (has_file) check_whole(options.model.file().file);
  if (has_file && !names_model) {
    const std::optional<Recognised>& known = options.model.file().known;
    if (known && !known->open.empty()) return describe_file(options);  // which of them it is nobody has asked
  }
  const std::optional<RunFacts> facts = apply_run_of(options.model, settings);
  if (has_file && !settings.is_set("model")) return describe_file(options);
  return describe_model(options, facts);
}

}  // namespace

void add_info(Program& program) {
  program.add<InfoOptions>(
      program.root(), "info", "Layers, shapes, parameters, MACs and bytes of a model or a file",
      "kindling info --model squeezenet1_0 --size 227\nkindling info --weights runs/photos/best.ckpt", declare, run);
}

}  // namespace kindling::cli
