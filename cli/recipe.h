// How to learn: the options of `train`, and optimiser, schedule and transforms made from them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <kindling/cli/settings.h>
#include <kindling/data/open.h>
#include <kindling/data/preprocessing.h>
#include <kindling/nn/module.h>
#include <kindling/optim/optimizer.h>
#include <kindling/optim/schedule.h>

namespace kindling::cli {

/// Options on how images become inputs.
struct Images {
  std::string preprocess;                        ///< "torchvision", "caffe"; empty: as the weights say
  std::vector<double> mean, std;                 ///< per channel, in 0..255; empty: complete() chooses
  std::optional<data::Preprocessing> described;  ///< by --preprocess, or by the weights that the command begins with

  void declare(Settings& settings);
  /// Makes what --preprocess stands for the next layer of the settings, if it is set.
  void apply_preprocess(Settings& settings);
  /// Takes the preprocessing from the file `weights`, unless --preprocess is set. A note tells if
  /// it is only a guess by the names in the file.
  void take(const std::string& weights, const std::optional<data::Preprocessing>& of_weights, bool is_guess);
  /// Fills what is left open: the mean and std of ImageNet for colours, 127.5 and 127.5 otherwise.
  /// Throws UsageError if the number of values is not that of the channels.
  void complete(int64_t channels);
  data::Transform normalize() const;
  /// For inputs of `size` pixels: as `described` says. Otherwise squares are resized. Other
  /// pictures are resized to be an eighth larger (as torchvision's 256 for 224), and the middle is
  /// cut out.
  data::Preprocessing preprocessing(int64_t size, const data::InputInfo& input) const;
};

/// --optimizer, by name.
void declare_optimizer(std::string& optimizer, Settings& settings);

struct Recipe {
  int64_t epochs = 10, batch_size = 32, accumulate = 1, micro_batch = 0;
  bool drop_last = false;
  std::string optimizer = "sgd", momentum_form = "pytorch";
  std::optional<double> lr;  ///< complete() chooses
  double momentum = 0.9;     ///< the middle of onecycle's, see cycle_around() in recipe.cpp
  bool nesterov = false;
  double weight_decay = 0.0002, clip_norm = 1.0, label_smoothing = 0.0;
  std::string schedule = "poly";
  int64_t warmup = 0;               ///< updates
  double power = 1.0, gamma = 0.1;  ///< of poly; of step and multistep
  int64_t step_every = 10;          ///< epochs
  std::vector<int64_t> milestones;  ///< epochs
  double pct_start = 0.3, div_factor = 25.0, final_div_factor = 1e4;
  std::vector<std::string> augment;     ///< empty: complete() chooses
  std::optional<int64_t> crop_padding;  ///< pixels; nothing: an eighth of the image
  double crop_scale = 0.08;             ///< smallest share of the image that resized-crop takes
  int64_t cutout_size = 8;              ///< pixels
  std::string init = "model";
  std::string freeze;                        ///< a regular expression for names of parameters; empty: none
  double head_lr = 1.0;                      ///< of the last layer: times the learning rate
  int64_t early_size = 0, early_epochs = 0;  ///< pixels of the images in the first epochs; 0: no other

  void declare(Settings& settings);
  /// Which options have an effect beside the others: some belong to one optimiser, schedule or
  /// augmentation.
  std::vector<Effect> effects() const;
  /// Turns off what a preset has turned on without effect: Nesterov's momentum without momentum, or
  /// with another optimiser.
  void drop_what_has_no_effect();
  /// Fills what is left open: the learning rate (0.01 for SGD and Muon, 0.001 for Adam and AdamW),
  /// and crops and flips for photographs of different sizes. Throws UsageError for settings that do
  /// not go together.
  void complete(const data::InputInfo& input);

  /// Freezes the parameters that --freeze names. Throws UsageError if it names none, or all.
  void freeze_parameters(Module& model) const;
  /// For the parameters that are not frozen.
  std::unique_ptr<Optimizer> make_optimizer(Module& model) const;
  int64_t updates_per_epoch(int64_t samples) const;
  /// For a training set of so many samples.
  Schedule make_schedule(int64_t samples) const;
  /// Whether nothing in it is random.
  bool leaves_images_alone() const { return augments_by("none") && early_epochs == 0; }
  data::Transform train_transform(int64_t size, const data::InputInfo& input, const Images& images) const;
  /// The transform of the first epochs: the same, and then a resize to their size.
  data::Transform early_transform(int64_t size, const data::InputInfo& input, const Images& images) const;

 private:
  bool augments_by(const std::string& kind) const;
  std::vector<ParameterGroup> groups(Module& model) const;
};

}  // namespace kindling::cli
