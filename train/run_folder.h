// The folder of a training run: config.json, metrics.jsonl, curves.svg, last.ckpt, best.ckpt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <kindling/io/file_lock.h>
#include <kindling/tensor/check.h>

namespace kindling {

/// The version of Kindling: "0.2.0".
const char* version();
/// The machine: "cpu", "isa", "blas" (with the kernels it has chosen) and "threads". Other
/// instruction sets or BLAS kernels give other bits.
nlohmann::json describe_machine();

/// The paths and files of one run. metrics.jsonl grows line by line. All other files are written
/// whole or not at all.
class RunFolder {
 public:
  enum class Open { create, resume };
  /// Creates the folder if needed, and locks it against other processes. Throws FileError if it
  /// cannot, if the folder is in use, or (`create`) if it already holds_run().
  RunFolder(std::string path, Open mode);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string config_path() const { return config_path(path_); }
  static std::string config_path(const std::string& run) { return run + "/config.json"; }
  std::string last_checkpoint() const { return path_ + "/last.ckpt"; }
  std::string best_checkpoint() const { return path_ + "/best.ckpt"; }

  /// Writes config.json: the caller's options (an object), "version", and the "machine" on which
  /// the run began. Throws FileError if a text in it is not UTF-8.
  void write_config(const nlohmann::json& options, const nlohmann::json& machine) const {
    write_config(path_, options, machine);
  }
  static void write_config(const std::string& run, const nlohmann::json& options, const nlohmann::json& machine);
  /// Throws FileError if it is missing or not JSON.
  static nlohmann::json read_config(const std::string& run);
  /// Whether there are metrics, last.ckpt or best.ckpt in the folder.
  static bool holds_run(const std::string& run);
  /// Complete epochs in the last checkpoint. 0 if there is no checkpoint, or it does not say (fit()
  /// refuses that one).
  static int64_t epochs_done(const std::string& run);
  /// The number of training samples, from the last checkpoint. Nothing if there is none or it does
  /// not say.
  static std::optional<int64_t> samples(const std::string& run);

  /// Throws FileError, with the bytes needed and available, unless there is room for `files` more
  /// files of `bytes` each.
  void check_space(int64_t bytes, int64_t files) const;

  /// Keeps the first `lines` lines of metrics.jsonl and appends after them. The lines after the
  /// checkpoint will be written again.
  void cut_metrics(int64_t lines);
  /// Throws FileError if the line cannot be written. The line then waits, and is written before the
  /// next.
  void append_metrics(const nlohmann::ordered_json& line);
  /// Writes the waiting lines. Throws FileError if it still cannot.
  void write_waiting_metrics();
  /// Lines in the file so far.
  int64_t metrics_lines() const { return lines_; }
  /// Flushes metrics.jsonl to the disk.
  void sync_metrics() const;

 private:
  void refuse_run() const;
  std::string metrics_path() const { return path_ + "/metrics.jsonl"; }

  std::string path_;
  std::optional<FileLock> lock_;  ///< on metrics.jsonl
  int metrics_ = -1;
  int64_t lines_ = 0;
  std::string waiting_;  ///< lines that could not be written yet
};

/// All lines of RUN/metrics.jsonl. Throws FileError with the line's number if one is not JSON.
std::vector<nlohmann::json> read_metrics(const std::string& run);

}  // namespace kindling
