#include <kindling/train/curves.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

#include <nlohmann/json.hpp>

#include <kindling/io/atomic_file.h>
#include <kindling/train/gnuplot.h>
#include <kindling/train/run_folder.h>

namespace kindling {
namespace {

using Json = nlohmann::json;

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
  script << svg_head(classes ? 1040 : 540, 430) << "set xlabel 'epoch'\nset xrange [0:" << data.epochs() << "]\n"
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

}  // namespace

void draw_curves(const std::string& run) {
  const std::vector<Json> lines = read_metrics(run);
  if (std::none_of(lines.begin(), lines.end(), is_epoch_line)) return;
  write_file(run + "/curves.svg", run_gnuplot(make_script(lines)));
}

}  // namespace kindling
