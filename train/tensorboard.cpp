#include <kindling/train/tensorboard.h>

#include <events.pb.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include <kindling/io/atomic_file.h>

namespace kindling {
namespace {

const std::string kFileName = "events.out.tfevents.";
/// Of a TFRecord, around its bytes: their length and two checksums.
constexpr size_t kRecordFrame = sizeof(uint64_t) + 2 * sizeof(uint32_t);

std::string reason() { return std::generic_category().message(errno); }

// CRC-32C one byte at a time: entry b is the remainder of b x^32 by the polynomial 0x1EDC6F41, bits reversed.
constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? 0x82F63B78U : 0U);
    table[byte] = remainder;
  }
  return table;
}

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

tensorboard::Histogram make_histogram(const std::string& tag, const std::vector<double>& values) {
  constexpr int kBuckets = 30;
  tensorboard::Histogram histogram;
  if (values.empty()) return histogram;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  double sum = 0, squares = 0;
  for (const double x : values) {
    if (!std::isfinite(x)) throw Error("histogram \"" + tag + "\": a value is not finite");
    sum += x;
    squares += x * x;
  }
  const double width = (*high - *low) / kBuckets;
  std::array<double, kBuckets> counts{};
  for (const double x : values) {
    const double bucket = width > 0 ? (x - *low) / width : 0;
    counts[static_cast<size_t>(std::clamp(std::ceil(bucket) - 1, 0.0, kBuckets - 1.0))] += 1;
  }
  histogram.set_min(*low);
  histogram.set_max(*high);
  histogram.set_num(static_cast<double>(values.size()));
  histogram.set_sum(sum);
  histogram.set_sum_squares(squares);
  for (int i = 0; i < kBuckets; ++i) {
    histogram.add_bucket_limit(i == kBuckets - 1 ? *high : *low + (i + 1) * width);
    histogram.add_bucket(counts[static_cast<size_t>(i)]);
  }
  return histogram;
}

}  // namespace

uint32_t masked_crc32c(std::string_view bytes) {
  static constexpr auto kTable = make_crc_table();
  uint32_t crc = ~0U;
  for (const char byte : bytes) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<uint8_t>(byte)) & 0xFF];
  return std::rotr(~crc, 15) + 0xA282EAD8U;
}

namespace {

// A TFRecord: length, its checksum, the bytes, their checksum; little-endian as this machine.
std::string make_record(const std::string& bytes) {
  const uint64_t length = bytes.size();
  const uint32_t length_crc = masked_crc32c({reinterpret_cast<const char*>(&length), sizeof length});
  const uint32_t bytes_crc = masked_crc32c(bytes);
  std::string record;
  record.append(reinterpret_cast<const char*>(&length), sizeof length);
  record.append(reinterpret_cast<const char*>(&length_crc), sizeof length_crc);
  record.append(bytes);
  record.append(reinterpret_cast<const char*>(&bytes_crc), sizeof bytes_crc);
  return record;
}

/// The bytes of the record at the head of `file`; nothing if it is not whole.
std::optional<std::string_view> first_record(std::string_view file) {
  uint64_t length = 0;
  if (file.size() < kRecordFrame) return std::nullopt;
  std::memcpy(&length, file.data(), sizeof length);
  if (length > file.size() - kRecordFrame) return std::nullopt;
  return file.substr(sizeof length + sizeof(uint32_t), length);
}

/// Bytes of the file up to the first event that is damaged or comes again.
template <class ComesAgain>
size_t length_to_keep(std::string_view file, const ComesAgain& comes_again) {
  size_t kept = 0;
  while (const std::optional<std::string_view> record = first_record(file.substr(kept))) {
    tensorboard::Event event;
    if (!event.ParseFromArray(record->data(), static_cast<int>(record->size()))) break;
    if (event.has_summary() && event.summary().value_size() > 0 &&
        comes_again(event.step(), event.summary().value(0).tag()))
      break;
    kept += record->size() + kRecordFrame;
  }
  return kept;
}

/// Whether EventWriter makes files of this name: other programs put a host's behind the number.
bool is_own_name(const std::string& name) {
  const std::string number = name.starts_with(kFileName) ? name.substr(kFileName.size()) : "";
  return !number.empty() && number.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

void refuse_events(const std::string& folder) {
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(folder, missing))
    if (entry.path().filename().string().starts_with(kFileName))
      throw FileError(entry.path().string() +
                      ": is a file of events of another training, into whose curves TensorBoard "
                      "would draw this one: choose another folder, or move the file away");
}

void cut_events(const std::string& folder,
                const std::function<bool(int64_t step, const std::string& tag)>& comes_again) {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!is_own_name(entry.path().filename().string()) || !entry.is_regular_file()) continue;
    const std::string path = entry.path().string(), file = read_file(path);
    const size_t kept = length_to_keep(file, comes_again);
    if (kept < file.size() && ::truncate(path.c_str(), static_cast<off_t>(kept)) != 0)
      throw FileError(path + ": cannot be cut: " + reason());
  }
}

