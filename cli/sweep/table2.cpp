// Table 2 of the paper: SqueezeNet beside AlexNet, and both made small.
#include <fmt/format.h>

#include <kindling/cli/sweep/experiments.h>
#include <kindling/cli/sweep/tasks.h>

namespace kindling::cli {
namespace {

using Json = nlohmann::ordered_json;

// In the order of the table. "Longer" rows are not compressed: they are retrained as often as the
// rows that they are compared with.
enum Row : size_t {
  kAlexNet,
  kAlexNetLonger,
  kAlexNetLongest,
  kSvd,
  kPruned,
  kDeep,
  kSqueezeNet,
  kSqueezeNetLonger,
  kSqueezeNetLongest,
  kDeep8,
  kDeep6,
  kModern
};

void add_points(Plan& plan, const std::vector<RunPlan>& runs,
                const std::vector<std::pair<std::string, std::vector<std::string>>>& rows,
                const std::vector<std::string>& tasks) {
  for (size_t i = 0; i < rows.size(); ++i)
    plan.points.push_back({.name = rows[i].first, .runs = names_of(runs), .task = tasks[i], .paper = rows[i].second});
  plan.runs.insert(plan.runs.end(), runs.begin(), runs.end());
}

/// The same network retrained without being compressed, once and twice.
void add_longer(std::vector<RunPlan>& runs, const Scale& scale) {
  add_compression(runs, scale, "longer", "last.ckpt", {{"density", 1}});
  add_compression(runs, scale, "longest", "longer.kndz", {{"density", 1}});
}

/// The sizes at 1000 classes, which need no training: AlexNet in Caffe's form, as the paper has it,
/// SqueezeNet v1.0, and the authors' network coded again.
void add_released(Plan& plan, const std::string& file) {
  RunPlan run{.name = "released",
              .tasks = {{.name = "alexnet", .words = {"info", "--model", "alexnet", "--form", "caffe"}}}};
  const std::string alexnet = "1000 classes: AlexNet, 32 bits";
  plan.points.push_back(
      {.name = alexnet, .runs = {run.name}, .task = "alexnet", .ratio_to = alexnet, .paper = {"240 MB", "1", ""}});
  plan.points.push_back({.name = "1000 classes: SqueezeNet, 32 bits",
                         .runs = {run.name},
                         .task = "squeezenet",
                         .ratio_to = alexnet,
                         .paper = {"4.8 MB", "50", ""}});
  struct Row {
    const char *name, *bits, *coder, *size, *ratio;
  };
  for (const Row& row :
       {Row{"8 bits, Huffman", "8", "huffman", "0.66 MB", "363"},
        Row{"6 bits, Huffman", "6", "huffman", "0.47 MB", "510"}, Row{"8 bits, range coder", "8", "range", "", ""}}) {
    const std::string name = fmt::format("{}-{}", row.coder, row.bits);
    const Words words = words_of({"compress"}, {{"weights", file},
                                                {"bits", row.bits},
                                                {"coder", row.coder},
                                                {"out", fmt::format("{}/{}.kndz", run.name, name)}});
    run.tasks.push_back({.name = name, .words = words});
    plan.points.push_back({.name = fmt::format("1000 classes: SqueezeNet, released, {}", row.name),
                           .runs = {run.name},
                           .task = name,
                           .ratio_to = alexnet,
                           .paper = {row.size, row.ratio, ""}});
  }
  run.tasks.push_back({.name = "squeezenet", .words = {"info", "--model", "squeezenet1_0"}});
  plan.runs.push_back(run);
}

/// A network's size, and its accuracy or that of the same network trained longer.
struct Side {
  Side(const PointResult& point) : size(point), accuracy(point) {}  // NOLINT(google-explicit-constructor)
  Side(const PointResult& point, const PointResult& longer) : size(point), accuracy(longer) {}

