// The options of a command, which a JSON file, a preset or a run's config.json can set as well.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <kindling/tensor/check.h>

namespace kindling::cli {

/// The command line asks for something that cannot be: exit code 2. Everything else that fails is exit code 1.
struct UsageError : Error {
  using Error::Error;
};

template <class T>
inline constexpr bool is_list = false;
template <class T>
inline constexpr bool is_list<std::vector<T>> = true;

template <class T>
inline constexpr bool is_integer = std::signed_integral<T>;
template <class T>
inline constexpr bool is_integer<std::optional<T>> = is_integer<T>;
template <class T>
inline constexpr bool is_integer<std::vector<T>> = is_integer<T>;

/// What a signed integer may be at most, so that products of some do not overflow.
inline constexpr int64_t kLargestInteger = 1'000'000'000;

// Checks of values, for CLI::Option::check. A message says what would do; numbers that are not finite never do.

/// One of these words.
CLI::Validator one_of(const std::vector<std::string>& words);
CLI::Validator at_least(double smallest);
CLI::Validator above(double low);
/// In [low, high).
CLI::Validator in_range(double low, double high);
/// In (low, high).
CLI::Validator between(double low, double high);
/// A number that is finite as a float, too.
CLI::Validator finite();
/// No integer above kLargestInteger. Other words are left to the option.
CLI::Validator no_huge_integer();

/// Options under their names: --batch-size on the command line is "batch_size" in JSON. Values come in layers; what an
/// upper layer has set the lower ones leave alone. The command line is the first.
class Settings {
 public:
  explicit Settings(CLI::App& command) : command_(command) {}

  /// Adds --`name`, which takes a value (`placeholder` in the help) for `variable`: a string, a number, an optional of
  /// one, or a list of them with commas between. What `variable` holds now is the default.
  template <class T>
  CLI::Option* add(const std::string& name, T& variable, const std::string& placeholder, const std::string& help) {
    CLI::Option* option = command_.add_option("--" + name, variable, help)->option_text(placeholder)->group(group_);
    if constexpr (is_list<T>)
      option->delimiter(',');
    else
      option->take_last();
    if constexpr (is_integer<T>) option->check(no_huge_integer());
    return remember(name, is_list<T> ? Kind::list : Kind::value, option, [&variable] { return to_json(variable); });
  }
  /// Adds the switches --`name` and --no-`name`.
  CLI::Option* add_switch(const std::string& name, bool& variable, const std::string& help);

  /// Heading in the help of the options that are added from here on.
  void group(const std::string& heading) { group_ = heading; }
  CLI::App& command() { return command_; }

  enum class Unknown { refuse, pass_over };
  /// The next layer: sets what `values` names and nothing has set yet; null and, for a list, an empty list are no
  /// value. Throws UsageError "SOURCE: ..." for a value that does not fit and, if told to refuse it, a key that is no
  /// option.
  void apply(const nlohmann::json& values, const std::string& source, Unknown unknown = Unknown::refuse);
  /// Whether a layer so far has set --`name`.
  bool is_set(const std::string& name) const;
  /// Names of the options set so far.
  std::vector<std::string> names_set() const;
  /// Every option with its value, null where there is none.
  nlohmann::json values() const;

 private:
  enum class Kind { value, list, yes_or_no };
  struct Entry {
    std::string name, key;
    Kind kind;
    CLI::Option* option;
    std::function<nlohmann::json()> value;
  };

  template <class T>
  static nlohmann::json to_json(const T& value) {
    if constexpr (is_list<T> || std::is_same_v<T, std::string>)
      return value.empty() ? nlohmann::json() : nlohmann::json(value);
    else
      return value;
  }
  template <class T>
  static nlohmann::json to_json(const std::optional<T>& value) {
    return value ? nlohmann::json(*value) : nlohmann::json();
  }
  CLI::Option* remember(const std::string& name, Kind kind, CLI::Option* option, std::function<nlohmann::json()> value);
  const Entry* find(const std::string& key) const;
  /// Throws UsageError unless `value` is what an option of that kind takes.
  static void check_kind(const Entry& entry, const nlohmann::json& value, const std::string& source);

  CLI::App& command_;
  std::string group_ = "Options";
  std::vector<Entry> entries_;
};

}  // namespace kindling::cli
