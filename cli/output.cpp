#include <kindling/cli/output.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kindling/train/printable.h>

namespace kindling::cli {
namespace {

int first_output_error = 0;

}  // namespace

void note_output_error() {
  if (first_output_error == 0 && std::ferror(stdout) != 0) first_output_error = errno;
}

int output_error() { return first_output_error; }

bool flush_output() {
  if (std::fflush(stdout) != 0 && first_output_error == 0) first_output_error = errno;
  note_output_error();
  return first_output_error == 0;
}

Table::Table(std::vector<std::string> headings, std::vector<size_t> left) : left_(std::move(left)) {
  rows_.push_back(std::move(headings));
}

void Table::add(std::vector<std::string> row) {
  for (std::string& cell : row) cell = printable(cell);
  rows_.push_back(std::move(row));
}

bool Table::is_left(size_t column) const { return std::find(left_.begin(), left_.end(), column) != left_.end(); }

std::string Table::text(const Style& style) const {
  std::vector<size_t> widths(rows_.front().size());
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string result;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += "  ";
      line += is_left(i) ? fmt::format("{:<{}}", row[i], widths[i]) : fmt::format("{:>{}}", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    result += (&row == &rows_.front() ? style.bold(line) : line) + "\n";
  }
  return result;
}

std::string with_commas(int64_t number) {
  std::string digits = std::to_string(number);
  const size_t first = number < 0 ? 1 : 0;
  for (size_t i = digits.size(); i > first + 3;) {
    i -= 3;
    digits.insert(digits.begin() + static_cast<std::ptrdiff_t>(i), ',');
  }
  return digits;
}

std::string counted(int64_t number, const std::string& noun) {
  return with_commas(number) + " " + noun + (number == 1 ? "" : "s");
}

std::string with_unit(double number, const std::string& unit) {
  size_t thousands = 0;
  constexpr const char* kPrefixes[] = {"", "k", "M", "G", "T"};
  while (std::abs(number) >= 999.95 && thousands + 1 < std::size(kPrefixes)) {
    number /= 1000;
    ++thousands;
  }
  const int decimals = thousands == 0 ? 0 : std::abs(number) < 9.995 ? 2 : 1;
  return fmt::format("{:.{}f} {}{}", number, decimals, kPrefixes[thousands], unit);
}

std::string by_environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? fmt::format(" (by {})", name) : "";
}

std::string shell_word(const std::string& text) {
  constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,+=@%";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

// JSON itself escapes what is below a blank. U+007F and U+0080 to U+009F (in UTF-8 C2 80 to C2 9F) can stand in its
// strings alone, where they may be escaped as well.
nlohmann::ordered_json or_null(const std::optional<double>& number) {
  return number ? nlohmann::ordered_json(*number) : nlohmann::ordered_json();
}

void print_json(const nlohmann::ordered_json& document) {
  const std::string text = document.dump(2, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
  std::string safe;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = [&](size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U; };
    const bool is_c1 = byte(i) == 0xC2 && byte(i + 1) < 0xA0;
    if (is_c1) ++i;
    if (is_c1 || byte(i) == 0x7F)
      safe += fmt::format("\\u{:04x}", byte(i));
    else
      safe += text[i];
  }
  print("{}\n", safe);
}

}  // namespace kindling::cli
