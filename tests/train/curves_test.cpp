#include <kindling/train/curves.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include <kindling/io/atomic_file.h>

#include <kindling/tests/support/temporary_folder.h>

using namespace kindling;

namespace {

constexpr char kClassifier[] =
    "{\"epoch\":1,\"step\":5,\"lr\":0.1,\"train_loss\":2.1,\"images_per_second\":9.0}\n"
    "{\"epoch\":1,\"step\":10,\"train_loss\":2.0,\"train_top1\":30.0,\"val_loss\":1.9,\"val_top1\":35.0,\"val_top5\":"
    "80.0}\n"
    "{\"epoch\":2,\"step\":20,\"train_loss\":1.0,\"train_top1\":60.0,\"val_loss\":1.2,\"val_top1\":55.0,\"val_top5\":"
    "90.0}\n";
constexpr char kRegression[] =
    "{\"epoch\":1,\"step\":10,\"train_loss\":2.0,\"train_top1\":null,\"val_loss\":null,\"val_top1\":null,\"val_top5\":"
    "null}\n";

/// The PATH of this process, put back at the end.
class SearchPath {
 public:
  explicit SearchPath(const std::string& path) : before_(std::getenv("PATH")) { setenv("PATH", path.c_str(), 1); }
  ~SearchPath() { setenv("PATH", before_.c_str(), 1); }

 private:
  std::string before_;
};

}  // namespace

TEST_CASE("the curves of a classifier show loss and accuracy") {
  const TemporaryFolder folder;
  write_file(folder / "metrics.jsonl", kClassifier);
  draw_curves(folder.path());
  const std::string svg = read_file(folder / "curves.svg");
  CHECK_THAT(svg, Catch::Contains("</svg>"));
  for (const char* text : {"loss", "accuracy, per cent", "training", "validation", "validation top-5", "epoch"})
    CHECK_THAT(svg, Catch::Contains(text));
  CHECK(folder.listing() == "curves.svg metrics.jsonl");
}

TEST_CASE("the curves of a regression without validation show its loss alone") {
  const TemporaryFolder folder;
  write_file(folder / "metrics.jsonl", kRegression);
  draw_curves(folder.path());
  const std::string svg = read_file(folder / "curves.svg");
  CHECK_THAT(svg, Catch::Contains("training"));
  CHECK_THAT(svg, !Catch::Contains("validation") && !Catch::Contains("accuracy"));
}

TEST_CASE("before the first epoch has ended there is nothing to draw") {
  const TemporaryFolder folder;
  write_file(folder / "metrics.jsonl", "{\"epoch\":1,\"step\":5,\"train_loss\":2.1}\n");
  draw_curves(folder.path());
  CHECK(folder.listing() == "metrics.jsonl");
}

TEST_CASE("without gnuplot, or when it fails, the old curves stay and the reason is told") {
  const TemporaryFolder folder;
  write_file(folder / "metrics.jsonl", kClassifier);
  write_file(folder / "curves.svg", "old");
  const SearchPath path(folder.path());
  CHECK_THROWS_MATCHES(draw_curves(folder.path()), FileError,
                       Catch::Message("gnuplot cannot be run: is it installed (gnuplot-nox)?"));
  write_file(folder / "gnuplot", "#!/bin/sh\necho out of ink >&2\nexit 1\n");
  std::filesystem::permissions(folder / "gnuplot", std::filesystem::perms::owner_all);
  CHECK_THROWS_MATCHES(draw_curves(folder.path()), FileError, Catch::Message("gnuplot failed: out of ink\n"));
  CHECK(read_file(folder / "curves.svg") == "old");
}
