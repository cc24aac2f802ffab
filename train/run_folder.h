// The folder of a training run: config.json, metrics.jsonl, curves.svg, last.ckpt, best.ckpt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <kindling/tensor/check.h>

namespace kindling {

/// Of Kindling: "0.1.0".
const char* version();
/// What computes here: "cpu", "isa", "blas" (with the kernels it has chosen), "threads". Other instruction sets or BLAS
/// kernels give other bits.
nlohmann::json describe_machine();

/// Paths and files of one run. All files but metrics.jsonl, which grows line by line, are written whole or not at all.
class RunFolder {
 public:
  enum class Open { create, resume };
  /// Makes the folder, if needed, and keeps other processes out of it. Throws FileError if it cannot, if the folder is
  /// in use, or (`create`) if it holds_run() already.
  RunFolder(std::string path, Open mode);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string config_path() const { return path_ + "/config.json"; }
  std::string last_checkpoint() const { return path_ + "/last.ckpt"; }
  std::string best_checkpoint() const { return path_ + "/best.ckpt"; }

  /// config.json: the caller's options (an object), "version" and "machine", on which the run began. Throws FileError
  /// if a text in it is not UTF-8.
  void write_config(const nlohmann::json& options, const nlohmann::json& machine = describe_machine()) const;
  /// Throws FileError if it is missing or not JSON.
  static nlohmann::json read_config(const std::string& run);
  /// Whether there are metrics, last.ckpt or best.ckpt in the folder.
  static bool holds_run(const std::string& run);
  /// Whole epochs behind the last checkpoint; 0 if there is none, or one without them (which fit() will refuse).
  static int64_t epochs_done(const std::string& run);
  /// Training samples of the run, as its last checkpoint tells; nothing if there is none, or it tells nothing.
  static std::optional<int64_t> samples(const std::string& run);

  /// Throws FileError, with what is needed and what is there, unless `files` more files of so many bytes have room
  /// here.
  void check_space(int64_t bytes, int64_t files) const;

  /// Keeps the first `lines` lines of metrics.jsonl and goes on
  /// behind them: what came after the checkpoint will come again.
  void cut_metrics(int64_t lines);
  /// Throws FileError if the line cannot be written; it then waits, and is written before the next.
  void append_metrics(const nlohmann::ordered_json& line);
  /// Writes the lines that wait. Throws FileError if they still cannot be written.
  void write_waiting_metrics();
  /// Lines in the file so far.
  int64_t metrics_lines() const { return lines_; }
  /// Flushes metrics.jsonl to the disk.
  void sync_metrics() const;

 private:
  void lock() const;
  void refuse_run() const;
  std::string metrics_path() const { return path_ + "/metrics.jsonl"; }

  std::string path_;
  int metrics_ = -1;
  int64_t lines_ = 0;
  std::string waiting_;  ///< lines that could not be written yet
};

/// All lines of RUN/metrics.jsonl. Throws FileError with the line's number if one is not JSON.
std::vector<nlohmann::json> read_metrics(const std::string& run);

}  // namespace kindling