struct EventWriter::State {
  std::string path;
  int descriptor = -1;
  std::string waiting;  ///< records that have not been written yet

  ~State() {
    if (descriptor >= 0) ::close(descriptor);
  }

  void add(tensorboard::Event& event, int64_t step) {
    event.set_wall_time(seconds_since_1970());
    event.set_step(step);
    waiting += make_record(event.SerializeAsString());
  }
};

EventWriter::EventWriter(const std::string& folder, int64_t first_step) : state_(std::make_unique<State>()) {
  char number[32];
  std::snprintf(number, sizeof number, "%010lld", static_cast<long long>(first_step));
  state_->path = folder + "/" + kFileName + number;
  state_->descriptor = ::open(state_->path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (state_->descriptor < 0) throw FileError(state_->path + ": cannot be made: " + reason());
  if (::lseek(state_->descriptor, 0, SEEK_END) > 0) return;  // goes on behind what cut_events() has left
  tensorboard::Event version;
  version.set_file_version("brain.Event:2");
  state_->add(version, first_step);
  tensorboard::Event start;
  start.mutable_session_log()->set_status(tensorboard::SessionLog::START);
  state_->add(start, first_step);
}

EventWriter::~EventWriter() {
  try {
    flush();
  } catch (const FileError&) {  // told by the last flush() that the caller has asked for
  }
}

void EventWriter::add_scalar(const std::string& tag, double value, int64_t step) {
  tensorboard::Event event;
  tensorboard::Summary::Value& entry = *event.mutable_summary()->add_value();
  entry.set_tag(tag);
  entry.set_simple_value(static_cast<float>(value));
  state_->add(event, step);
}

void EventWriter::add_histogram(const std::string& tag, const Tensor& values, int64_t step) {
  tensorboard::Event event;
  tensorboard::Summary::Value& entry = *event.mutable_summary()->add_value();
  entry.set_tag(tag);
  *entry.mutable_histo() = make_histogram(tag, values.to_vector<double>());
  state_->add(event, step);
}

void EventWriter::flush() {
  std::string& waiting = state_->waiting;
  if (waiting.empty()) return;
  const off_t before = ::lseek(state_->descriptor, 0, SEEK_END);
  const ssize_t written = ::write(state_->descriptor, waiting.data(), waiting.size());
  if (written == static_cast<ssize_t>(waiting.size())) return waiting.clear();
  const std::string error = written < 0 ? reason() : "no space left";
  if (written > 0 && ::ftruncate(state_->descriptor, before) != 0)
    throw FileError(state_->path + ": half an event could not be removed: " + reason());
  throw FileError(state_->path + ": cannot be written: " + error);
}

void EventWriter::sync() {
  if (::fsync(state_->descriptor) != 0) throw FileError(state_->path + ": cannot be flushed to the disk: " + reason());
}

}  // namespace kindling
