// What the pages show is what is compiled and run: their C++ is a piece of an example or of the library.
#include <catch2/catch.hpp>
#include <filesystem>

#include "markdown.h"

using namespace kindling;

namespace {

namespace fs = std::filesystem;

/// All C++ of a folder, one file after the other.
std::string sources_of(const std::string& folder) {
  std::string text;
  for (const auto& entry : fs::directory_iterator(fs::path(KINDLING_SOURCE_DIR) / folder))
    if (entry.path().extension() == ".cpp") text += read_file(entry.path().string());
  return text;
}

/// Text of the page's C++ that is found neither in `sources` nor compiled as a whole program by
/// CMakeLists.txt.
std::vector<std::string> unknown_blocks(const std::string& page, const std::string& sources) {
  std::vector<std::string> unknown;
  for (const CodeBlock& block : code_blocks(page))
    if (block.language == "cpp" && !block.text.starts_with("#include") && sources.find(block.text) == std::string::npos)
      unknown.push_back(block.text);
  return unknown;
}

}  // namespace

TEST_CASE("the C++ of docs/own_loop.md stands in the examples") {
  CHECK(unknown_blocks("docs/own_loop.md", sources_of("examples")) == std::vector<std::string>{});
  CHECK(code_blocks("docs/own_loop.md").size() >= 5);
}

TEST_CASE("the C++ of docs/compression.md stands in the examples") {
  CHECK(unknown_blocks("docs/compression.md", sources_of("examples")) == std::vector<std::string>{});
  CHECK(code_blocks("docs/compression.md").size() >= 5);
}

TEST_CASE("the C++ of README and design.md stands in the examples or in the library") {
  const std::string sources = sources_of("examples") + sources_of("autograd/ops");
  CHECK(unknown_blocks("README.md", sources) == std::vector<std::string>{});
  CHECK(unknown_blocks("docs/design.md", sources) == std::vector<std::string>{});
}

TEST_CASE("every example is built and run") {
  const std::string root = KINDLING_SOURCE_DIR;
  const std::string built = read_file(root + "/examples/CMakeLists.txt");
  const std::string run = read_file(root + "/tests/consumer/CMakeLists.txt");
  for (const auto& entry : fs::directory_iterator(root + "/examples")) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string name = entry.path().stem().string();
    INFO(name);
    CHECK(built.find(name) != std::string::npos);
    CHECK(run.find(name) != std::string::npos);
  }
}
TEST_CASE("every table of docs/paper.md is what a sweep has written") {
  const std::string docs = KINDLING_SOURCE_DIR + std::string{"/docs/"}, page = read_file(docs + "paper.md");
  const std::string begin = "<!-- paper/", end = "<!-- end -->";
  int64_t blocks = 0;
  for (size_t at = page.find(begin); at != std::string::npos; at = page.find(begin, at + 1), ++blocks) {
    const size_t name = at + 5, text = page.find(" -->\n", name) + 5;
    const std::string file = page.substr(name, text - 5 - name);
    INFO(file);
    CHECK(page.substr(text, page.find(end, text) - text) == read_file(docs + file));
  }
  CHECK(blocks >= 16);
}
