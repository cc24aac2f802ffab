#include <kindling/cli/recipe.h>

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/output.h>
#include <kindling/data/loader.h>
#include <kindling/interop/description.h>
#include <kindling/models/definition.h>
#include <kindling/nn/freeze.h>
#include <kindling/optim/adam.h>
#include <kindling/optim/muon.h>
#include <kindling/optim/sgd.h>
#include <kindling/tensor/kernels/tasks.h>
#include <kindling/train/printable.h>

namespace kindling::cli {
namespace {

constexpr size_t kColours = 3;

/// Momentum around its middle value, as Smith and Topin cycle it: for 0.9 from 0.95 to 0.85 and
/// back. What the velocity forgets at each update, 1 - momentum, is half as much at both ends of
/// the cycle, and half as much again where the rate is highest. 0 stays 0.
void cycle_around(double momentum, OneCycleOptions& cycle) {
  cycle.cycle_momentum = momentum > 0;
  cycle.max_momentum = 1 - 0.5 * (1 - momentum);
  cycle.base_momentum = std::max(0.0, 1 - 1.5 * (1 - momentum));
}

/// torchvision's 256 for 224 pixels.
int64_t an_eighth_larger(int64_t size) { return size * 8 / 7; }

}  // namespace

void Images::declare(Settings& settings) {
  settings.group("Images");
  settings.add("preprocess", preprocess, "WHOSE", "Sizes and pixels of ImageNet's models: torchvision, caffe")
      ->check(one_of(form_words()));
  settings.add("mean", mean, "R,G,B", "Subtracted from pixels 0..255 (default ImageNet's)")->check(finite());
  settings.add("std", std, "R,G,B", "Divided by afterwards")->check(above(0));
}

void Images::apply_preprocess(Settings& settings) {
  if (preprocess.empty()) return;
  described = imagenet_preprocessing(preprocess);
  settings.apply({{"size", described->size}, {"mean", described->mean}, {"std", described->std}},
                 "--preprocess " + preprocess, Layer::run, Settings::Unknown::pass_over);
}

void Images::take(const std::string& weights, const std::optional<data::Preprocessing>& of_weights, bool is_guess) {
  if (!preprocess.empty()) return;
  described = of_weights;
  if (described && is_guess)
    say(
        fmt::format("note: {} does not say how a picture becomes an input; by the names of its tensors as {} does it "
                    "(--preprocess torchvision or caffe decides)\n",
                    printable(weights), described->bgr ? "Caffe" : "torchvision"));
}

void Images::complete(int64_t channels) {
  const auto count = static_cast<size_t>(channels);
  const data::Preprocessing of_colours = data::torchvision_preprocessing();
  if (mean.empty()) mean = count == kColours ? of_colours.mean : std::vector<double>(count, 127.5);
  if (std.empty()) std = count == kColours ? of_colours.std : std::vector<double>(count, 127.5);
  if (mean.size() != count || std.size() != count)
    throw UsageError(fmt::format("--mean has {} values and --std {}, but the images have {} channels", mean.size(),
                                 std.size(), channels));
}

data::Transform Images::normalize() const {
  const data::Transform numbers = data::normalize({mean.begin(), mean.end()}, {std.begin(), std.end()});
  return described && described->bgr ? data::compose({data::reverse_channels(), numbers}) : numbers;
}

data::Preprocessing Images::preprocessing(int64_t size, const data::InputInfo& input) const {
  int64_t shorter = input.is_square() ? size : an_eighth_larger(size);
  if (described && described->size > 0) shorter = std::max(size, described->shorter * size / described->size);
  return {.size = size,
          .shorter = shorter,
          .mean = mean,
          .std = std,
          .whole = described && described->whole,
          .bgr = described && described->bgr};
}

void declare_optimizer(std::string& optimizer, Settings& settings) {
  settings.add("optimizer", optimizer, "NAME", "sgd, adam, adamw, muon")
      ->check(one_of({"sgd", "adam", "adamw", "muon"}));
}

void Recipe::declare(Settings& settings) {
  settings.group("Training");
  settings.add("epochs", epochs, "N", "Times through the training set")->check(at_least(1));
  settings.add("batch-size", batch_size, "N", "Images per batch")->check(at_least(1));
  settings.add("accumulate", accumulate, "N", "Batches per update")->check(at_least(1));
  settings.add("micro-batch", micro_batch, "N", "Images a thread works on at once; 0: chosen")->check(at_least(0));
  settings.add_switch("drop-last", drop_last, "Leave out an epoch's last batch if it is smaller");
  declare_optimizer(optimizer, settings);
  settings.add("lr", lr, "X", "Learning rate, the schedule's highest (default 0.01, of adam and adamw 0.001)")
      ->check(at_least(0));
  settings
      .add("momentum", momentum, "X",
           "Of sgd and muon; beta1 of adam. In onecycle the middle: for 0.9 from 0.95 to 0.85 and back")
      ->check(in_range(0, 1));
  settings.add_switch("nesterov", nesterov, "Nesterov's momentum");
  settings.add("momentum-form", momentum_form, "FORM", "pytorch: lr times the velocity; caffe: lr inside it")
      ->check(one_of({"pytorch", "caffe"}));
  settings.add("weight-decay", weight_decay, "X", "L2 penalty on all parameters; decoupled in adamw, muon")
      ->check(at_least(0));
  settings
      .add("init", init, "HOW",
           "model: as the model is defined; lsuv: then each layer scaled until the first "
           "images leave it with a mean square of 1")
      ->check(one_of({"model", "lsuv"}));
  settings.add("freeze", freeze, "REGEX", "Parameters whose names match do not learn, as \"^(conv1|fire[2-5])/\"");
  settings.add("head-lr", head_lr, "FACTOR", "Of the last layer: times the learning rate")->check(above(0));
  settings.add("clip-norm", clip_norm, "X", "Longest gradient; 0: no limit")->check(at_least(0));
  settings.add("label-smoothing", label_smoothing, "X", "Share of the target spread over all classes")
      ->check(in_range(0, 1));

  settings.group("Schedule of the learning rate");
  settings.add("schedule", schedule, "NAME", "constant, poly, step, multistep, cosine, onecycle")
      ->check(one_of(schedule_names()));
  settings.add("warmup", warmup, "N", "Updates in which it first rises in a line")->check(at_least(0));
  settings.add("power", power, "X", "Of poly")->check(at_least(0));
  settings.add("gamma", gamma, "X", "Of step and multistep: the factor each time")->check(at_least(0));
  settings.add("step-every", step_every, "N", "Of step: epochs between")->check(at_least(1));
  settings.add("milestones", milestones, "N,N", "Of multistep: epochs")->check(at_least(1));
  settings.add("pct-start", pct_start, "X", "Of onecycle: share of the updates in which it rises")
      ->check(between(0, 1));
  settings.add("div-factor", div_factor, "X", "Of onecycle: starts at lr / X")->check(at_least(1));
  settings.add("final-div-factor", final_div_factor, "X", "Of onecycle: ends X times below its start")
      ->check(at_least(1));

  settings.group("Images");
  settings
      .add("augment", augment, "KIND,KIND",
           "pad-crop, resized-crop, flip, color, cutout, or none (default resized-crop,flip "
           "for photographs of different sizes, else none; of preset photos also pad-crop)")
      ->check(one_of({"none", "pad-crop", "resized-crop", "flip", "color", "cutout"}));
  settings.add("crop-padding", crop_padding, "PX", "Of pad-crop: zeros on each side (default an eighth of the image)")
      ->check(at_least(0));
  settings.add("crop-scale", crop_scale, "X", "Of resized-crop: smallest share of the image's area")
      ->check(above_to(0, 1));
  settings.add("cutout-size", cutout_size, "PX", "Of cutout: width of the square")->check(at_least(1));
  settings.add("early-epochs", early_epochs, "N", "First epochs, with smaller images (progressive resizing)")
      ->check(at_least(0));
  settings.add("early-size", early_size, "PX", "Their height and width")->check(at_least(0));
}

std::vector<Effect> Recipe::effects() const {
  const auto with = [](const char* choice, const std::string& value, const char* owners) {
    return fmt::format("with --{} {}: it is for {}", choice, value, owners);
  };
  const auto of_schedule = [&](const char* option, bool has, const char* owners) {
    return Effect{option, has, with("schedule", schedule, owners)};
  };
  const bool sgd = optimizer == "sgd", step = schedule == "step", multistep = schedule == "multistep";
  const bool one_cycle = schedule == "onecycle", open = augment.empty();  // until complete()
  const std::string no_momentum = "with --momentum 0";
  return {{"nesterov", !nesterov || sgd, with("optimizer", optimizer, "sgd")},
          {"nesterov", !nesterov || momentum > 0, no_momentum},
          {"momentum-form", sgd, with("optimizer", optimizer, "sgd")},
          {"momentum-form", momentum > 0, no_momentum},
          of_schedule("power", schedule == "poly", "poly"),
          of_schedule("gamma", step || multistep, "step and multistep"),
          of_schedule("step-every", step, "step"),
          of_schedule("milestones", multistep, "multistep"),
          of_schedule("pct-start", one_cycle, "onecycle"),
          of_schedule("div-factor", one_cycle, "onecycle"),
          of_schedule("final-div-factor", one_cycle, "onecycle"),
          {"crop-padding", open || augments_by("pad-crop"), "without --augment pad-crop"},
          {"crop-scale", open || augments_by("resized-crop"), "without --augment resized-crop"},
          {"cutout-size", open || augments_by("cutout"), "without --augment cutout"}};
}

void Recipe::drop_what_has_no_effect() { nesterov = nesterov && optimizer == "sgd" && momentum > 0; }

void Recipe::complete(const data::InputInfo& input) {
  if (!lr) lr = optimizer == "sgd" || optimizer == "muon" ? 0.01 : 0.001;
  if (augment.empty())
    augment = input.size ? std::vector<std::string>{"none"} : std::vector<std::string>{"resized-crop", "flip"};
  if (augments_by("none") && augment.size() > 1) throw UsageError("--augment: none goes with nothing else");
  if (augments_by("color") && input.channels == 2) throw UsageError("--augment: color needs 1 or 3 channels");
  if (schedule == "multistep" && milestones.empty()) throw UsageError("--schedule multistep needs --milestones");
  if (!std::is_sorted(milestones.begin(), milestones.end()))
    throw UsageError("--milestones must be in ascending order");
  if ((early_size > 0) != (early_epochs > 0)) throw UsageError("--early-epochs and --early-size go together");
}

bool Recipe::augments_by(const std::string& kind) const {
  return std::find(augment.begin(), augment.end(), kind) != augment.end();
}

void Recipe::freeze_parameters(Module& model) const {
  if (freeze.empty()) return;
  try {
    kindling::freeze(model, freeze);
  } catch (const Error& error) {
    throw UsageError(std::string("--") + error.what());
  }
  if (trainable(model).empty()) throw UsageError("--freeze: \"" + freeze + "\" matches all, so nothing would learn");
}

std::vector<ParameterGroup> Recipe::groups(Module& model) const {
  ParameterGroup body, head{.parameters = {}, .lr_factor = head_lr};
  for (const auto& [name, parameter] : trainable(model))
    (layer_of(name) == head_of(model) ? head : body).parameters.push_back(parameter);
  return {body, head};
}

std::unique_ptr<Optimizer> Recipe::make_optimizer(Module& model) const {
  if (optimizer == "sgd")
    return std::make_unique<SGD>(
        groups(model), SGDOptions{.lr = *lr,
                                  .momentum = momentum,
                                  .weight_decay = weight_decay,
                                  .nesterov = nesterov,
                                  .form = momentum_form == "caffe" ? MomentumForm::caffe : MomentumForm::pytorch});
  if (optimizer == "muon")
    return std::make_unique<Muon>(groups(model),
                                  MuonOptions{.lr = *lr, .momentum = momentum, .weight_decay = weight_decay});
  const AdamOptions options{.lr = *lr, .beta1 = momentum, .weight_decay = weight_decay};
  if (optimizer == "adam") return std::make_unique<Adam>(groups(model), options);
  return std::make_unique<AdamW>(groups(model), options);
}

int64_t Recipe::updates_per_epoch(int64_t samples) const {
  return ceil_div(data::batch_count(samples, batch_size, drop_last), accumulate);
}

Schedule Recipe::make_schedule(int64_t samples) const {
  const int64_t updates = updates_per_epoch(samples);
  ScheduleOptions options{
      .power = power,
      .every = step_every * updates,
      .gamma = gamma,
      .one_cycle = {.pct_start = pct_start, .div_factor = div_factor, .final_div_factor = final_div_factor},
      .warmup = warmup};
  cycle_around(momentum, options.one_cycle);
  for (const int64_t epoch : milestones) options.milestones.push_back(epoch * updates);
  return kindling::make_schedule(schedule, options);
}

// Colours are changed on pixels 0..255. What puts zeros in comes last, so that they are the mean colour.
data::Transform Recipe::train_transform(int64_t size, const data::InputInfo& input, const Images& images) const {
  std::vector<data::Transform> steps;
  steps.push_back(augments_by("resized-crop") ? data::random_resized_crop(size, {.scale = {crop_scale, 1.0}})
                                              : data::cut_out(images.preprocessing(size, input)));
  if (augments_by("color")) steps.push_back(data::color_jitter());
  if (augments_by("flip")) steps.push_back(data::random_flip());
  steps.push_back(images.normalize());
  if (augments_by("pad-crop")) steps.push_back(data::pad_and_crop(crop_padding.value_or(size / 8)));
  if (augments_by("cutout")) steps.push_back(data::cutout(cutout_size));
  return data::compose(std::move(steps));
}

data::Transform Recipe::early_transform(int64_t size, const data::InputInfo& input, const Images& images) const {
  const data::Transform whole = train_transform(size, input, images);
  return early_size > 0 ? data::compose({whole, data::resize(early_size)}) : whole;
}

}  // namespace kindling::cli
