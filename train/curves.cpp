#include <kindling/train/curves.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <memory>
#include <sstream>
#include <vector>

#include <nlohmann/json.hpp>

#include <kindling/io/atomic_file.h>
#include <kindling/train/run_folder.h>

extern char** environ;

namespace kindling {
namespace {

using Json = nlohmann::json;
using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

bool has_number(const Json& line, const char* key) { return line.contains(key) && line[key].is_number(); }

// Lines at the end of an epoch have the validation's keys, be they null; the others were logged on the way.
bool is_epoch_line(const Json& line) { return line.contains("val_loss"); }

/// What to draw, in gnuplot's data blocks: x in epochs, y.
class CurveData {
 public:
  explicit CurveData(const std::vector<Json>& lines) {
    double steps_per_epoch = 0;
    for (const Json& line : lines)
      if (is_epoch_line(line)) steps_per_epoch = line.value("step", 1.0) / line.value("epoch", 1.0);
    for (const Json& line : lines) {
      if (!is_epoch_line(line)) {
        if (steps_per_epoch > 0) add("steps", line.value("step", 0.0) / steps_per_epoch, line, "train_loss");
        continue;
      }
      const double epoch = line.value("epoch", 0.0);
      epochs_ = std::max(epochs_, epoch);
      for (const char* key : {"train_loss", "val_loss", "train_top1", "val_top1", "val_top5"})
        add(key, epoch, line, key);
    }
  }

  double epochs() const { return epochs_; }
  bool has(const std::string& block) const { return blocks_.contains(block); }
  void write(std::ostream& out) const {
    for (const auto& [name, rows] : blocks_) out << '$' << name << " << EOD\n" << rows << "EOD\n";
  }

 private:
  void add(const std::string& block, double epoch, const Json& line, const char* key) {
    if (!has_number(line, key)) return;
    std::ostringstream row;
    row << epoch << ' ' << line[key].get<double>() << '\n';
    blocks_[block] += row.str();
  }

  std::map<std::string, std::string> blocks_;
  double epochs_ = 1;
};

constexpr char kStyle[] = R"(
set border 3 lc rgb '#606060'
set tics nomirror out scale 0.5 textcolor rgb '#404040'
set grid lc rgb '#e4e4e4' lw 1 lt 1
set key at graph 0, 1.02 left bottom Left reverse horizontal maxcols 3 samplen 1.5 textcolor rgb '#404040'
set xlabel 'epoch'
set style line 1 lc rgb '#bcd4ec' lw 1
set style line 2 lc rgb '#1f6fb5' lw 2 pt 7 ps 0.35
set style line 3 lc rgb '#d9541e' lw 2 pt 7 ps 0.35
set style line 4 lc rgb '#2f8f4e' lw 2 pt 7 ps 0.35
)";

struct Curve {
  const char* block;
  const char* title;
  int style;
};

std::string plot_command(const CurveData& data, const std::vector<Curve>& curves) {
  std::ostringstream plot;
  const char* separator = "plot ";
  for (const Curve& curve : curves) {
    if (!data.has(curve.block)) continue;
    plot << separator << '$' << curve.block << " with " << (curve.style == 1 ? "lines" : "linespoints") << " ls "
         << curve.style << (*curve.title ? std::string(" title '") + curve.title + "'" : " notitle");
    separator = ", ";
  }
  return plot.str() + "\n";
}

std::string make_script(const std::vector<Json>& lines) {
  const CurveData data(lines);
  const bool classes = data.has("val_top1") || data.has("train_top1");
  std::ostringstream script;
  data.write(script);
  script << "set terminal svg size " << (classes ? 1040 : 540) << ",430 font 'Helvetica,13' background '#ffffff'\n"
         << kStyle << "set xrange [0:" << data.epochs() << "]\n"
         << "set multiplot layout 1," << (classes ? 2 : 1) << " margins " << (classes ? 0.05 : 0.1)
         << ",0.985,0.15,0.83 spacing 0.07\n"
         << "set label 1 'loss' at graph 0, 1.17\n"
         << plot_command(data, {{"steps", "", 1}, {"train_loss", "training", 2}, {"val_loss", "validation", 3}});
  if (classes)
    script << "set label 1 'accuracy, per cent'\nset key width -5\nset yrange [*:100]\n"
           << plot_command(data, {{"train_top1", "training top-1", 2},
                                  {"val_top1", "validation top-1", 3},
                                  {"val_top5", "validation top-5", 4}});
  script << "unset multiplot\n";
  return script.str();
}

// A file without a name, which goes away when it is closed.
File scratch_file() {
  File file(std::tmpfile(), std::fclose);
  if (!file) throw FileError("curves: no temporary file can be made");
  return file;
}

std::string contents_of(std::FILE* file) {
  std::string text;
  char block[1 << 14];
  std::rewind(file);
  for (size_t got; (got = std::fread(block, 1, sizeof block, file)) > 0;) text.append(block, got);
  return text;
}

/// Runs gnuplot on `script` and returns what it writes to standard
/// output. Files stand where pipes would: none can run full.
std::string run_gnuplot(const std::string& script) {
  const File input = scratch_file(), output = scratch_file(), errors = scratch_file();
  std::fwrite(script.data(), 1, script.size(), input.get());
  std::rewind(input.get());

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(input.get()), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(output.get()), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(errors.get()), STDERR_FILENO);
  std::string name = "gnuplot";
  char* arguments[] = {name.data(), nullptr};
  pid_t process = 0;
  const int failure = posix_spawnp(&process, name.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) throw FileError("curves: gnuplot cannot be run: is it installed (gnuplot-nox)?");

  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw FileError("curves: gnuplot failed: " + contents_of(errors.get()));
  return contents_of(output.get());
}

}  // namespace

void draw_curves(const std::string& run) {
  const std::vector<Json> lines = read_metrics(run);
  if (std::none_of(lines.begin(), lines.end(), is_epoch_line)) return;
  write_file(run + "/curves.svg", run_gnuplot(make_script(lines)));
}

}  // namespace kindling
