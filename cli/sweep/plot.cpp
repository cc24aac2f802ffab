#include <kindling/cli/sweep/plot.h>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <kindling/io/atomic_file.h>
#include <kindling/train/gnuplot.h>

namespace kindling::cli {
namespace {

/// A rectangle, in shares of the plot's width and height.
struct Box {
  double left, bottom, right, top;

  double area() const { return std::max(0.0, right - left) * std::max(0.0, top - bottom); }
  Box common(const Box& other) const {
    return {std::max(left, other.left), std::max(bottom, other.bottom), std::min(right, other.right),
            std::min(top, other.top)};
  }
};

/// The part of an axis that is shown: from the first number to the last.
struct Axis {
  double first, last;
  bool logarithmic = false;

  double share(double value) const { return (scaled(value) - scaled(first)) / (scaled(last) - scaled(first)); }

 private:
  double scaled(double value) const { return logarithmic ? std::log(value) : value; }
};

/// With a margin of that share on both sides. Begins at 0 if `from_zero`.
Axis axis_around(double least, double most, double margin, bool logarithmic, bool from_zero) {
  if (from_zero) return {0, most * (1 + margin)};
  if (logarithmic) {
    const double factor = std::pow(std::max(most / least, 2.0), margin);
    return {least / factor, most * factor, true};
  }
  const double room = std::max(most - least, 1.0) * margin;
  return {least - room, most + room};
}

/// A text between quotes of gnuplot, without such quotes in it.
std::string quoted(std::string text) {
  std::replace(text.begin(), text.end(), '"', '\'');
  return '"' + text + '"';
}

class Plot {
 public:
  Plot(const Experiment& experiment, const std::vector<PointResult>& points)
      : experiment_(experiment), points_(points), x_(x_axis()), y_(y_axis()) {}

  std::string script(const std::string& head) const {
    const Look& look = experiment_.look;
    std::string data, plots;
    for (size_t i = 0; i < groups().size(); ++i) {
      const std::string group = groups()[i], block = fmt::format("$points{}", i);
      data += block + " << EOD\n";
      for (const PointResult& point : points_)
        if (group_of(point) == group)
          data += fmt::format("{} {} {}\n", place_of(point), point.top1->value, point.top1->margin);
      data += "EOD\n";
      if (look.line) plots += fmt::format("{} using 1:2 with lines ls 1 notitle, ", block);
      plots += fmt::format("{} using 1:2:3 with yerrorbars ls {} ps 0.6 {}, ", block, i + 2,
                           group.empty() ? "notitle" : "title " + quoted(group));
    }
    return fmt::format(
        "{}{}set xlabel '{}'\nset ylabel 'top-1, per cent'\nset bars small\n{}set xrange [{}:{}]\nset yrange [{}:{}]\n"
        "set title {} noenhanced textcolor rgb '#404040'{}\n{}plot {}\n",
        data, head, look.by_macs ? "multiply-adds of a picture, millions" : "file, MB",
        look.log_bytes ? "set logscale x\n" : "", x_.first, x_.last, y_.first, y_.last, quoted(experiment_.title),
        look.by_group ? " offset 0,1.2\nset tmargin 4.5" : "", labels(), plots);
  }

 private:
  double place_of(const PointResult& point) const {
    return 1e-6 * (experiment_.look.by_macs ? static_cast<double>(point.macs.value_or(0)) : point.bytes.value);
  }
  /// What stands before the first comma of a name, and what behind it.
  std::string group_of(const PointResult& point) const {
    return experiment_.look.by_group ? point.point->name.substr(0, point.point->name.find(", ")) : "";
  }
  std::string label_of(const PointResult& point) const {
    const std::string& name = point.point->name;
    return experiment_.look.by_group ? name.substr(name.find(", ") + 2) : name;
  }
  std::vector<std::string> groups() const {
    std::vector<std::string> all;
    for (const PointResult& point : points_)
      if (all.empty() || all.back() != group_of(point)) all.push_back(group_of(point));
    return all;
  }

