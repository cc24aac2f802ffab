// What people see: tables, numbers, JSON documents.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <kindling/train/terminal.h>

namespace kindling::cli {

// Style, StatusLine, say(), percent(), duration(): what the library's own progress is made of.
using namespace terminal;

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

/// Writes the document as the only thing on standard output. What is not UTF-8 becomes U+FFFD.
void print_json(const nlohmann::ordered_json& document);

}  // namespace kindling::cli
