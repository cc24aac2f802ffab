// kindling doctor: what Kindling sees on this machine, and a proof that its numbers are right here.
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kindling/autograd/ops/ops.h>
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

int run(DoctorOptions& options, Settings&) {
  const nlohmann::json machine = describe_machine();
  const std::vector<Check> checks = check_numbers(options.everywhere.seed);
  const std::string advice = blas_advice();
  const bool all_ok = std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.ok; });
  if (options.everywhere.json) {
    Json list = Json::array();
    for (const Check& check : checks) list.push_back({{"name", check.name}, {"ok", check.ok}, {"found", check.found}});
    print_json({{"version", version()},
                {"cpu", machine["cpu"]},
                {"isa", name_of(isa())},
                {"best_isa", name_of(best_isa())},
                {"threads", num_threads()},
                {"blas", kernels::blas_version()},
                {"blas_core", kernels::blas_core()},
                {"blas_advice", advice.empty() ? Json() : Json(advice)},
                {"checks", list}});
    return all_ok ? kDone : kFailed;
  }
  const char* wanted = std::getenv("KINDLING_ISA");
  const std::string why = wanted != nullptr && *wanted != '\0' ? "by KINDLING_ISA" : "the widest here";
  print("Kindling {}\n", version());
  print("processor        {}\n", machine["cpu"].get<std::string>());
  print("instructions     {} ({})\n", name_of(isa()), why);
  print("threads          {}\n", num_threads());
  print("BLAS             {}\nBLAS kernels     {}\n", kernels::blas_version(), kernels::blas_core());
  if (!advice.empty()) print("{}\n", Style(1).red(advice));
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
