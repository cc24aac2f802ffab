// Event files for TensorBoard.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <kindling/tensor/tensor.h>

namespace kindling {

/// Throws FileError if `folder` contains event files of any program, because TensorBoard would draw
/// the new training into the same curves.
void refuse_events(const std::string& folder);

/// Cuts every event file that an EventWriter has made in `folder`: before the first event that
/// `comes_again` accepts, or the first damaged one (half-written by a killed process). Throws
/// FileError if a file cannot be read or cut.
void cut_events(const std::string& folder,
                const std::function<bool(int64_t step, const std::string& tag)>& comes_again);

/// Writes one event file ("events.out.tfevents.<first step>") into a folder, for `tensorboard
/// --logdir`.
class EventWriter {
 public:
  /// Declares void all events of `first_step` and later in older files of the folder, because a
  /// resumed run repeats them. A file of the same name is continued; call cut_events() first.
  /// Throws FileError if the file cannot be written.
  EventWriter(const std::string& folder, int64_t first_step);
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  void add_scalar(const std::string& tag, double value, int64_t step);
  /// Counts the elements in 30 intervals of equal width between the smallest and the largest.
  /// Throws Error if an element is not finite.
  void add_histogram(const std::string& tag, const Tensor& values, int64_t step);
  /// Hands all events so far to the system, only whole ones. A killed process then loses none of
  /// them. Throws FileError if that fails; the events wait for the next flush().
  void flush();
  /// Flushes the file to the disk. Throws FileError.
  void sync();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// CRC-32C (Castagnoli) of `bytes`, as TFRecord masks it: rotated right by 15 bits, plus
/// 0xa282ead8.
uint32_t masked_crc32c(std::string_view bytes);

}  // namespace kindling
