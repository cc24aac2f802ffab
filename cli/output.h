// What people see: text, tables, colours.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace kindling::cli {

/// Colours for one stream; none where it is no terminal, or NO_COLOR is set (https://no-color.org), or TERM is "dumb".
class Style {
 public:
  /// `descriptor` is 1 (standard output) or 2 (standard error).
  explicit Style(int descriptor);
  std::string bold(const std::string& text) const { return wrapped("1", text); }
  std::string dim(const std::string& text) const { return wrapped("2", text); }
  std::string green(const std::string& text) const { return wrapped("32", text); }
  std::string red(const std::string& text) const { return wrapped("31", text); }

 private:
  std::string wrapped(const char* code, const std::string& text) const;
  bool on_;
};

bool is_terminal(int descriptor);
/// Columns of the terminal behind standard error, 80 if that is not known.
int terminal_columns();

/// Text in columns: the first aligned left, the others right unless `left` names them.
class Table {
 public:
  explicit Table(std::vector<std::string> headings, std::vector<size_t> left = {0});
  void add(std::vector<std::string> row);
  /// With the headings in bold and two blanks between columns.
  std::string text(const Style& style) const;

 private:
  bool is_left(size_t column) const;

  std::vector<std::vector<std::string>> rows_;  ///< the headings first
  std::vector<size_t> left_;
};

/// 1,248,424
std::string with_commas(int64_t number);
/// "4.99 MB", "861.3 M": at most four digits and a unit of 1000s.
std::string with_unit(double number, const std::string& unit);
/// "12 s", "4:32", "1:02:03"
std::string duration(double seconds);

/// Writes to standard error. A failure can be told nowhere and is no reason to stop working: it is passed over.
void say(const std::string& text);

/// Writes the document as the only thing on standard output. What is not UTF-8 becomes U+FFFD.
void print_json(const nlohmann::ordered_json& document);

}  // namespace kindling::cli