  const PointResult &size, &accuracy;
  bool longer() const { return accuracy.point != size.point; }
};

double ratio(const Side& large, const Side& small) { return large.size.bytes.value / small.size.bytes.value; }
Mean change(const Side& large, const Side& small) { return gain(large.accuracy, small.accuracy); }

std::string evidence(const Side& large, const Side& small) {
  std::string text =
      fmt::format("{:.1f} times smaller, {} of top-1", ratio(large, small), points_text(change(large, small)));
  if (small.longer()) text += fmt::format(" for \"{}\"", small.accuracy.point->name);
  if (large.longer()) text += fmt::format(" against \"{}\"", large.accuracy.point->name);
  return text;
}

/// "SMALL is TIMES smaller than LARGE, and loses at most so many points".
Claim smaller(const std::string& text, const Side& large, const Side& small, double times, double points = kSame) {
  constexpr double kAbout = 0.95;  // the paper's numbers are rounded
  const Verdict size = ratio(large, small) >= kAbout * times ? Verdict::holds : Verdict::does_not;
  return {text, both(size, falls_by_at_most(points, change(large, small))), evidence(large, small)};
}

/// This project's aim, by the mean alone.
Claim aim(const PointResult& alexnet, const PointResult& squeezenet) {
  constexpr double kTimes = 300, kPoints = 2;
  const Mean lost = change(alexnet, squeezenet);
  const Verdict size = ratio(alexnet, squeezenet) >= kTimes ? Verdict::holds : Verdict::does_not;
  const Verdict accuracy = lost.value >= -kPoints ? Verdict::holds : Verdict::does_not;
  return {
      "(Not the paper's, but this project's aim, judged by the means alone.) With 6 bits it is 300 times smaller than "
      "AlexNet with 32 bits, for at most 2 points.",
      lost.error ? both(size, accuracy) : Verdict::not_clear, evidence(alexnet, squeezenet)};
}

}  // namespace

Plan plan_table2(const Scale& scale) {
  Plan plan{.paper_headings = {"paper: size", "paper: ratio", "paper: top-1 / top-5"}};
  std::vector<RunPlan> alexnet = trainings(scale, "alexnet", {{"model", "alexnet_cifar"}}, {{"init", "lsuv"}});
  add_compression(alexnet, scale, "pruned", "last.ckpt", {{"density", 0.11}, {"overall", true}});
  add_compression(alexnet, scale, "deep", "pruned.kndz",
                  {{"method", "kmeans"}, {"bits", {"8", "fc=5"}}, {"coder", "huffman"}, {"others", "f16"}});
  add_compression(alexnet, scale, "svd", "last.ckpt", {{"svd_weights", 0.2}, {"overall", true}});
  add_longer(alexnet, scale);
  const auto name_longer = [&](const char* network, int64_t times) {
    return fmt::format("{}, 32 bits, {} epochs more", network, times * scale.retraining);
  };
  add_points(plan, alexnet,
             {{"AlexNet, 32 bits", {"240 MB", "1", "57.2 / 80.3 %"}},
              {name_longer("AlexNet", 1), {"", "", ""}},
              {name_longer("AlexNet", 2), {"", "", ""}},
              {"AlexNet, SVD", {"48 MB", "5", "56.0 / 79.4 %"}},
              {"AlexNet, pruned", {"27 MB", "9", "57.2 / 80.3 %"}},
              {"AlexNet, Deep Compression", {"6.9 MB", "35", "57.2 / 80.3 %"}}},
             {"train", "longer", "longest", "svd", "pruned", "deep"});
  std::vector<RunPlan> squeezenet = trainings(scale, "squeezenet", {{"model", "squeezenet_cifar"}, {"norm", "batch"}});
  add_compression(squeezenet, scale, "pruned", "last.ckpt", {{"density", 0.33}, {"overall", true}});
  for (const int bits : {8, 6})
    add_compression(squeezenet, scale, fmt::format("deep{}", bits), "pruned.kndz",
                    {{"method", "kmeans"}, {"bits", bits}, {"coder", "huffman"}, {"others", "f16"}});
  add_compression(squeezenet, scale, "modern", "last.ckpt",
                  {{"method", "rate-distortion"}, {"calibrate", scale.data}, {"data", scale.data}});
  add_longer(squeezenet, scale);
  add_points(plan, squeezenet,
             {{"SqueezeNet, 32 bits", {"4.8 MB", "50", "57.5 / 80.3 %"}},
              {name_longer("SqueezeNet", 1), {"", "", ""}},
              {name_longer("SqueezeNet", 2), {"", "", ""}},
              {"SqueezeNet, Deep Compression, 8 bits", {"0.66 MB", "363", "57.5 / 80.3 %"}},
              {"SqueezeNet, Deep Compression, 6 bits", {"0.47 MB", "510", "57.5 / 80.3 %"}},
              {"SqueezeNet, rate and distortion", {"", "", ""}}},
             {"train", "longer", "longest", "deep8", "deep6", "modern"});
  if (!scale.released.empty()) add_released(plan, scale.released);
  return plan;
}

std::vector<Claim> claims_of_table2(const std::vector<PointResult>& points) {
  const PointResult &alexnet = points[kAlexNet], &squeezenet = points[kSqueezeNet];
  // What compression costs is the difference from a network that has learned as long.
  const Side once(alexnet, points[kAlexNetLonger]), twice(alexnet, points[kAlexNetLongest]);
  const Side squeezenet_twice(squeezenet, points[kSqueezeNetLongest]);
  return {smaller("SqueezeNet has AlexNet's accuracy and is 50 times smaller.", alexnet, squeezenet, 50),
          smaller("With Deep Compression at 8 bits it is 363 times smaller than AlexNet, at its accuracy.", twice,
                  points[kDeep8], 363),
          smaller("With 6 bits it is 510 times smaller, at its accuracy.", twice, points[kDeep6], 510),
          aim(alexnet, points[kDeep6]),
          smaller("Uncompressed it is 1.4 times smaller than the smallest AlexNet, at its accuracy.", points[kDeep],
                  squeezenet_twice, 1.4),
          smaller("Deep Compression at 6 bits makes SqueezeNet 10 times smaller without loss.", squeezenet_twice,
                  points[kDeep6], 10),
          smaller("SVD makes AlexNet 5 times smaller for 1.2 points.", once, points[kSvd], 5, 1.2),
          smaller("Pruning makes AlexNet 9 times smaller without loss.", once, points[kPruned], 9),
          smaller("Deep Compression makes AlexNet 35 times smaller without loss.", twice, points[kDeep], 35)};
}

}  // namespace kindling::cli
