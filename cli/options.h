// Groups of options that several commands share, and what is made from them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <kindling/cli/settings.h>
#include <kindling/data/open.h>
#include <kindling/data/preprocessing.h>
#include <kindling/models/registry.h>

namespace kindling::cli {

/// "" stays "".
std::string absolute_path(const std::string& path);

/// Of every command.
struct Everywhere {
  bool json = false;   ///< one JSON document on standard output and nothing else
  bool quiet = false;  ///< no progress
  int threads = 0;     ///< 0: all processors
  uint64_t seed = 0;

  void declare(Settings& settings);
  void use_threads() const;
};

/// Where a model is made.
struct ModelChoice {
  std::string model = "squeezenet1_1", bypass = "none", form = "torchvision", norm = "none", conv = "auto";
  std::optional<double> dropout;      ///< nothing: the model's own
  std::optional<double> conv10_bias;  ///< at the start; for training alone, so that train declares it
  int64_t classes = 0;                ///< 0: of the data, or the model's own
  int64_t size = 0;                   ///< pixels; 0: of the data, or the model's own
  std::string weights;                ///< file to start from; empty: random

  void declare(Settings& settings);
  /// Those options alone on which the shapes of the layers depend.
  void declare_shapes(Settings& settings);
  /// Throws UsageError if nothing has set the model that `weights` is for.
  void require_model(const Settings& settings) const;
  ModelInfo info() const;
  bool is_squeezenet() const { return model.starts_with("squeezenet"); }
  /// Pixels of the input: `size`, or what the model was published with.
  int64_t input_size() const { return size > 0 ? size : info().size; }
  /// Throws UsageError naming `option`, whose value `pixels` is, if the model needs larger images.
  void check_size(const std::string& option, int64_t pixels) const;
  /// Fills what is open from the data: the number of classes, and the size. Throws UsageError if the data has more
  /// classes.
  void complete(int64_t data_classes, const data::InputInfo& input);
  /// Makes it, for images of `channels` (0: the model's own), and sets the convolution algorithm. Throws UsageError for
  /// a combination that the model does not have.
  std::unique_ptr<Module> make(Rng& rng, int64_t channels = 0) const;
  /// make(), then the weights of the file, if one is named.
  std::unique_ptr<Module> load(Rng& rng, int64_t channels = 0) const;
};

/// Where data is read.
struct DataChoice {
  std::string data = "shapes", labels;
  std::optional<double> val_share;  ///< nothing: each kind's own
  int workers = 1;
  bool strict = false;
  int64_t max_pixels = data::DecodeOptions{}.max_pixels;

  void declare(Settings& settings);
  std::vector<Effect> effects() const;
  data::OpenOptions open_options(uint64_t seed) const;
  /// Paths become absolute, so that a run can be resumed from another folder.
  void make_absolute();
};

/// What checkpoints and config.json hold beside options: facts about the run.
struct RunFacts {
  int64_t channels = 0;                                   ///< of the images
  std::vector<std::string> class_names = {};              ///< empty if the data gave none
  std::optional<data::Preprocessing> preprocessing = {};  ///< nothing if not known, as config.json does not tell it
  bool self_described = false;                            ///< by the checkpoint, not by config.json

  nlohmann::json to_json() const;
  /// Takes the facts (and "version" and "machine") out of `config`, so that options are left. Throws FileError
  /// "SOURCE: ..." if one is not of its type.
  static RunFacts take_from(nlohmann::json& config, const std::string& source);
  /// Throws Error if those of the data `spec` are others: a class number or channel would not mean the same.
  void check_same(const RunFacts& of_data, const std::string& spec) const;
};

/// Throws FileError, with what to name instead, for a folder and for a picture.
void check_is_weights(const std::string& path);

/// What the checkpoint `weights` says of its model, but for the options named in `without`, becomes the settings' next
/// layer. Nothing if it describes no model.
std::optional<RunFacts> apply_description_of(const std::string& weights, Settings& settings,
                                             const std::vector<std::string>& without = {});
/// The same, and then the run that the checkpoint lies in as the layer below: its data, and all else of checkpoints
/// that do not describe themselves. Nothing if there is neither.
std::optional<RunFacts> apply_run_of(const std::string& weights, Settings& settings);

}  // namespace kindling::cli
