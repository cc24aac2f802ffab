#include <kindling/train/speed_meter.h>

#include <utility>

namespace kindling {
namespace {

double rate(int64_t samples, double seconds) { return seconds > 0 ? static_cast<double>(samples) / seconds : 0; }

}  // namespace

// Seconds since the last lap.
double SpeedMeter::lap() {
  const Clock::time_point before = std::exchange(last_, Clock::now());
  return std::chrono::duration<double>(last_ - before).count();
}

void SpeedMeter::start_epoch() {
  epoch_start_ = last_ = Clock::now();
  epoch_train_seconds_ = 0;
  epoch_samples_ = 0;
}

void SpeedMeter::add_update(int64_t samples) {
  const double seconds = lap();
  epoch_train_seconds_ += seconds;
  train_seconds_ += seconds;
  epoch_samples_ += samples;
  samples_ += samples;
  ++updates_;
}

void SpeedMeter::add_validation() { validation_seconds_ = lap(); }

double SpeedMeter::epoch_images_per_second() const { return rate(epoch_samples_, epoch_train_seconds_); }
double SpeedMeter::images_per_second() const { return rate(samples_, train_seconds_); }
double SpeedMeter::epoch_seconds() const { return std::chrono::duration<double>(Clock::now() - epoch_start_).count(); }

double SpeedMeter::seconds_left(int64_t updates, int64_t validations) const {
  const double per_update = updates_ > 0 ? train_seconds_ / static_cast<double>(updates_) : 0;
  return static_cast<double>(updates) * per_update + static_cast<double>(validations) * validation_seconds_;
}

}  // namespace kindling
