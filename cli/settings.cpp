#include <kindling/cli/settings.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace kindling::cli {
namespace {

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
CLI::Validator number_check(const std::string& requirement, Accepts accepts) {
  const auto check = [=](const std::string& text) {
    const std::optional<double> value = number_in(text);
    if (value && std::isfinite(*value) && accepts(*value)) return std::string();
    return fmt::format("must be {}, not {}", requirement, text);
  };
  return CLI::Validator(check, "");
}

}  // namespace

CLI::Option* Settings::add_switch(const std::string& name, bool& variable, const std::string& help) {
  CLI::Option* option = command_.add_flag(fmt::format("--{0},!--no-{0}", name), variable, help)->group(group_);
  return remember(name, Kind::yes_or_no, option, [&variable] { return nlohmann::json(variable); });
}

CLI::Option* Settings::remember(const std::string& name, Kind kind, CLI::Option* option,
                                std::function<nlohmann::json()> value) {
  entries_.push_back({name, key_of(name), kind, option, std::move(value)});
  return option;
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

void Settings::apply(const nlohmann::json& values, const std::string& source, Unknown unknown) {
  for (const auto& [key, value] : values.items()) {
    const Entry* entry = find(key);
    if (entry == nullptr && unknown == Unknown::refuse)
      throw UsageError(fmt::format("{}: there is no option \"{}\"", source, key));
    if (entry == nullptr || value.is_null() || entry->option->count() > 0) continue;
    check_kind(*entry, value, source);
    if (value.empty()) continue;
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

bool Settings::is_set(const std::string& name) const {
  const Entry* entry = find(key_of(name));
  return entry != nullptr && entry->option->count() > 0;
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

CLI::Validator one_of(const std::vector<std::string>& words) {
  const auto check = [words](const std::string& text) {
    if (std::find(words.begin(), words.end(), text) != words.end()) return std::string();
    return fmt::format("there is no \"{}\"; choose one of {}", text, fmt::join(words, ", "));
  };
  return CLI::Validator(check, "");
}

CLI::Validator at_least(double smallest) {
  return number_check(fmt::format("at least {}", smallest), [smallest](double x) { return x >= smallest; });
}

CLI::Validator above(double low) {
  return number_check(fmt::format("above {}", low), [low](double x) { return x > low; });
}

CLI::Validator in_range(double low, double high) {
  return number_check(fmt::format("in [{}, {})", low, high), [=](double x) { return x >= low && x < high; });
}

CLI::Validator between(double low, double high) {
  return number_check(fmt::format("between {} and {}", low, high), [=](double x) { return x > low && x < high; });
}

CLI::Validator finite() {
  return number_check("a finite number", [](double x) { return std::abs(x) <= std::numeric_limits<float>::max(); });
}

CLI::Validator no_huge_integer() {
  const auto check = [](const std::string& text) {
    const std::optional<double> value = number_in(text);
    if (!value || *value <= kLargestInteger) return std::string();
    return fmt::format("must be at most {}, not {}", kLargestInteger, text);
  };
  return CLI::Validator(check, "");
}

}  // namespace kindling::cli
