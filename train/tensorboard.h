// Event files for TensorBoard.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <kindling/tensor/tensor.h>

namespace kindling {

/// Throws FileError if there are event files in `folder`, of whoever: TensorBoard would draw a new training into the
/// same curves.
void refuse_events(const std::string& folder);

/// Ends every event file in `folder` that an EventWriter has made before its first event that `comes_again` accepts,
/// and before the first that is damaged (what a killed process left half-written). Throws FileError if a file cannot be
/// read or cut.
void cut_events(const std::string& folder,
                const std::function<bool(int64_t step, const std::string& tag)>& comes_again);

/// Writes one event file ("events.out.tfevents.<first step>") into a folder, which `tensorboard --logdir` then shows.
class EventWriter {
 public:
  /// Events of `first_step` and later that older files in the folder hold are declared void (a resumed run repeats
  /// them). A file of this name is continued; cut_events() before. Throws FileError if the file cannot be written.
  EventWriter(const std::string& folder, int64_t first_step);
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  void add_scalar(const std::string& tag, double value, int64_t step);
  /// Counts of the elements in 30 intervals of equal width between
  /// the smallest and the largest. Throws Error if one is not finite.
  void add_histogram(const std::string& tag, const Tensor& values, int64_t step);
  /// Hands everything so far to the system, whole events or none: then a killed process loses none of them. Throws
  /// FileError if that fails; the events then wait for the next flush().
  void flush();
  /// Flushes what the system has to the disk. Throws FileError.
  void sync();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// CRC-32C (Castagnoli) of `bytes`, as TFRecord masks it: rotated right by 15 bits, plus 0xa282ead8.
uint32_t masked_crc32c(std::string_view bytes);

}  // namespace kindling
