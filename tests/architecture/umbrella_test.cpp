// What a program pays that includes all of Kindling.
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace {

const std::string kOurs = "kindling/";

// The headers that this one includes, without the angle brackets.
std::vector<std::string> includes_of(const std::string& header) {
  static const std::regex include(R"(^\s*#\s*include\s*<([^>]*)>)");
  std::ifstream in(std::filesystem::path(KINDLING_SOURCE_DIR) / header.substr(kOurs.size()));
  INFO(header);
  REQUIRE(in);
  std::vector<std::string> found;
  std::smatch match;
  for (std::string line; std::getline(in, line);)
    if (std::regex_search(line, match, include)) found.push_back(match[1]);
  return found;
}

// Who includes what, "kindling/data/folder.h: filesystem", of all that is reached from `header`.
void walk(const std::string& header, std::set<std::string>& seen, std::set<std::string>& foreign) {
  for (const std::string& name : includes_of(header)) {
    if (!name.starts_with(kOurs)) foreign.insert(header + ": " + name);
    if (name.starts_with(kOurs) && seen.insert(name).second) walk(name, seen, foreign);
  }
}

}  // namespace

// Each of these costs a tenth of a second or more in every file of a user; json.hpp more than all of Kindling.
TEST_CASE("the umbrella header includes nothing heavy") {
  std::set<std::string> seen, foreign, heavy;
  walk("kindling/kindling.h", seen, foreign);
  CHECK(seen.size() > 50);
  CHECK(foreign.count("kindling/tensor/check.h: string") == 1);
  const std::regex heavy_names(
      R"(.*: (nlohmann/json\.hpp|fmt/.*|filesystem|regex|chrono|mutex|shared_mutex|thread|condition_variable|future|)"
      R"(random|iostream|fstream|iomanip|ranges|format|omp\.h|cblas\.h))");
  for (const std::string& include : foreign)
    if (std::regex_match(include, heavy_names)) heavy.insert(include);
  CHECK(heavy == std::set<std::string>{});
}
