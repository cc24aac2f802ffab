#include <kindling/cli/presets.h>

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace kindling::cli {

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all{
      {"shapes",
       "drawn figures, without any files: over 95 % in two minutes",
       {{"data", "shapes"},
        {"model", "squeezenet_cifar"},
        {"norm", "batch"},
        {"epochs", 10},
        {"batch_size", 64},
        {"lr", 0.1},
        {"momentum", 0.9},
        {"nesterov", true},
        {"weight_decay", 0.0005},
        {"clip_norm", 0},
        {"schedule", "onecycle"},
        {"pct_start", 0.2},
        {"drop_last", true},
        {"augment", {"flip"}},
        {"mean", {127.5, 127.5, 127.5}},
        {"std", {63.75, 63.75, 63.75}}}},
      // Smith and Topin's one-cycle schedule (arXiv:1708.07120) with momentum 0.95 to 0.85 and back; mean and std of
      // CIFAR-10's training pixels; zeros are padded after normalisation, so they are the mean colour.
      {"cifar",
       "CIFAR-10 in 12 epochs, with any bypass",
       {{"model", "squeezenet_cifar"},
        {"epochs", 12},
        {"batch_size", 64},
        {"lr", 0.04},
        {"momentum", 0.9},
        {"nesterov", true},
        {"weight_decay", 0.0005},
        {"clip_norm", 1},
        {"schedule", "onecycle"},
        {"pct_start", 0.2},
        {"div_factor", 25},
        {"final_div_factor", 10000},
        {"drop_last", true},
        {"augment", {"pad-crop", "flip"}},
        {"crop_padding", 4},
        {"mean", {125.3, 123.0, 113.9}},
        {"std", {63.0, 62.1, 66.7}},
        {"val_share", 0.05}}},
      {"cifar-best",
       "CIFAR-10 as well as SqueezeNet can, in 21 epochs",
       {{"model", "squeezenet_cifar"},
        {"bypass", "complex"},
        {"norm", "batch"},
        {"dropout", 0.1},
        {"epochs", 21},
        {"batch_size", 128},
        {"optimizer", "muon"},
        {"lr", 0.01},
        {"weight_decay", 0.05},
        {"clip_norm", 0},
        {"schedule", "onecycle"},
        {"pct_start", 0.2},
        {"drop_last", true},
        {"augment", {"pad-crop", "flip"}},
        {"crop_padding", 4},
        {"mean", {125.3, 123.0, 113.9}},
        {"std", {63.0, 62.1, 66.7}},
        {"val_share", 0.05}}},
      // docs/photographs.md: why, and what it reaches. The model, the images' size and their augmentation follow from
      // the pictures (choose_by_pictures).
      {"photos",
       "folders of pictures of one's own, 15 epochs; chosen by --data folder:PATH. --model, --size and --augment "
       "follow "
       "from the pictures. Naming --model leaves out its bypass, norm and dropout; naming --optimizer its lr, "
       "momentum, "
       "weight-decay and clip-norm; naming --schedule its pct-start",
       {{"bypass", "complex"},
        {"norm", "batch"},
        {"dropout", 0.2},
        {"conv10_bias", 1},
        {"init", "lsuv"},
        {"epochs", 15},
        {"batch_size", 32},
        {"optimizer", "muon"},
        {"lr", 0.005},
        {"momentum", 0.9},
        {"weight_decay", 0.05},
        {"clip_norm", 1},
        {"schedule", "onecycle"},
        {"pct_start", 0.3},
        {"drop_last", true},
        {"crop_scale", 0.35}},
       {{"model", {"bypass", "norm", "dropout"}},
        {"optimizer", {"lr", "momentum", "weight_decay", "clip_norm"}},
        {"schedule", {"pct_start"}}}},
      // docs/finetuning.md: why, and what it reaches. The size, the crops and the epochs follow from the pictures.
      {"finetune",
       "from --weights FILE to one's own pictures, with a new last layer. --size, --augment and --epochs follow "
       "from the pictures. Naming --optimizer leaves out its lr, momentum, weight-decay and clip-norm",
       {{"conv10_bias", 1},
        {"batch_size", 32},
        {"optimizer", "muon"},
        {"lr", 0.001},
        {"head_lr", 10},
        {"momentum", 0.9},
        {"weight_decay", 0.05},
        {"clip_norm", 1},
        {"schedule", "onecycle"},
        {"pct_start", 0.2},
        {"crop_scale", 0.5}},
       {{"optimizer", {"lr", "momentum", "weight_decay", "clip_norm"}}, {"schedule", {"pct_start"}}}},
  };
  return all;
}

std::string Preset::words() const {
  std::string text;
  for (const auto& [key, value] : values.items()) {
    std::string word = (text.empty() ? "--" : " --") + key;
    std::replace(word.begin(), word.end(), '_', '-');
    text += word;
    if (value.is_boolean()) continue;  // a switch that is on
    std::vector<std::string> parts;
    for (const nlohmann::json& part : value) parts.push_back(part.is_string() ? part.get<std::string>() : part.dump());
    text += fmt::format("={}", fmt::join(parts, ","));
  }
  return text;
}

nlohmann::json Preset::values_beside(const std::vector<std::string>& named) const {
  nlohmann::json left = values;
  for (const auto& [choice, keys] : goes_with)
    if (std::find(named.begin(), named.end(), choice) != named.end())
      for (const std::string& key : keys) left.erase(key);
  return left;
}

void add_preset(Settings& settings, std::string& variable, const std::vector<Preset>& presets) {
  std::string list;
  std::vector<std::string> names;
  for (const Preset& preset : presets) {
    list += fmt::format("\n{}: {}\n  {}", preset.name, preset.summary, preset.words());
    names.push_back(preset.name);
  }
  settings.add("preset", variable, "NAME", "Values for everything not given otherwise:" + list)->check(one_of(names));
}

const Preset& find_preset(const std::string& name, const std::vector<Preset>& presets) {
  return *std::find_if(presets.begin(), presets.end(), [&](const Preset& preset) { return preset.name == name; });
}

}  // namespace kindling::cli
