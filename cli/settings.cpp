#include <kindling/cli/settings.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

namespace kindling::cli {
namespace {

template <class T>
constexpr bool is_list = false;
template <class T>
constexpr bool is_list<std::vector<T>> = true;

template <class T>
constexpr bool is_integer = std::signed_integral<T>;
template <class T>
constexpr bool is_integer<std::optional<T>> = is_integer<T>;
template <class T>
constexpr bool is_integer<std::vector<T>> = is_integer<T>;

template <class T>
nlohmann::json to_json(const T& value) {
  if constexpr (is_list<T> || std::is_same_v<T, std::string>)
    return value.empty() ? nlohmann::json() : nlohmann::json(value);
  else
    return value;
}
template <class T>
nlohmann::json to_json(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

std::string key_of(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::string text_of(const nlohmann::json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

std::optional<double> number_in(const std::string& text) {
  double value = 0;
  if (!CLI::detail::lexical_cast(text, value)) return std::nullopt;
  return value;
}

/// A check of a number; `requirement` ends the sentence "must be ...".
template <class Accepts>
ValueCheck number_check(const std::string& requirement, Accepts accepts) {
  return [=](const std::string& text) {
    const std::optional<double> value = number_in(text);
    if (!value) return fmt::format("\"{}\" is not a number; it must be {}", text, requirement);
    if (std::isfinite(*value) && accepts(*value)) return std::string();
    return fmt::format("must be {}, not {}", requirement, text);
  };
}

}  // namespace

Settings::Settings() : own_(std::make_shared<CLI::App>()), command_(*own_) {}

Option* Option::check(ValueCheck check) {
  option_->check(CLI::Validator(std::move(check), ""));
  return this;
}

Option* Settings::add_value(const std::string& name, const Target& target, const std::string& placeholder,
                            const std::string& help) {
  const auto add_typed = [&]<class T>(T* variable) {
    CLI::Option* option = command_.add_option("--" + name, *variable, help)->option_text(placeholder)->group(group_);
    if constexpr (is_list<T>)
      option->delimiter(',');
    else
      option->take_last();
    Option* added =
        remember(name, is_list<T> ? Kind::list : Kind::value, option, [variable] { return to_json(*variable); });
    added->check(not_empty());
    return is_integer<T> ? added->check(no_huge_integer()) : added;
  };
  return std::visit(add_typed, target);
}

void Settings::add_flag(const std::string& name, bool& variable, const std::string& help) {
  command_.add_flag("--" + name, variable, help)->group(group_);
}

void Settings::add_words(std::vector<std::string>& variable, const std::string& placeholder, const std::string& help) {
  command_.add_option(placeholder, variable, help)->option_text("...")->group(group_);
}

Option* Settings::add_switch(const std::string& name, bool& variable, const std::string& help) {
  CLI::Option* option = command_.add_flag(fmt::format("--{0},!--no-{0}", name), variable, help)->group(group_);
  return remember(name, Kind::yes_or_no, option, [&variable] { return nlohmann::json(variable); });
}

Option* Settings::remember(const std::string& name, Kind kind, CLI::Option* option,
                           std::function<nlohmann::json()> value) {
  entries_.push_back({.name = name, .key = key_of(name), .kind = kind, .option = option, .value = std::move(value)});
  return &options_.emplace_back(option);
}

const Settings::Entry* Settings::find(const std::string& key) const {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key; });
  return found == entries_.end() ? nullptr : &*found;
}

void Settings::check_kind(const Entry& entry, const nlohmann::json& value, const std::string& source) {
  const auto require = [&](bool holds, const char* what) {
    if (!holds) throw UsageError(fmt::format("{}: \"{}\" must be {}", source, entry.key, what));
  };
  const auto is_single = [](const nlohmann::json& single) { return !single.is_structured(); };
  const bool is_flat_list = value.is_array() && std::all_of(value.begin(), value.end(), is_single);
  if (entry.kind == Kind::value) require(is_single(value), "one value, not a list or an object");
  if (entry.kind == Kind::list) require(is_single(value) || is_flat_list, "a list of single values");
  if (entry.kind == Kind::yes_or_no) require(value.is_boolean(), "true or false");
}

void Settings::apply(const nlohmann::json& values, const std::string& source, Layer layer, Unknown unknown) {
  for (const auto& [key, value] : values.items()) {
    Entry* entry = find(key);
    if (entry == nullptr && unknown == Unknown::refuse)
      throw UsageError(fmt::format("{}: there is no option \"{}\"", source, key));
    if (entry == nullptr || value.is_null() || entry->option->count() > 0) continue;
    check_kind(*entry, value, source);
    if (value.empty()) continue;
    entry->layer = layer;
    if (value.is_array())
      for (const auto& element : value) entry->option->add_result(text_of(element));
    else
      entry->option->add_result(text_of(value));
    try {
      entry->option->run_callback();
    } catch (const CLI::ParseError& error) {
      throw UsageError(fmt::format("{}: {}", source, error.what()));
    }
  }
}

std::optional<Layer> Settings::layer_of(const std::string& name) const {
  const Entry* entry = find(key_of(name));
  return entry != nullptr && entry->option->count() > 0 ? std::optional(entry->layer) : std::nullopt;
}

bool Settings::is_named(const std::string& name) const {
  const std::optional<Layer> layer = layer_of(name);
  return layer == Layer::command_line || layer == Layer::config_file;
}

void Settings::check_effects(const std::vector<Effect>& effects) const {
  for (const Effect& effect : effects)
    if (!effect.has && is_named(effect.option))
      throw UsageError(fmt::format("--{} has no effect {}", effect.option, effect.why));
}

std::vector<std::string> Settings::names_set() const {
  std::vector<std::string> names;
  for (const Entry& entry : entries_)
    if (entry.option->count() > 0) names.push_back(entry.name);
  return names;
}

nlohmann::json Settings::values() const {
  nlohmann::json result = nlohmann::json::object();
  for (const Entry& entry : entries_) result[entry.key] = entry.value();
  return result;
}

ValueCheck one_of(const std::vector<std::string>& words) {
  return [words](const std::string& text) {
    if (std::find(words.begin(), words.end(), text) != words.end()) return std::string();
    return fmt::format("there is no \"{}\"; choose one of {}", text, fmt::join(words, ", "));
  };
}

ValueCheck at_least(double smallest) {
  return number_check(fmt::format("at least {}", smallest), [smallest](double x) { return x >= smallest; });
}

ValueCheck above(double low) {
  return number_check(fmt::format("above {}", low), [low](double x) { return x > low; });
}

ValueCheck in_range(double low, double high) {
  return number_check(fmt::format("in [{}, {})", low, high), [=](double x) { return x >= low && x < high; });
}

ValueCheck between(double low, double high) {
  return number_check(fmt::format("between {} and {}", low, high), [=](double x) { return x > low && x < high; });
}

ValueCheck above_to(double low, double high) {
  return number_check(fmt::format("above {} and at most {}", low, high),
                      [=](double x) { return x > low && x <= high; });
}

ValueCheck finite() {
  return number_check("a finite number", [](double x) { return std::abs(x) <= std::numeric_limits<float>::max(); });
}

ValueCheck no_huge_integer() {
  return [](const std::string& text) {
    const std::optional<double> value = number_in(text);
    if (!value || *value <= kLargestInteger) return std::string();
    return fmt::format("must be at most {}, not {}", kLargestInteger, text);
  };
}

ValueCheck not_empty() {
  return [](const std::string& text) { return text.empty() ? "needs a value" : std::string(); };
}

}  // namespace kindling::cli
