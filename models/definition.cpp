#include <kindling/models/definition.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include <kindling/models/filters.h>

namespace kindling {
namespace {

using Words = std::vector<std::string>;

template <class Enum>
std::string word_of(Enum value, const Words& words) {
  return words.at(static_cast<size_t>(value));
}

std::string text_of(int64_t number) { return std::to_string(number); }

std::string text_of(double number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

std::string text_of(const std::vector<int64_t>& numbers) {
  std::string text;
  for (const int64_t number : numbers) text += (text.empty() ? "" : ",") + std::to_string(number);
  return text;
}

[[noreturn]] void refuse(const Definition& definition, const std::string& name, const std::string& value) {
  throw Error("model '" + definition.model + "' cannot be made with " + name + " \"" + value + "\"");
}

/// Reads options out of a definition; those not there keep their value.
class Reader {
 public:
  explicit Reader(const Definition& definition) : definition_(definition), left_(definition.options) {}

  void operator()(const std::string& name, int64_t& number) {
    if (const std::optional<std::string> text = take(name)) number = parsed<int64_t>(name, *text);
  }
  void operator()(const std::string& name, std::optional<double>& number) {
    if (const std::optional<std::string> text = take(name)) number = parsed<double>(name, *text);
  }
  void operator()(const std::string& name, double& number) {
    if (const std::optional<std::string> text = take(name)) number = parsed<double>(name, *text);
  }
  void operator()(const std::string& name, std::vector<int64_t>& numbers) {
    std::istringstream words(take(name).value_or(""));
    for (std::string word; std::getline(words, word, ',');) numbers.push_back(parsed<int64_t>(name, word));
  }
  template <class Enum>
  void operator()(const std::string& name, Enum& value, const Words& words) {
    const std::optional<std::string> text = take(name);
    if (!text) return;
    const auto found = std::find(words.begin(), words.end(), *text);
    if (found == words.end()) refuse(definition_, name, *text);
    value = static_cast<Enum>(found - words.begin());
  }
  /// What is no option of make_model().
  void pass_over(const std::string& name) { left_.erase(name); }
  void finish() const {
    if (!left_.empty()) refuse(definition_, left_.begin()->first, left_.begin()->second);
  }

 private:
  std::optional<std::string> take(const std::string& name) {
    const auto entry = left_.extract(name);
    return entry ? std::optional(entry.mapped()) : std::nullopt;
  }
  template <class T>
  T parsed(const std::string& name, const std::string& text) const {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !(value >= T(0))) refuse(definition_, name, text);
    return value;
  }

  const Definition& definition_;
  std::map<std::string, std::string> left_;
};

}  // namespace

const Words& bypass_words() {
  static const Words words{"none", "simple", "complex"};
  return words;
}

const Words& form_words() {
  static const Words words{"torchvision", "caffe"};
  return words;
}

const Words& norm_words() {
  static const Words words{"none", "batch"};
  return words;
}

Definition define(const std::string& model, const ModelOptions& options) {
  Definition definition{.model = model,
                        .options = {{"bypass", word_of(options.bypass, bypass_words())},
                                    {"form", word_of(options.form, form_words())},
                                    {"norm", word_of(options.norm, norm_words())}}};
  for (const auto& [name, number] : {std::pair("classes", options.classes), std::pair("channels", options.channels),
                                     std::pair("size", options.size)})
    if (number != 0) definition.options[name] = std::to_string(number);
  if (options.dropout) definition.options["dropout"] = text_of(*options.dropout);
  const SqueezeNetMetaparameters &m = options.metaparameters, published;
  const auto set = [&](const char* name, auto value, auto default_value) {
    if (value != default_value) definition.options[name] = text_of(value);
  };
  set("squeeze_ratio", m.sr, published.sr);
  set("pct3x3", m.pct3x3, published.pct3x3);
  set("base_e", m.base_e, published.base_e);
  set("incr_e", m.incr_e, published.incr_e);
  set("freq", m.freq, published.freq);
  set("pools", m.pools, published.pools);
  return definition;
}

ModelOptions options_of(const Definition& definition) {
  ModelOptions options;
  Reader read(definition);
  read("classes", options.classes);
  read("channels", options.channels);
  read("size", options.size);
  read("bypass", options.bypass, bypass_words());
  read("form", options.form, form_words());
  read("norm", options.norm, norm_words());
  read("dropout", options.dropout);
  read("squeeze_ratio", options.metaparameters.sr);
  read("pct3x3", options.metaparameters.pct3x3);
  read("base_e", options.metaparameters.base_e);
  read("incr_e", options.metaparameters.incr_e);
  read("freq", options.metaparameters.freq);
  read("pools", options.metaparameters.pools);
  read.pass_over(kFiltersOption);
  read.finish();
  return options;
}

int64_t channels_of(const Definition& definition) {
  const ModelOptions options = options_of(definition);
  return options.channels > 0 ? options.channels : model_info(definition.model, options.form).channels;
}

std::unique_ptr<Module> make_model(const Definition& definition, Rng& rng) {
  std::unique_ptr<Module> model = make_model(definition.model, options_of(definition), rng);
  if (const auto filters = definition.options.find(kFiltersOption); filters != definition.options.end())
    keep_first_filters(*model, parse_filters(filters->second));
  return model;
}

}  // namespace kindling
