// kindling bench: speed on this machine.
#include <kindling/cli/bench.h>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/blas_core.h>
#include <kindling/cli/output.h>
#include <kindling/tensor/kernels/blas.h>
#include <kindling/tensor/kernels/fma_peak.h>
#include <kindling/tensor/kernels/isa.h>
#include <kindling/tensor/kernels/parallel.h>

namespace kindling::cli {

PeakMeter::PeakMeter() {
  constexpr int kWakeUp = 2, kSamplesBefore = 3;
  for (int i = 0; i < kWakeUp; ++i) kernels::sample_fma_peak();  // of the clocks
  for (int i = 0; i < kSamplesBefore; ++i) sample();
}

void PeakMeter::sample() { samples_.push_back(kernels::sample_fma_peak()); }
double PeakMeter::gflops() const { return *std::max_element(samples_.begin(), samples_.end()); }
double PeakMeter::median() const { return quantile(samples_, 0.5); }

double quantile(std::vector<double> samples, double share) {
  std::sort(samples.begin(), samples.end());
  const double place = share * static_cast<double>(samples.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, samples.size() - 1);
  return std::lerp(samples[below], samples[above], place - static_cast<double>(below));
}

double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024e-6;
}

int64_t page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

double current_rss_mb() {
  int64_t total = 0, resident = 0;  // pages
  std::ifstream("/proc/self/statm") >> total >> resident;
  return static_cast<double>(resident * ::sysconf(_SC_PAGESIZE)) * 1e-6;
}

double process_age_ms() {
  // The start of this process is field 22 of its status, in ticks since the system came up; the second field is the
  // program's name in brackets.
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  constexpr int kAfterName = 19;  // fields 3 to 21
  std::string skipped;
  for (int i = 0; i < kAfterName; ++i) fields >> skipped;
  double ticks = 0;
  fields >> ticks;
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return 1e3 * (static_cast<double>(now.tv_sec) - ticks / static_cast<double>(::sysconf(_SC_CLK_TCK))) +
         1e-6 * static_cast<double>(now.tv_nsec);
}

void warn_of_slow_blas() {
  if (const std::string advice = blas_advice(); !advice.empty()) say("note: " + advice + "\n");
}

void add_machine(nlohmann::ordered_json& document, const PeakMeter& peak, double rss_mb) {
  document["fma_peak_gflops"] = peak.gflops();
  document["fma_peak_gflops_median"] = peak.median();
  document["threads"] = num_threads();
  document["isa"] = name_of(isa());
  document["blas_core"] = kernels::blas_core();
  document["peak_rss_mb"] = rss_mb;
}

std::string machine_line(const PeakMeter& peak, double rss_mb) {
  constexpr double kSteady = 0.9;  // in quiet hours half of the samples are above 0.97 of the best
  const std::string unsteady = fmt::format(
      "\nunsteady: half of the samples of the FMA peak were below {:.1f} GFLOP/s, at least a tenth below the best. "
      "Other programs probably use the processors, so shares of peak are uncertain. Measure again",
      peak.median());
  return fmt::format("FMA peak of this run {:.1f} GFLOP/s; {}, {}, BLAS kernels {}; at most {:.0f} MB of memory{}",
                     peak.gflops(), counted(num_threads(), "thread"), name_of(isa()), blas_core_text(), rss_mb,
                     peak.median() < kSteady * peak.gflops() ? unsteady : "");
}

void add_bench(Program& program) {
  CLI::App& bench = program.add_group("bench", "Speed on this machine",
                                      "kindling bench train --model squeezenet1_1 --batch-size 32 --size 224");
  add_bench_train(program, bench);
  add_bench_infer(program, bench);
  add_bench_gemm(program, bench);
  add_bench_conv(program, bench);
}

}  // namespace kindling::cli
