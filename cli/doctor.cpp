// kindling doctor: what Kindling sees on this machine, and a proof that its numbers are right here.
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kindling/autograd/ops/ops.h>
#include <kindling/cli/bench.h>
#include <kindling/cli/blas_core.h>
#include <kindling/cli/checks.h>
#include <kindling/cli/output.h>
#include <kindling/cli/program.h>
#include <kindling/tensor/kernels/blas.h>
#include <kindling/tensor/kernels/isa.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/train/run_folder.h>

namespace kindling::cli {
namespace {

using Json = nlohmann::ordered_json;

struct DoctorOptions {
  Everywhere everywhere;
};

void declare(DoctorOptions&, Settings&) {}

/// The FMA peak, in GFLOP/s.
struct Speed {
  double one, all;  ///< on one thread, and on all that are in use

  /// What to say if threads do not add up; else "".
  std::string advice() const {
    constexpr double kFew = 0.75;  // two cores that nobody else uses reach 0.95 or more
    const double times = all / one;
    if (num_threads() == 1 || times > kFew * num_threads()) return "";
    return fmt::format(
        "{} threads do {:.1f} times the work of one. Perhaps other programs use the processors, two threads share a "
        "core, or the clock falls when all cores work. Fewer --threads may be as fast",
        num_threads(), times);
  }
};

Speed measure_speed() {
  const double all = PeakMeter().gflops();
  const ThreadsGuard one(1);
  return {PeakMeter().gflops(), all};
}

int run(DoctorOptions& options, Settings&) {
  const nlohmann::json machine = describe_machine();
  const std::vector<Check> checks = check_numbers(options.everywhere.seed);
  const std::string advice = blas_advice();
  const Speed speed = measure_speed();
  const bool all_ok = std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.ok; });
  if (options.everywhere.json) {
    Json list = Json::array();
    for (const Check& check : checks) list.push_back({{"name", check.name}, {"ok", check.ok}, {"found", check.found}});
    print_json({{"version", version()},
                {"cpu", machine["cpu"]},
                {"isa", name_of(isa())},
                {"best_isa", name_of(best_isa())},
                {"threads", num_threads()},
                {"fma_peak_gflops_one_thread", speed.one},
                {"fma_peak_gflops", speed.all},
                {"threads_advice", speed.advice().empty() ? Json() : Json(speed.advice())},
                {"blas", kernels::blas_version()},
                {"blas_core", kernels::blas_core()},
                {"blas_advice", advice.empty() ? Json() : Json(advice)},
                {"checks", list}});
    return all_ok ? kDone : kFailed;
  }
  const std::string chosen = by_environment("KINDLING_ISA");
  print("Kindling {}\n", version());
  print("processor        {}\n", machine["cpu"].get<std::string>());
  print("instructions     {}{}\n", name_of(isa()), chosen.empty() ? " (the widest here)" : chosen);
  print("threads          {}{}\n", num_threads(),
        options.everywhere.threads > 0 ? "" : by_environment("OMP_NUM_THREADS"));
  print("BLAS             {}\nBLAS kernels     {}\n", kernels::blas_version(), blas_core_text());
  print("FMA peak         {:.0f} GFLOP/s on one thread{}\n", speed.one,
        num_threads() > 1 ? fmt::format(", {:.0f} on {}", speed.all, num_threads()) : "");
  if (!advice.empty()) print("{}\n", Style(1).red(advice));
  if (!speed.advice().empty()) print("{}\n", Style(1).red(speed.advice()));
  print("\n");
  const Style style(1);
  for (const Check& check : checks)
    print("{}  {:<52} {}\n", check.ok ? style.green("ok    ") : style.red("FAILED"), check.name, check.found);
  print("\n{}\n", all_ok ? "The numbers are right on this machine."
                         : "Numbers are WRONG on this machine. Try KINDLING_ISA=avx2 or baseline, and report it.");
  return all_ok ? kDone : kFailed;
}

}  // namespace

void add_doctor(Program& program) {
  program.add<DoctorOptions>(program.root(), "doctor",
                             "What Kindling sees here, and a proof that its numbers are right",
                             "kindling doctor\nKINDLING_ISA=avx2 kindling doctor", declare, run);
}

}  // namespace kindling::cli
