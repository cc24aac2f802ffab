// What people see: tables, numbers, JSON documents.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json_fwd.hpp>

#include <kindling/train/terminal.h>

namespace kindling::cli {

// Style, StatusLine, say(), percent(), duration(): what the library's own progress is made of.
using namespace terminal;

/// Text in columns. The first column is aligned to the left, others to the right unless `left`
/// names them.
class Table {
 public:
  explicit Table(std::vector<std::string> headings, std::vector<size_t> left = {0});
  /// Control characters in the cells are made printable().
  void add(std::vector<std::string> row);
  /// The table, with headings in bold and two blanks between columns.
  std::string text(const Style& style) const;

 private:
  bool is_left(size_t column) const;

  std::vector<std::vector<std::string>> rows_;  ///< the headings first
  std::vector<size_t> left_;
};

/// 1,248,424
std::string with_commas(int64_t number);
/// "1 thread", "2 threads"
std::string counted(int64_t number, const std::string& noun);
/// "4.99 MB", "861.3 M": at most four digits and a unit of 1000s.
std::string with_unit(double number, const std::string& unit);

/// The text as one word of a command line: in quotes if a shell would read it otherwise.
std::string shell_word(const std::string& text);

/// Remembers the reason (errno) of the first failure to write to standard output. Call it directly
/// after the attempt.
void note_output_error();
/// The reason, or 0 if there was no failure.
int output_error();
/// Writes what is buffered. False if this, or anything before, could not be written to standard
/// output.
bool flush_output();

/// " (by NAME)" if the environment variable NAME is set and not empty, else "".
std::string by_environment(const char* name);

/// Formats, and writes to standard output with put(). Everything that commands print goes through
/// this function.
template <class... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
  put(fmt::format(format, std::forward<Args>(args)...));
  note_output_error();
}

/// The number as JSON; null if there is none.
nlohmann::ordered_json or_null(const std::optional<double>& number);
/// Writes the document to standard output, and nothing else. What is not UTF-8 becomes U+FFFD, and
/// control characters are escaped.
void print_json(const nlohmann::ordered_json& document);

}  // namespace kindling::cli
