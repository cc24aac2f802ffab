#include <kindling/cli/mistakes.h>

#include <fmt/format.h>

namespace kindling::cli {
namespace {

std::string class_name(const data::Dataset& images, int64_t index) {
  const std::vector<std::string> names = images.classes();
  const auto i = static_cast<size_t>(index);
  return i < names.size() ? names[i] : std::to_string(index);
}

}  // namespace

nlohmann::ordered_json mistakes_json(const std::vector<Mistake>& mistakes, const data::Dataset& images) {
  auto list = nlohmann::ordered_json::array();
  for (const Mistake& mistake : mistakes)
    list.push_back({{"file", images.describe(mistake.sample)},
                    {"class", class_name(images, mistake.label)},
                    {"taken_for", class_name(images, mistake.answer)},
                    {"probability", mistake.probability}});
  return list;
}

std::string mistakes_text(const std::vector<Mistake>& mistakes, const data::Dataset& images, const Style& style) {
  if (mistakes.empty()) return "";
  Table table({"the most certain mistakes", "is", "taken for", "sure by"}, {0, 1, 2});
  for (const Mistake& mistake : mistakes)
    table.add({images.describe(mistake.sample), class_name(images, mistake.label), class_name(images, mistake.answer),
               percent(100 * mistake.probability)});
  return table.text(style);
}

}  // namespace kindling::cli
