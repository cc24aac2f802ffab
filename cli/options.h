// Groups of options that several commands share, and what is made from them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <kindling/cli/settings.h>
#include <kindling/data/loader.h>
#include <kindling/data/open.h>
#include <kindling/data/preprocessing.h>
#include <kindling/interop/weights.h>
#include <kindling/models/registry.h>

namespace kindling::cli {

/// The folder that a file lies in; "." of a name alone.
std::string folder_of(const std::string& file);
/// "" stays "".
std::string absolute_path(const std::string& path);

/// --data with its path, if it has one, made absolute: "folder:/home/me/photos".
std::string absolute_spec(const std::string& data);

/// Options of every command.
struct Everywhere {
  bool json = false;   ///< one JSON document on standard output and nothing else
  bool quiet = false;  ///< no progress
  int threads = 0;     ///< 0: all processors
  uint64_t seed = 0;

  void declare(Settings& settings);
  void use_threads() const;
};

/// Options of commands that make a model.
struct ModelChoice {
  std::string model = "squeezenet1_1", bypass = "none", form = "torchvision", norm = "none", conv = "auto";
  std::optional<double> dropout;      ///< nothing: the model's own
  std::optional<double> conv10_bias;  ///< at the start; for training alone, so that train declares it
  SqueezeNetMetaparameters metaparameters;
  int64_t classes = 0;   ///< 0: of the data, or the model's own
  int64_t size = 0;      ///< pixels; 0: of the data, or the model's own
  std::string weights;   ///< file to start from; empty: random
  std::string prototxt;  ///< of a .caffemodel; empty: none
  bool partial = false;  ///< take from it what fits
  /// If given, the last layer is new unless the file's fits, and the file names these classes or
  /// none.
  std::optional<std::vector<std::string>> finetuned_for;

  void declare(Settings& settings);
  /// Only the options that the shapes of the layers depend on.
  void declare_shapes(Settings& settings);
  /// Throws UsageError if nothing says which model `weights` belongs to.
  void require_model(const Settings& settings) const;
  /// Throws UsageError for pools that the model cannot have.
  ModelInfo info() const;
  bool is_squeezenet() const { return model.starts_with("squeezenet"); }
  /// Pixels of the input: `size`, or the size that the model was published with.
  int64_t input_size() const { return size > 0 ? size : info().size; }
  /// Throws UsageError with `option`, whose value is `pixels`, if the model needs larger images.
  void check_size(const std::string& option, int64_t pixels) const;
  /// Takes from the data what is left open: the number of classes, and the size. Throws UsageError
  /// if the data has more classes than the model.
  void complete(int64_t data_classes, const data::InputInfo& input);
  /// Makes the model for images of `channels` (0: the model's own), and sets the convolution
  /// algorithm. Throws UsageError for a combination that the model does not have.
  std::unique_ptr<Module> make(Rng& rng, int64_t channels = 0) const;
  /// make(), then loads the weights if a file is named. With --partial, says what did not fit; for
  /// fine-tuning, whether the last layer is new.
  std::unique_ptr<Module> load(Rng& rng, int64_t channels = 0) const;
  /// The file `weights`, which is read once. See open_weights().
  const WeightsFile& file() const;

 private:
  ModelOptions options() const;
  void load_for_finetuning(Module& model) const;

  mutable std::shared_ptr<const WeightsFile> file_;
};

/// Options of commands that read data.
struct DataChoice {
  std::string data = "shapes", labels;
  std::optional<double> val_share;  ///< nothing: each kind's own
  data::ReadOptions reading;
  int64_t max_pixels = data::DecodeOptions{}.max_pixels;
  int64_t train_images = 0;  ///< 0: all

  void declare(Settings& settings);
  /// What commands that train have besides.
  void declare_for_training(Settings& settings);
  std::vector<Effect> effects() const;
  data::OpenOptions open_options(uint64_t seed) const;
  /// Opens it to train on. Throws UsageError for options that the data cannot have.
  data::Splits open(const data::OpenOptions& options) const;
  /// Makes paths absolute, so that a run can be resumed from another folder.
  void make_absolute();
};

/// Facts about the run, which checkpoints and config.json hold beside the options.
struct RunFacts {
  int64_t channels = 0;                                   ///< of the images
  std::vector<std::string> class_names = {};              ///< empty if the data gave none
  std::optional<data::Preprocessing> preprocessing = {};  ///< nothing if not known, as config.json does not tell it
  bool self_described = false;                            ///< by the file, not by config.json
  bool pixels_are_guessed = false;                        ///< any `preprocessing` is by the names of the tensors

  nlohmann::json to_json() const;
  /// Removes the facts (and "version" and "machine") from `config`, so that only options are left.
  /// Throws FileError "SOURCE: ..." if a fact does not have its type.
  static RunFacts take_from(nlohmann::json& config, const std::string& source);
  /// Throws Error if the facts of the data `spec` differ: a class number or a channel would mean
  /// something else.
  void check_same(const RunFacts& of_data, const std::string& spec) const;
};

/// Reads a file of weights. Throws FileError for a folder and for a picture, and says what to name
/// instead.
WeightsFile open_weights(const std::string& path, const std::string& prototxt = "");

/// Throws UsageError: the tensors of the file fit several models, by `open` (see Recognised).
[[noreturn]] void refuse_several(const std::string& path, const Choices& open);

/// The config.json of the run in whose folder a file of weights lies; null if it lies in none.
nlohmann::json config_of_run(const std::string& weights);

/// Makes what the file of weights says or shows of its model the next layer of the settings, except
/// the options `without`. Returns nothing if its model is not known. Throws UsageError, naming the
/// candidates, if its tensors fit several models and the user has not named one.
std::optional<RunFacts> apply_description_of(const ModelChoice& model, Settings& settings,
                                             const std::vector<std::string>& without = {});
/// The same, and makes the run of a checkpoint the layer below: its data, and everything else if
/// the checkpoint does not describe itself. Returns nothing if there is neither.
std::optional<RunFacts> apply_run_of(const ModelChoice& model, Settings& settings);

}  // namespace kindling::cli
