#include <kindling/train/tensorboard.h>

#include <events.pb.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <vector>

namespace kindling {
namespace {

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

struct EventWriter::State {
  std::string path;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{nullptr, std::fclose};

  void write(const void* data, size_t bytes) {
    if (std::fwrite(data, 1, bytes, file.get()) != bytes) throw FileError(path + ": cannot be written");
  }

  // A TFRecord: length, its checksum, the bytes, their checksum; little-endian as this machine.
  void write_record(const std::string& bytes) {
    const uint64_t length = bytes.size();
    const uint32_t length_crc = masked_crc32c({reinterpret_cast<const char*>(&length), sizeof length});
    const uint32_t bytes_crc = masked_crc32c(bytes);
    write(&length, sizeof length);
    write(&length_crc, sizeof length_crc);
    write(bytes.data(), bytes.size());
    write(&bytes_crc, sizeof bytes_crc);
  }

  void write_event(tensorboard::Event& event, int64_t step) {
    event.set_wall_time(seconds_since_1970());
    event.set_step(step);
    write_record(event.SerializeAsString());
  }
};

EventWriter::EventWriter(const std::string& folder, int64_t first_step) : state_(std::make_unique<State>()) {
  char name[64];
  std::snprintf(name, sizeof name, "/events.out.tfevents.%010lld", static_cast<long long>(first_step));
  state_->path = folder + name;
  state_->file.reset(std::fopen(state_->path.c_str(), "wb"));
  if (!state_->file) throw FileError(state_->path + ": cannot be made");
  tensorboard::Event version;
  version.set_file_version("brain.Event:2");
  state_->write_event(version, first_step);
  tensorboard::Event start;
  start.mutable_session_log()->set_status(tensorboard::SessionLog::START);
  state_->write_event(start, first_step);
}

EventWriter::~EventWriter() = default;

void EventWriter::add_scalar(const std::string& tag, double value, int64_t step) {
  tensorboard::Event event;
  tensorboard::Summary::Value& entry = *event.mutable_summary()->add_value();
  entry.set_tag(tag);
  entry.set_simple_value(static_cast<float>(value));
  state_->write_event(event, step);
}

void EventWriter::add_histogram(const std::string& tag, const Tensor& values, int64_t step) {
  tensorboard::Event event;
  tensorboard::Summary::Value& entry = *event.mutable_summary()->add_value();
  entry.set_tag(tag);
  *entry.mutable_histo() = make_histogram(tag, values.to_vector<double>());
  state_->write_event(event, step);
}

void EventWriter::flush() {
  if (std::fflush(state_->file.get()) != 0) throw FileError(state_->path + ": cannot be written");
}

}  // namespace kindling
