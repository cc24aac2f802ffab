// How fast a training goes, and when it ends.
#pragma once

#include <chrono>
#include <cstdint>

namespace kindling {

/// Measures the speed of training and estimates when it ends.
class SpeedMeter {
 public:
  void start_epoch();
  /// To be called after an update.
  void add_update(int64_t samples);
  /// To be called after a validation.
  void add_validation();

  /// Speed of training alone, in this epoch and in the whole run; 0 before the first update.
  double epoch_images_per_second() const;
  double images_per_second() const;
  /// Seconds since the epoch began.
  double epoch_seconds() const;
  /// Seconds for so many more updates and validations, at the speed so far.
  double seconds_left(int64_t updates, int64_t validations) const;

 private:
  using Clock = std::chrono::steady_clock;
  double lap();

  Clock::time_point epoch_start_ = Clock::now(), last_ = Clock::now();
  double epoch_train_seconds_ = 0, train_seconds_ = 0, validation_seconds_ = 0;
  int64_t epoch_samples_ = 0, samples_ = 0, updates_ = 0;
};

}  // namespace kindling
