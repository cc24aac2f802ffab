// What the README tells a newcomer to do, done with real photographs.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include <kindling/tests/support/shared_data.h>
#include <kindling/tests/support/temporary_folder.h>
#include <kindling/train/run_folder.h>

#include "markdown.h"

using namespace kindling;

namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kClasses{"bird", "dog", "ship"};

/// Runs a script of the shell in `folder`, where `kindling`, `readme_1` and so on are the programs
/// that were built. What it prints goes to the test's output.
int run_in(const fs::path& folder, const std::string& script) {
  const fs::path program = KINDLING_COMMAND;
  const std::string setup =
      "set -e\ncd '" + folder.string() + "'\nPATH='" + program.parent_path().string() + "':$PATH\n";
  const std::string file = (folder / "script.sh").string();
  write_file(file, setup + script);
  return std::system(("sh -x '" + file + "' < /dev/null").c_str());
}

/// Copies the ImageNet photographs whose WordNet number lies in [first, last]: large, and of other
/// shapes.
void add_photographs(const fs::path& all, const std::string& first, const std::string& last, const fs::path& to) {
  for (const auto& wnid : fs::directory_iterator(all)) {
    const std::string name = wnid.path().filename().string();
    if (name < first || name > last) continue;
    for (const auto& photo : fs::directory_iterator(wnid))
      fs::copy_file(photo, to / (name + photo.path().filename().string()));
  }
}

/// photos/CLASS/*.jpg, 120 small ones of each class and some large ones, and mine.jpg, a dog. False
/// if there are none.
bool make_photographs(const fs::path& folder) {
  const auto cifar = shared_data("cifar10/cifar10_jpeg.tar.zst"), imagenet = shared_data("imagenet_sample");
  if (!cifar || !imagenet) return false;
  if (std::system("command -v zstd > /dev/null") != 0) {
    WARN("skipped: there is no zstd to unpack " << cifar->string());
    return false;
  }
  std::string members = "test/dog/0000.jpg";
  for (const std::string& name : kClasses) members += " 'train/" + name + "/00*' 'train/" + name + "/010*' ";
  REQUIRE(run_in(folder, "zstd -dc '" + fs::absolute(*cifar).string() + "' | tar x --wildcards " + members +
                             "\nmv train photos; mv test/dog/0000.jpg mine.jpg\n") == 0);
  add_photographs(*imagenet, "n01514668", "n01860187", folder / "photos/bird");
  add_photographs(*imagenet, "n02085620", "n02113978", folder / "photos/dog");
  return true;
}

/// The run's training loss after its last epoch.
double last_loss(const fs::path& run) { return read_metrics(run.string()).back().at("train_loss"); }

/// The commands under `heading` of the README, without those that need the network: they are a
/// clone and a build, which are there already.
std::string commands_under(const std::string& heading) {
  std::string script;
  for (const CodeBlock& block : code_blocks("README.md"))
    if (block.heading == heading && block.language == "sh") script += block.text;
  const auto replace = [&](const std::string& what, const std::string& by) {
    for (size_t at; (at = script.find(what)) != std::string::npos;) script.replace(at, what.size(), by);
  };
  replace("git clone", ": clone");
  replace("kindling/scripts/train", "kindling train");
  replace("kindling/build/release/kindling", "kindling");
  return script;
}

}  // namespace

TEST_CASE("the README's way from a clone to a named photograph", "[slow]") {
  const TemporaryFolder folder;
  if (!make_photographs(folder.path())) return;
  const std::string script = commands_under("Your own photographs");
  INFO(script);
  REQUIRE(script.find("--data folder:photos") != std::string::npos);
  CHECK(run_in(folder.path(), "(" + script + ") > out.txt") == 0);
  for (const std::string& name : kClasses) CHECK(read_file(folder / "out.txt").find(name) != std::string::npos);
  CHECK(last_loss(folder / "runs/photos") < 0.75 * std::log(kClasses.size()));
}

TEST_CASE("the README's program learns photographs", "[slow]") {
  const TemporaryFolder folder;
  if (!make_photographs(folder.path())) return;
  CHECK(run_in(folder.path(), "readme_1") == 0);
  REQUIRE(fs::exists(folder / "runs"));
  for (const auto& run : fs::directory_iterator(folder / "runs"))
    CHECK(last_loss(run.path()) < 0.75 * std::log(kClasses.size()));
  CHECK(run_in(folder.path(), "readme_2 > names.txt") == 0);
  for (const std::string& name : kClasses) CHECK(read_file(folder / "names.txt").find(name) != std::string::npos);
  // A second time it says what to do, and ends as a program should.
  CHECK(run_in(folder.path(), "readme_1 2> error.txt || exit 3") == 3 << 8);
  CHECK(read_file(folder / "error.txt").find("FitOptions.resume = true") != std::string::npos);
}
