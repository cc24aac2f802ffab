// What the benchmarks share: the peak, timings, and what is said about the machine.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <kindling/cli/program.h>

namespace kindling::cli {

/// The FMA peak of this run: the best of samples taken before and after the measurements, and
/// between those that take long.
class PeakMeter {
 public:
  PeakMeter();
  void sample();
  double gflops() const;
  /// The median sample. Far below gflops(), it tells that other programs used the processors.
  double median() const;

 private:
  std::vector<double> samples_;
};

/// The value that this share of the samples is below, between two samples in proportion.
double quantile(std::vector<double> samples, double share);

/// Durations of repeated calls of the same work, in milliseconds.
class Timing {
 public:
  void add(double ms) { samples_.push_back(ms); }
  /// Adds the duration of one call, and returns it.
  template <class F>
  double measure(F&& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const auto end = std::chrono::steady_clock::now();
    add(std::chrono::duration<double, std::milli>(end - begin).count());
    return samples_.back();
  }
  double median() const { return quantile(samples_, 0.5); }
  double low() const { return quantile(samples_, 0.25); }
  double high() const { return quantile(samples_, 0.75); }
  bool empty() const { return samples_.empty(); }

 private:
  std::vector<double> samples_;
};

double peak_rss_mb();
double current_rss_mb();
/// Page faults of this process so far, without those that read a file.
int64_t page_faults();
/// Milliseconds since this process was started, in steps of 10 ms.
double process_age_ms();

/// Prints a note on standard error if OpenBLAS could be faster.
void warn_of_slow_blas();
/// `document` with "fma_peak_gflops", its "fma_peak_gflops_median", "threads", "isa", "blas_core"
/// and "peak_rss_mb".
void add_machine(nlohmann::ordered_json& document, const PeakMeter& peak, double rss_mb = peak_rss_mb());
/// The same for people, in one line, and a second one if the peak was unsteady.
std::string machine_line(const PeakMeter& peak, double rss_mb = peak_rss_mb());

void add_bench_train(Program& program, CLI::App& bench);
void add_bench_infer(Program& program, CLI::App& bench);
void add_bench_gemm(Program& program, CLI::App& bench);
void add_bench_conv(Program& program, CLI::App& bench);

}  // namespace kindling::cli
