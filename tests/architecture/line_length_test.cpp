// Prose is at most 100 columns wide: Markdown, but for tables, code blocks and the targets of links, and /// comments.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace fs = std::filesystem;

namespace {

using Strings = std::vector<std::string>;

constexpr size_t kColumns = 100;

// Characters, not bytes: those of UTF-8 that follow a first one are not counted.
size_t columns(const std::string& line) {
  return std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

// "see [b](target)" as "see [b]".
std::string without_link_targets(std::string line) {
  for (size_t at = 0; (at = line.find("](", at)) != std::string::npos; ++at) {
    const size_t end = line.find(')', at);
    line.erase(at + 1, (end == std::string::npos ? line.size() : end + 1) - at - 1);
  }
  return line;
}

Strings long_markdown_lines(const std::string& name, const Strings& lines) {
  Strings found;
  bool code = false;
  for (size_t i = 0; i < lines.size(); ++i) {
    const size_t first = lines[i].find_first_not_of(' ');
    const std::string text = first == std::string::npos ? "" : lines[i].substr(first);
    const bool fence = text.starts_with("```");
    if (fence) code = !code;
    if (code || fence || text.starts_with("|") || columns(without_link_targets(lines[i])) <= kColumns) continue;
    found.push_back(name + ':' + std::to_string(i + 1));
  }
  return found;
}

Strings long_doc_comments(const std::string& name, const Strings& lines) {
  Strings found;
  for (size_t i = 0; i < lines.size(); ++i) {
    const size_t first = lines[i].find_first_not_of(' ');
    if (first == std::string::npos || lines[i].compare(first, 3, "///") != 0 || columns(lines[i]) <= kColumns) continue;
    found.push_back(name + ':' + std::to_string(i + 1));
  }
  return found;
}

Strings lines_of(const fs::path& file) {
  std::ifstream in(file);
  Strings lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// What `check` finds in the files of a folder, and of the folders in it, that have one of these extensions.
template <class Check>
Strings found_in(const fs::path& folder, const std::set<std::string>& extensions, Check check) {
  const fs::path root = KINDLING_SOURCE_DIR;
  Strings found;
  for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
    if (extensions.count(entry.path().extension().string()) == 0) continue;
    const Strings more = check(entry.path().lexically_relative(root).string(), lines_of(entry.path()));
    found.insert(found.end(), more.begin(), more.end());
  }
  return found;
}

}  // namespace

TEST_CASE("lines of Markdown have at most 100 columns") {
  const fs::path root = KINDLING_SOURCE_DIR;
  Strings pages;
  for (const auto& entry : fs::directory_iterator(root))
    if (entry.path().extension() == ".md") pages.push_back(entry.path().filename().string());
  CHECK(pages.size() >= 3);
  for (const std::string& page : pages) CHECK(long_markdown_lines(page, lines_of(root / page)) == Strings{});
  for (const char* folder : {"docs", "tools"}) CHECK(found_in(folder, {".md"}, long_markdown_lines) == Strings{});
}

TEST_CASE("lines of doc comments have at most 100 columns") {
  for (const char* folder : {"tensor", "autograd", "nn", "optim", "models", "data", "io", "interop", "train", "compress", "cli", "bench",
                             "examples", "tests", "tools"})
    CHECK(found_in(folder, {".h", ".cpp", ".inc"}, long_doc_comments) == Strings{});
}

TEST_CASE("a line that is too long is found, with file and line") {
  const std::string words(kColumns + 1, 'x'), fits = "/// " + std::string(kColumns - 4, 'x');
  CHECK(long_markdown_lines("a.md", {"# A", words, "```", words, "```", words}) == Strings{"a.md:2", "a.md:6"});
  CHECK(long_markdown_lines("a.md", {"| " + words, "[b](" + words + ")", "- " + words}) == Strings{"a.md:3"});
  std::string umlauts;
  for (size_t i = 0; i < kColumns; ++i) umlauts += "ü";
  CHECK(long_markdown_lines("a.md", {umlauts, umlauts + "!"}) == Strings{"a.md:2"});
  CHECK(long_doc_comments("a.h", {"// " + words, fits, "  /// " + words, fits + "x", "int x;  /// " + words}) ==
        Strings{"a.h:3", "a.h:4"});
}
