// The rules of docs/design.md that no compiler checks, by reading the sources.
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace fs = std::filesystem;

namespace {

using Strings = std::vector<std::string>;

// What each folder of the library may include beside its own headers.
const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"tensor", {}},
    {"autograd", {"tensor"}},
    {"nn", {"tensor", "autograd"}},
    {"optim", {"tensor", "autograd"}},
    {"models", {"tensor", "autograd", "nn", "optim"}},
    {"io", {"tensor", "autograd", "nn", "optim"}},
    {"data", {"tensor"}},
    {"interop", {"tensor", "autograd", "nn", "optim", "models", "io", "data"}},
    {"train", {"tensor", "autograd", "nn", "optim", "models", "io", "data", "interop"}},
    {"compress", {"tensor", "autograd", "nn", "optim", "models", "io", "data", "interop", "train"}},
};

struct Source {
  fs::path file;  // from the root
  Strings lines;

  std::string folder() const { return file.begin()->string(); }
};

// The C++ files of a folder.
std::vector<Source> sources_of(const std::string& folder) {
  const fs::path root = KINDLING_SOURCE_DIR;
  std::vector<Source> sources;
  for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".h" && extension != ".cpp" && extension != ".inc") continue;
    Source source{entry.path().lexically_relative(root), {}};
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) source.lines.push_back(line);
    sources.push_back(source);
  }
  return sources;
}

// What is wrong with a line of that file, "" if nothing.
using Rule = std::string (*)(const Source&, const std::string& line);

// "nn/conv.cpp:12: ..." for every line that breaks the rule. Comments are not looked at.
Strings violations(const std::vector<Source>& sources, Rule rule) {
  Strings found;
  for (const Source& source : sources)
    for (size_t i = 0; i < source.lines.size(); ++i) {
      const std::string code = source.lines[i].substr(0, source.lines[i].find("//"));
      const std::string wrong = rule(source, code);
      if (!wrong.empty()) found.push_back(source.file.string() + ':' + std::to_string(i + 1) + ": " + wrong);
    }
  return found;
}

Strings violations_in_library(Rule rule) {
  Strings found;
  for (const auto& [folder, may_include] : kMayInclude)
    for (const std::string& violation : violations(sources_of(folder), rule)) found.push_back(violation);
  return found;
}

std::string include_arrow(const Source& source, const std::string& line) {
  static const std::regex include(R"(^\s*#\s*include\s*([<"])([^>"]*))"), own(R"(kindling/([^/]*)(/.*)?)");
  std::smatch match, path;
  if (!std::regex_search(line, match, include)) return "";
  const std::string header = match[2];
  if (match[1] == "\"") return "include \"" + header + "\" as <kindling/...>";
  if (!std::regex_match(header, path, own)) return "";
  const std::string target = path[1], folder = source.folder();
  if (target == folder || kMayInclude.at(folder).count(target) != 0) return "";
  return folder + " must not include " + header;
}

bool is_parallel(const Source& source) {
  return source.file.parent_path() == "tensor/kernels" && source.file.stem() == "parallel";
}

