#include <kindling/train/run_folder.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include <nlohmann/json.hpp>

#include <kindling/io/atomic_file.h>
#include <kindling/io/weights.h>
#include <kindling/tensor/kernels/blas.h>
#include <kindling/tensor/kernels/isa.h>
#include <kindling/tensor/kernels/parallel.h>

namespace kindling {
namespace {

namespace fs = std::filesystem;

std::string reason() { return std::generic_category().message(errno); }

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

std::string megabytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", bytes * 1e-6);
  return text;
}

// Bytes of the first `lines` lines, or of all complete ones if there are fewer; sets `lines` to their number.
size_t length_of_lines(const std::string& text, int64_t& lines) {
  size_t length = 0;
  int64_t count = 0;
  for (size_t end; count < lines && (end = text.find('\n', length)) != std::string::npos; ++count) length = end + 1;
  lines = count;
  return length;
}

/// An entry of the run's state in its last.ckpt.
std::optional<int64_t> number_in_checkpoint(const std::string& run, const std::string& name) {
  const std::string path = run + "/last.ckpt";
  if (!fs::exists(path)) return std::nullopt;
  const SafetensorsFile checkpoint(path);
  const TensorEntry* entry = checkpoint.find(std::string(kStatePrefix) + "run/" + name);
  return entry != nullptr ? std::optional(checkpoint.read(*entry).item<int64_t>()) : std::nullopt;
}

}  // namespace

nlohmann::json describe_machine() {
  return {{"cpu", cpu_name()},
          {"isa", name_of(isa())},
          {"blas", std::string(kernels::blas_version()) + " " + kernels::blas_core()},
          {"threads", num_threads()}};
}

const char* version() { return KINDLING_VERSION; }

RunFolder::RunFolder(std::string path, Open mode) : path_(std::move(path)) {
  std::error_code error;
  fs::create_directories(path_, error);
  if (error) throw FileError(path_ + ": cannot be made: " + error.message());
  if (mode == Open::create) refuse_run();  // before metrics.jsonl is made in a folder of somebody else's
  metrics_ = ::open(metrics_path().c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (metrics_ < 0) throw FileError(metrics_path() + ": cannot be opened: " + reason());
  try {
    lock_.emplace(metrics_path(), path_);
    if (mode == Open::create) refuse_run();
    for (const std::string& file : {config_path(), path_ + "/curves.svg", last_checkpoint(), best_checkpoint()})
      remove_temporary_files(file);
  } catch (...) {
    ::close(metrics_);
    throw;
  }
}

bool RunFolder::holds_run(const std::string& run) {
  std::error_code missing;
  const bool has_lines = fs::file_size(run + "/metrics.jsonl", missing) > 0 && !missing;
  return has_lines || fs::exists(run + "/last.ckpt") || fs::exists(run + "/best.ckpt");
}

void RunFolder::refuse_run() const {
  if (holds_run(path_))
    throw FileError(path_ +
                    ": holds a run already: go on with it (FitOptions.resume = true, or kindling train "
                    "--resume " +
                    path_ + "), or choose another folder");
}

RunFolder::~RunFolder() { ::close(metrics_); }

void RunFolder::write_config(const std::string& run, const nlohmann::json& options, const nlohmann::json& machine) {
  nlohmann::json config = options;
  config["version"] = version();
  config["machine"] = machine;
  std::string text;
  try {
    text = config.dump(2);
  } catch (const nlohmann::json::exception& error) {
    throw FileError(config_path(run) + ": cannot hold a path or name that is not UTF-8: " + error.what());
  }
  write_file(config_path(run), text + "\n");
}

nlohmann::json RunFolder::read_config(const std::string& run) {
  const std::string path = config_path(run);
  nlohmann::json config = nlohmann::json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) throw FileError(path + ": is not a JSON object");
  return config;
}

int64_t RunFolder::epochs_done(const std::string& run) { return number_in_checkpoint(run, "epoch").value_or(0); }

std::optional<int64_t> RunFolder::samples(const std::string& run) { return number_in_checkpoint(run, "samples"); }

void RunFolder::check_space(int64_t bytes, int64_t files) const {
  const auto need = static_cast<double>(bytes) * static_cast<double>(files);
  std::error_code unknown;
  const auto free = static_cast<double>(fs::space(path_, unknown).available);
  if (!unknown && free < need)
    throw FileError(path_ + ": the checkpoints of this run need " + megabytes(need) + " on the disk, of which " +
                    megabytes(free) + " are free");
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < static_cast<rlim_t>(bytes))
    throw FileError(path_ + ": a checkpoint of this run needs " + megabytes(static_cast<double>(bytes)) +
                    ", but files may have " + std::to_string(limit.rlim_cur) + " bytes here (ulimit -f)");
}

void RunFolder::cut_metrics(int64_t lines) {
  lines_ = lines;
  const size_t length = length_of_lines(read_file(metrics_path()), lines_);
  if (::ftruncate(metrics_, static_cast<off_t>(length)) != 0)
    throw FileError(metrics_path() + ": cannot be cut: " + reason());
}

void RunFolder::append_metrics(const nlohmann::ordered_json& line) {
  waiting_ += line.dump() + "\n";
  write_waiting_metrics();
}

void RunFolder::write_waiting_metrics() {
  if (waiting_.empty()) return;
  const off_t before = ::lseek(metrics_, 0, SEEK_END);
  const ssize_t written = ::write(metrics_, waiting_.data(), waiting_.size());
  if (written != static_cast<ssize_t>(waiting_.size())) {
    const std::string error = written < 0 ? reason() : "no space left";
    if (::ftruncate(metrics_, before) != 0)
      throw FileError(metrics_path() + ": half a line could not be removed: " + reason());
    throw FileError(metrics_path() + ": cannot be written: " + error);
  }
  lines_ += std::count(waiting_.begin(), waiting_.end(), '\n');
  waiting_.clear();
}

void RunFolder::sync_metrics() const {
  if (::fsync(metrics_) != 0) throw FileError(metrics_path() + ": cannot be flushed to the disk: " + reason());
}

std::vector<nlohmann::json> read_metrics(const std::string& run) {
  const std::string path = run + "/metrics.jsonl";
  std::istringstream text(read_file(path));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(text, line);) {
    lines.push_back(nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false));
    if (!lines.back().is_object())
      throw FileError(path + ": line " + std::to_string(lines.size()) + " is not a JSON object");
  }
  return lines;
}

}  // namespace kindling
