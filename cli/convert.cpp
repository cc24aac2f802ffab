// kindling convert: from one format of weights to another.
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/output.h>
#include <kindling/cli/program.h>
#include <kindling/interop/weights.h>
#include <kindling/io/kndz.h>
#include <kindling/models/definition.h>
#include <kindling/train/printable.h>

namespace kindling::cli {
namespace {

struct ConvertCommand {
  Everywhere everywhere;
  std::string model, bypass, form, preprocess, names, prototxt;
  std::vector<std::string> files;
};

void declare(ConvertCommand& options, Settings& settings) {
  settings.group("Files");
  settings.add_words(
      options.files, "IN OUT",
      "OUT's ending says its format: .pth, .pt, .caffemodel, .kndz, .npz, .npy; safetensors for all others");
  settings.add("prototxt", options.prototxt, "FILE",
               "Of a .caffemodel: by whose names, types and order to take its layers");
  settings
      .add("names", options.names, "WHOSE",
           "Names and order of axes in OUT: kindling, torchvision, caffe (default: what is usual in the format)")
      ->check(one_of(naming_words()));
  settings.add("preprocess", options.preprocess, "WHOSE", "What OUT says of pixels: torchvision, caffe")
      ->check(one_of(form_words()));
  settings.group("Where IN fits several models");
  settings.add("model", options.model, "NAME", "Which it is for")->check(one_of(model_names()));
  settings.add("bypass", options.bypass, "KIND", "Of SqueezeNets: none, simple, complex")
      ->check(one_of(bypass_words()));
  settings.add("form", options.form, "FORM", "Whose definition: torchvision, caffe")->check(one_of(form_words()));
}

/// Which options have an effect: none of these on tensors of no known model, and on a file that
/// says what model it holds only what it leaves out.
std::vector<Effect> effects(const WeightsFile& from) {
  const std::string& in = from.file.path;
  std::vector<Effect> result;
  const std::string unknown = fmt::format("on {}: its tensors are those of no model that is known", in);
  for (const char* option : {"names", "preprocess", "model", "bypass", "form"})
    result.push_back({option, from.known.has_value(), unknown});
  if (!from.known) return result;
  const Definition& model = from.known->description.model;
  const std::string told = fmt::format("on {}, which says what model it holds", in);
  result.push_back({"model", from.known->by_names, told});
  for (const char* option : {"bypass", "form"})
    result.push_back({option, from.known->by_names || !model.options.contains(option), told});
  result.push_back({"bypass", model.model.starts_with("squeezenet"), fmt::format("on {}: it is no SqueezeNet", in)});
  return result;
}

/// The model of IN: what is known of it, with what the command line says.
Definition definition_of(const ConvertCommand& options, const WeightsFile& from) {
  Definition definition = from.known->description.model;
  auto open = from.known->open;
  for (const auto& [option, value] :
       {std::pair("model", options.model), std::pair("bypass", options.bypass), std::pair("form", options.form)}) {
    if (value.empty()) continue;
    (option == std::string("model") ? definition.model : definition.options[option]) = value;
    open.erase(option);
  }
  if (!open.empty()) refuse_several(from.file.path, open);
  return definition;
}

/// What OUT says of itself: what IN does, or what is known by the names and the options.
Description describe(const ConvertCommand& options, const WeightsFile& from, const Module& model) {
  Description result = from.known->description;
  result.model = model.definition();
  if (!options.preprocess.empty()) result.preprocessing = imagenet_preprocessing(options.preprocess);
  return result;
}

/// Whether all of the file's numbers are doubles.
bool is_double(const TensorFile& file) {
  return std::all_of(file.tensors.begin(), file.tensors.end(),
                     [](const StoredTensor& tensor) { return tensor.dtype == "F64"; });
}

struct Written {
  std::string model = {};  ///< its name, if it is known
  int64_t tensors = 0, parameters = 0;
};

/// A model that is known: under the names that OUT is to have. What is compressed stays so.
Written convert_model(const ConvertCommand& options, const WeightsFile& from) {
  std::optional<Naming> naming;
  for (size_t i = 0; i < naming_words().size(); ++i)
    if (naming_words()[i] == options.names) naming = static_cast<Naming>(i);
  Rng rng(0);
  const std::unique_ptr<Module> model = make_model(definition_of(options, from), rng);
  shrink_as_in(*model, from);
  if (is_double(from.file)) model->to(DType::f64);
  load(*model, from);
  const std::string& out = options.files[1];
  if (!naming && format_of_file(from.file.path) == FileFormat::kndz && format_of_name(out) == FileFormat::kndz)
    write_kndz(out, read_kndz(from.file.path).tensors, to_metadata(describe(options, from, *model)));
  else
    save(*model, out, describe(options, from, *model), naming);
  return {.model = model->definition().model,
          .tensors = std::ssize(named_tensors(*model)),
          .parameters = model->parameter_count()};
}

/// Tensors of no model that is known: as they are.
Written convert_tensors(const ConvertCommand& options, const TensorFile& file) {
  const std::string& out = options.files[1];
  if (format_of_name(out) == FileFormat::caffe)
    throw Error(file.path +
                ": its tensors are those of no model that is known, so that they cannot be renamed for Caffe");
  Written written;
  std::vector<NamedTensor> tensors;
  for (const StoredTensor& tensor : file.tensors) {
    if (tensor.name.starts_with(kStatePrefix)) continue;
    tensors.push_back({tensor.name, tensor.value()});
    written.parameters += tensor.shape.numel();
  }
  written.tensors = std::ssize(tensors);
  write_tensor_file(out, format_of_name(out), tensors, file.metadata);
  return written;
}

int run(ConvertCommand& options, Settings& settings) {
  if (options.files.size() != 2) throw UsageError("which files? Name two: kindling convert IN OUT");
  const std::string &in = options.files[0], &out = options.files[1];
  std::error_code ignored;
  if (std::filesystem::equivalent(in, out, ignored)) throw UsageError(out + ": is IN itself: name another file");
  const WeightsFile from = open_weights(in, options.prototxt);
  settings.check_effects(effects(from));
  const Written written = from.known ? convert_model(options, from) : convert_tensors(options, from.file);

  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(out));
  if (options.everywhere.json)
    print_json({{"in", in},
                {"out", out},
                {"format", name_of(format_of_name(out))},
                {"model", from.known ? nlohmann::ordered_json(written.model) : nlohmann::ordered_json()},
                {"tensors", written.tensors},
                {"parameters", written.parameters},
                {"bytes", bytes}});
  else
    print("{}: {}, {}, {} parameters, {}{}\n", printable(out), name_of(format_of_name(out)),
          counted(written.tensors, "tensor"), with_commas(written.parameters),
          with_unit(static_cast<double>(bytes), "B"), written.model.empty() ? "" : " (" + written.model + ")");
  return kDone;
}

}  // namespace

void add_convert(Program& program) {
  program.add<ConvertCommand>(program.root(), "convert", "From one format of weights to another",
                              "kindling convert squeezenet1_1.pth squeezenet1_1.safetensors\n"
                              "kindling convert runs/photos/best.ckpt for_pytorch.pth",
                              declare, run);
}

}  // namespace kindling::cli