std::string openmp_outside_parallel(const Source& source, const std::string& line) {
  static const std::regex openmp(R"(#\s*pragma\s+omp|\b_Pragma\s*\(\s*"omp|<omp\.h>|\bomp_\w+\s*\()");
  return !is_parallel(source) && std::regex_search(line, openmp) ? "OpenMP outside tensor/kernels/parallel" : "";
}

std::string thread_in_compute_code(const Source& source, const std::string& line) {
  static const std::set<std::string> compute = {"tensor", "autograd", "nn", "optim", "models"};
  static const std::regex thread(R"(\bstd::(jthread|thread|async)\b)");
  const bool applies = compute.count(source.folder()) != 0 && !is_parallel(source);
  return applies && std::regex_search(line, thread) ? "a thread outside tensor/kernels/parallel" : "";
}

// All that the library prints, and only when asked to, goes through this file.
bool is_terminal(const Source& source) { return source.file == "train/terminal.cpp"; }

std::string prints_or_exits(const Source& source, const std::string& line) {
  static const std::regex call(
      R"(\bstd::(cout|cerr|clog|exit|quick_exit|abort|terminate)\b|\b(f?printf|f?puts|exit|abort)\s*\()");
  std::smatch match;
  const bool wrong = !is_terminal(source) && std::regex_search(line, match, call);
  return wrong ? "the library must not use " + match.str() : "";
}

// Gradient rules are formulas in operations, so that they can be differentiated in their turn. Exceptions share work
// between the gradients of several inputs, by a kernel whose own derivatives are those of plain operations.
const std::set<std::pair<std::string, std::string>> kRulesWithKernels = {
    {"autograd/ops/norm.cpp", "record_batch_norm"},  // its three gradients need the same two sums over the batch
    {"autograd/ops/norm.cpp", "batch_norm_max_pool2d"},
};

bool is_rule_file(const Source& source) { return source.file.parent_path() == "autograd/ops"; }

// "autograd/ops/norm.cpp:12: ..." for every line of a rule (a function of `const Step& s`, up to its closing brace)
// that looks at values, and every line of the file that asks whether operations are recorded or calls a kernel. Rules
// of the operations in `allowed`, with their files, may.
Strings rules_that_are_no_formulas(const std::vector<Source>& sources,
                                   const std::set<std::pair<std::string, std::string>>& allowed) {
  static const std::regex operation(R"(^[A-Za-z]\w* (\w+)\()"), step(R"(\(const Step&)"),
      outside(R"(is_recording\(|\bkernels::|kindling/tensor/kernels/)"), inside(R"(\.value\(\)|gradients_of\()");
  Strings found;
  for (const Source& source : sources) {
    if (!is_rule_file(source)) continue;
    std::string name;
    int depth = 0, rule_at = -1;  // braces that are open, and that were where the rule began
    for (size_t i = 0; i < source.lines.size(); ++i) {
      const std::string code = source.lines[i].substr(0, source.lines[i].find("//"));
      std::smatch match;
      if (depth <= 2 && std::regex_search(code, match, operation)) name = match[1];  // in one or two namespaces
      std::string in_rule = rule_at >= 0 ? code : "";
      if (rule_at < 0 && std::regex_search(code, match, step)) {
        in_rule = match.suffix();
        rule_at = depth;
      }
      const bool wrong = std::regex_search(code, outside) || std::regex_search(in_rule, inside);
      if (wrong && allowed.count({source.file.string(), name}) == 0)
        found.push_back(source.file.string() + ':' + std::to_string(i + 1) + ": the rule of " + name +
                        " is no formula in operations");
      for (const char c : code) depth += c == '{' ? 1 : c == '}' ? -1 : 0;
      if (rule_at >= 0 && depth <= rule_at) rule_at = -1;
    }
  }
  return found;
}

// CMake's lists, in which Catch2's tests reach ctest, are cut at semicolons and kept together by brackets: such a name
// would take others with it. One that starts with a dash is an option to the test's program.
std::string test_name_lost_to_ctest(const Source&, const std::string& line) {
  static const std::regex name(R"_(TEST_CASE\("(-|~|[^"]*[\[\];]))_");
  return std::regex_search(line, name) ? "ctest cannot run a test of this name" : "";
}

}  // namespace

TEST_CASE("every folder of the library has its place among the arrows") {
  for (const auto& entry : fs::directory_iterator(KINDLING_SOURCE_DIR)) {
    std::ifstream in(entry.path() / "CMakeLists.txt");
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const std::string folder = entry.path().filename().string();
    INFO(folder);
    CHECK((text.find("kindling_library(" + folder) != std::string::npos) == (kMayInclude.count(folder) != 0));
  }
  for (const auto& [folder, may_include] : kMayInclude) CHECK_FALSE(sources_of(folder).empty());
}

TEST_CASE("includes follow the arrows") { CHECK(violations_in_library(include_arrow) == Strings{}); }
TEST_CASE("OpenMP is used in one place") { CHECK(violations_in_library(openmp_outside_parallel) == Strings{}); }
TEST_CASE("compute code starts no threads") { CHECK(violations_in_library(thread_in_compute_code) == Strings{}); }
TEST_CASE("the library prints in one place and never exits") {
  CHECK(violations_in_library(prints_or_exits) == Strings{});
}

TEST_CASE("gradient rules are formulas in operations, but for the named exceptions") {
  const std::vector<Source> sources = sources_of("autograd");
  CHECK(rules_that_are_no_formulas(sources, kRulesWithKernels) == Strings{});
  CHECK(kRulesWithKernels.size() == 2);
  CHECK_FALSE(rules_that_are_no_formulas(sources, {}).empty());  // the exception is needed
}

TEST_CASE("the check of gradient rules finds values, kernels and questions whether something is recorded") {
  const Source source{
      "autograd/ops/some.cpp",
      {"namespace kindling {", "Variable one(const Variable& x) {", "  Tensor y = one(x.value());",
       "  return record(y, [](const Step& s) { return s.grad; });", "}", "Variable two(const Variable& x) {",
       "  const auto rule = [](const Step& s) {", "    if (is_recording()) return s.grad;",
       "    return Variable(two_grad(s.grad.value()));", "  };", "  kernels::two(x.value());", "}", "}"}};
  CHECK(rules_that_are_no_formulas({source}, {}) ==
        Strings{"autograd/ops/some.cpp:8: the rule of two is no formula in operations",
                "autograd/ops/some.cpp:9: the rule of two is no formula in operations",
                "autograd/ops/some.cpp:11: the rule of two is no formula in operations"});
  CHECK(rules_that_are_no_formulas({source}, {{"autograd/ops/some.cpp", "two"}}).empty());
  CHECK(rules_that_are_no_formulas({{"autograd/ops/other.cpp", source.lines}}, {{"autograd/ops/some.cpp", "two"}})
            .size() == 3);
}

TEST_CASE("ctest finds every test") { CHECK(violations(sources_of("tests"), test_name_lost_to_ctest) == Strings{}); }

TEST_CASE("the checks find what they look for, with file and line") {
  const Source source{
      "nn/conv.cpp",
      {"#include <kindling/nn/conv.h>", "#include <vector>", "#include <kindling/io/weights.h>",
       "#include \"../models/lenet.h\"", "#include <kindling/kindling.h>", "#include <omp.h>",
       "#pragma omp parallel for  // fast", "// std::thread, omp_get_num_threads() and printf(", "std::jthread worker;",
       "std::printf(\"hello\");", "snprintf(text, size, \"%d\", 1);", std::string("TEST_CASE") + "(\"in [0, 1)\") {"}};
  CHECK(violations({source}, include_arrow) == Strings{"nn/conv.cpp:3: nn must not include kindling/io/weights.h",
                                                       "nn/conv.cpp:4: include \"../models/lenet.h\" as <kindling/...>",
                                                       "nn/conv.cpp:5: nn must not include kindling/kindling.h"});
  CHECK(violations({source}, openmp_outside_parallel) ==
        Strings{"nn/conv.cpp:6: OpenMP outside tensor/kernels/parallel",
                "nn/conv.cpp:7: OpenMP outside tensor/kernels/parallel"});
  CHECK(violations({source}, thread_in_compute_code) ==
        Strings{"nn/conv.cpp:9: a thread outside tensor/kernels/parallel"});
  CHECK(violations({source}, prints_or_exits) == Strings{"nn/conv.cpp:10: the library must not use printf("});
  CHECK(violations({source}, test_name_lost_to_ctest) ==
        Strings{"nn/conv.cpp:12: ctest cannot run a test of this name"});
  CHECK(violations({{"tensor/kernels/parallel.cpp", source.lines}}, openmp_outside_parallel).empty());
  CHECK(violations({{"train/terminal.cpp", source.lines}}, prints_or_exits).empty());
}