  Axis x_axis() const {
    constexpr double kMargin = 0.12;
    const auto [first, last] =
        std::minmax_element(points_.begin(), points_.end(),
                            [&](const PointResult& a, const PointResult& b) { return place_of(a) < place_of(b); });
    const bool logarithmic = experiment_.look.log_bytes;
    return axis_around(place_of(*first), place_of(*last), kMargin, logarithmic, !logarithmic);
  }
  Axis y_axis() const {
    constexpr double kMargin = 0.1;
    double least = points_.front().top1->value, most = least;
    for (const PointResult& point : points_) {
      least = std::min(least, point.top1->value - point.top1->margin);
      most = std::max(most, point.top1->value + point.top1->margin);
    }
    return axis_around(least, most, kMargin, /*logarithmic=*/false, /*from_zero=*/false);
  }

  /// What labels should not cover: bars, points, and the line between points.
  std::vector<Box> marks() const {
    constexpr double kHalf = 0.006;
    constexpr int kPieces = 24;
    std::vector<Box> all;
    for (const PointResult& point : points_) {
      const double x = x_.share(place_of(point)), y = point.top1->value, margin = point.top1->margin;
      all.push_back({x - kHalf, y_.share(y - margin) - kHalf, x + kHalf, y_.share(y + margin) + kHalf});
    }
    for (size_t i = 1; i < points_.size() && experiment_.look.line; ++i)
      for (int piece = 0; piece < kPieces; ++piece) {
        const auto between = [&](double from, double to) { return from + (to - from) * piece / kPieces; };
        const double x = between(x_.share(place_of(points_[i - 1])), x_.share(place_of(points_[i])));
        const double y = between(y_.share(points_[i - 1].top1->value), y_.share(points_[i].top1->value));
        all.push_back({x - kHalf, y - kHalf, x + kHalf, y + kHalf});
      }
    return all;
  }

  /// Each label stands to the right or left of its point or of an end of its bar, where it covers
  /// the least of marks and of the labels before it.
  std::string labels() const {
    constexpr double kOfLetter = 0.0125, kHeight = 0.045, kGap = 0.014, kLabelCounts = 20, kOutsideCounts = 20,
                     kCrossed = 0.001;  // for a mark, however thin it is
    const std::vector<Box> taken = marks();
    std::vector<Box> placed;
    std::string text;
    for (const PointResult& point : points_) {
      const double x = x_.share(place_of(point)), y = y_.share(point.top1->value);
      const double width = kOfLetter * static_cast<double>(label_of(point).size());
      Box best{};
      double least = 0;
      bool to_the_right = true;
      const double bar = y_.share(point.top1->value + point.top1->margin) - y;
      for (const bool right : {true, false})
        for (const double rise : {0.035, -0.035, 0.0, 0.07, -0.07, bar + kHeight / 2, -bar - kHeight / 2}) {
          const double left = right ? x + kGap : x - kGap - width, middle = y + rise;
          const Box box{left, middle - kHeight / 2, left + width, middle + kHeight / 2};
          double cost = kOutsideCounts * (box.area() - box.common({0, 0, 1, 1}).area());
          for (const Box& mark : taken)
            if (const double area = box.common(mark).area(); area > 0) cost += kCrossed + area;
          for (const Box& label : placed) cost += kLabelCounts * box.common(label).area();
          if (best.area() > 0 && cost >= least) continue;
          least = cost;
          best = box;
          to_the_right = right;
        }
      placed.push_back(best);
      text += fmt::format("set label {} at graph {},{} {} noenhanced\n", quoted(label_of(point)),
                          to_the_right ? best.left : best.right, (best.bottom + best.top) / 2,
                          to_the_right ? "left" : "right");
    }
    return text;
  }

  const Experiment& experiment_;
  const std::vector<PointResult>& points_;
  Axis x_, y_;
};

}  // namespace

void draw_plot(const std::string& folder, const Experiment& experiment, std::vector<PointResult> points) {
  std::erase_if(points, [](const PointResult& point) { return !point.top1; });
  const Plot plot(experiment, points);
  write_file(folder + "/plot.svg", run_gnuplot(plot.script(svg_head(760, 500))));
  write_file(
      folder + "/plot.png",
      run_gnuplot(plot.script(std::string("set terminal pngcairo size 1140,750 font 'Helvetica,18'\n") + kPlotStyle)));
}

}  // namespace kindling::cli
