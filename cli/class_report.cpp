#include <kindling/cli/class_report.h>

#include <algorithm>

#include <fmt/format.h>

#include <kindling/train/printable.h>

namespace kindling::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostRows = 30;     // of a table of classes, and of mistakes
constexpr size_t kLowest = 20;       // of more classes than that
constexpr size_t kMostColumns = 20;  // of a matrix: 100 characters for counts of up to three digits
constexpr size_t kLine = 80;         // characters; a matrix with names above its columns goes into one

/// Characters of a line with a column for each of `names`, and one of as many as the longest before
/// them.
size_t width_with_names(const std::vector<std::string>& names) {
  constexpr size_t kBlanks = 2, kLeast = 3;  // between columns; digits of most counts
  size_t longest = 0, width = 0;
  for (const std::string& name : names) {
    longest = std::max(longest, printable(name).size());
    width += kBlanks + std::max(printable(name).size(), kLeast);
  }
  return longest + width;
}

}  // namespace

ClassReport::ClassReport(const Confusion& confusion, std::vector<std::string> names)
    : confusion_(confusion), names_(std::move(names)) {
  for (int64_t i = static_cast<int64_t>(names_.size()); i < confusion_.classes(); ++i)
    names_.push_back(std::to_string(i));
}

Json ClassReport::classes() const {
  Json list = Json::array();
  for (int64_t i = 0; i < confusion_.classes(); ++i) {
    const std::optional<double> top1 = confusion_.top1(i);
    list.push_back({{"name", names_[static_cast<size_t>(i)]},
                    {"images", confusion_.samples(i)},
                    {"top1", top1 ? Json(*top1) : Json()}});
  }
  return list;
}

Json ClassReport::matrix() const {
  Json rows = Json::array();
  for (int64_t i = 0; i < confusion_.classes(); ++i) {
    Json row = Json::array();
    for (int64_t j = 0; j < confusion_.classes(); ++j) row.push_back(confusion_.count(i, j));
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string ClassReport::classes_text(const Style& style) const {
  std::vector<int64_t> shown;
  for (int64_t i = 0; i < confusion_.classes(); ++i)
    if (confusion_.samples(i) > 0) shown.push_back(i);
  const size_t all = shown.size();
  if (all > kMostRows) {
    std::stable_sort(shown.begin(), shown.end(),
                     [&](int64_t a, int64_t b) { return confusion_.top1(a) < confusion_.top1(b); });
    shown.resize(kLowest);
  }
  Table table({"class", "images", "top-1"});
  for (const int64_t i : shown)
    table.add({names_[static_cast<size_t>(i)], with_commas(confusion_.samples(i)), percent(confusion_.top1(i))});
  std::string text = table.text(style);
  if (all > kMostRows)
    text +=
        fmt::format("the {} lowest of {} classes; --json gives all\n", kLowest, with_commas(static_cast<int64_t>(all)));
  return text;
}

std::vector<int64_t> ClassReport::classes_seen() const {
  std::vector<bool> seen(static_cast<size_t>(confusion_.classes()));
  for (size_t i = 0; i < seen.size(); ++i) seen[i] = confusion_.samples(static_cast<int64_t>(i)) > 0;
  for (const Confusion::Mistake& mistake : confusion_.mistakes()) seen[static_cast<size_t>(mistake.answer)] = true;
  std::vector<int64_t> result;
  for (size_t i = 0; i < seen.size(); ++i)
    if (seen[i]) result.push_back(static_cast<int64_t>(i));
  return result;
}

std::string ClassReport::matrix_text(const Style& style) const {
  const std::vector<int64_t> seen = classes_seen();
  return seen.size() <= kMostColumns ? whole_matrix(seen, style) : frequent_mistakes(style);
}

std::string ClassReport::whole_matrix(const std::vector<int64_t>& seen, const Style& style) const {
  std::vector<std::string> names, headings{""};
  for (const int64_t i : seen) names.push_back(names_[static_cast<size_t>(i)]);
  const bool by_name = width_with_names(names) <= kLine;
  for (size_t i = 0; i < seen.size(); ++i) headings.push_back(by_name ? printable(names[i]) : std::to_string(seen[i]));
  Table table(std::move(headings));
  for (size_t i = 0; i < seen.size(); ++i) {
    std::vector<std::string> row{by_name ? names[i] : fmt::format("{} {}", seen[i], names[i])};
    for (const int64_t j : seen) row.push_back(std::to_string(confusion_.count(seen[i], j)));
    table.add(std::move(row));
  }
  return fmt::format("images of a class (row) that were taken for a class (column{})\n",
                     by_name ? "" : ", by its number") +
         table.text(style);
}

std::string ClassReport::frequent_mistakes(const Style& style) const {
  const std::vector<Confusion::Mistake> mistakes = confusion_.mistakes();
  Table table({"class", "taken for", "images", "of the class"}, {0, 1});
  for (size_t i = 0; i < std::min(mistakes.size(), kMostRows); ++i) {
    const Confusion::Mistake& mistake = mistakes[i];
    const double share =
        100.0 * static_cast<double>(mistake.count) / static_cast<double>(confusion_.samples(mistake.label));
    table.add({names_[static_cast<size_t>(mistake.label)], names_[static_cast<size_t>(mistake.answer)],
               with_commas(mistake.count), percent(share)});
  }
  std::string text = table.text(style);
  if (mistakes.size() > kMostRows)
    text += fmt::format("the {} most frequent of {} kinds of mistakes; --json gives the whole matrix\n", kMostRows,
                        with_commas(static_cast<int64_t>(mistakes.size())));
  return text;
}

}  // namespace kindling::cli
