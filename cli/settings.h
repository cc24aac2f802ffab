// The options of a command, which a JSON file, a preset or a run's config.json can set as well.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <kindling/tensor/check.h>

// CLI11 takes seconds to compile wherever it is included: settings.cpp and program.cpp alone do it.
namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace kindling::cli {

/// The command line asks for something impossible: exit code 2. All other failures are exit code 1.
struct UsageError : Error {
  using Error::Error;
};

/// The largest integer that an option takes, so that products of some do not overflow.
inline constexpr int64_t kLargestInteger = 1'000'000'000;

/// Checks the value of an option as it was written. Returns "", or a message that says what is
/// allowed. Numbers that are not finite are never allowed.
using ValueCheck = std::function<std::string(const std::string& text)>;

/// One of these words.
ValueCheck one_of(const std::vector<std::string>& words);
ValueCheck at_least(double smallest);
ValueCheck above(double low);
/// In [low, high).
ValueCheck in_range(double low, double high);
/// In (low, high).
ValueCheck between(double low, double high);
/// In (low, high].
ValueCheck above_to(double low, double high);
/// A number that is finite as a float, too.
ValueCheck finite();
/// No integer above kLargestInteger. Other words are left to the option.
ValueCheck no_huge_integer();
/// Not "", which a shell makes of a variable that is not set.
ValueCheck not_empty();

/// Where the value of an option comes from, strongest first.
enum class Layer { command_line, config_file, run, preset };

/// Whether an option has an effect beside the other settings.
struct Effect {
  std::string option;  ///< its name
  bool has;            ///< whether it has an effect, or asks for none (0, or off)
  std::string why;     ///< it has none: what follows "--power has no effect"
};

/// One option of Settings.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}
  Option* check(ValueCheck check);

 private:
  CLI::Option* option_;
};

/// Options by name: --batch-size on the command line is "batch_size" in JSON. Values come in
/// layers. A lower layer does not change what an upper layer has set.
class Settings {
 public:
  explicit Settings(CLI::App& command) : command_(command) {}
  /// Of no command: apply() alone sets them.
  Settings();

  /// Adds --`name`, which takes a value for `variable`: a string, a number, an optional of one, or
  /// a list of them, separated by commas. `placeholder` stands for the value in the help. The
  /// present content of `variable` is the default.
  template <class T>
  Option* add(const std::string& name, T& variable, const std::string& placeholder, const std::string& help) {
    return add_value(name, &variable, placeholder, help);
  }
  /// Adds the flag --`name`. It holds for this call alone, and no layer sets it.
  void add_flag(const std::string& name, bool& variable, const std::string& help);
  /// Adds words without a name, for this call alone: files to work on.
  void add_words(std::vector<std::string>& variable, const std::string& placeholder, const std::string& help);
  /// Adds the switches --`name` and --no-`name`.
  Option* add_switch(const std::string& name, bool& variable, const std::string& help);

  /// The heading in the help for the options that are added next.
  void group(const std::string& heading) { group_ = heading; }
  CLI::App& command() { return command_; }

  enum class Unknown { refuse, pass_over };
  /// The next layer: sets the options in `values` that nothing has set yet. null is no value, and
  /// for a list neither is an empty list. Throws UsageError "SOURCE: ..." for a value that does not
  /// fit, and, if told to refuse it, for a key that is no option.
  void apply(const nlohmann::json& values, const std::string& source, Layer layer, Unknown unknown = Unknown::refuse);
  /// The layer that has set --`name`; nothing if it has its default.
  std::optional<Layer> layer_of(const std::string& name) const;
  /// Whether a layer so far has set --`name`.
  bool is_set(const std::string& name) const { return layer_of(name).has_value(); }
  /// Whether the user has asked for it, on the command line or in a --config file, and not a preset
  /// or an old run.
  bool is_named(const std::string& name) const;
  /// Throws UsageError "--power has no effect ..." for the first option that is_named() and has no
  /// effect. What a preset sets without effect is no mistake of the user.
  void check_effects(const std::vector<Effect>& effects) const;
  /// Names of the options set so far.
  std::vector<std::string> names_set() const;
  /// Every option with its value, or null if it has none.
  nlohmann::json values() const;

 private:
  /// The types that an option's variable can have, besides bool.
  using Target =
      std::variant<std::string*, int*, int64_t*, uint64_t*, double*, std::optional<double>*, std::optional<int64_t>*,
                   std::vector<std::string>*, std::vector<double>*, std::vector<int64_t>*>;
  enum class Kind { value, list, yes_or_no };
  struct Entry {
    std::string name, key;
    Kind kind;
    CLI::Option* option;
    std::function<nlohmann::json()> value;
    Layer layer = Layer::command_line;  ///< that has set it, if the option has a value
  };

  Option* add_value(const std::string& name, const Target& target, const std::string& placeholder,
                    const std::string& help);
  Option* remember(const std::string& name, Kind kind, CLI::Option* option, std::function<nlohmann::json()> value);
  const Entry* find(const std::string& key) const;
  Entry* find(const std::string& key) { return const_cast<Entry*>(std::as_const(*this).find(key)); }
  /// Throws UsageError unless `value` can be the value of an option of that kind.
  static void check_kind(const Entry& entry, const nlohmann::json& value, const std::string& source);

  std::shared_ptr<CLI::App> own_;  ///< of no command
  CLI::App& command_;
  std::string group_ = "Options";
  std::vector<Entry> entries_;
  std::deque<Option> options_;  ///< which stay where they are
};

}  // namespace kindling::cli
