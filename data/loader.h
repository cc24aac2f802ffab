// Batches, decoded and augmented in background threads ahead of whoever trains.
#pragma once

#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <kindling/data/dataset.h>
#include <kindling/data/transforms.h>

namespace kindling::data {

struct Batch {
  Tensor input;                  ///< [N, ...] f32
  Tensor target;                 ///< [N] i64, or [N, ...] in the dtype of the targets
  std::vector<int64_t> indices;  ///< of the samples in their dataset
  int64_t number = 0;            ///< in the epoch, from 0; start(epoch, number + 1) goes on after it
  int64_t size() const { return static_cast<int64_t>(indices.size()); }
};

/// How samples are read. The batches are the same with any of these.
struct ReadOptions {
  int workers = 1;       ///< background threads that read and transform; 0: the caller's thread, when asked
  int64_t prefetch = 4;  ///< batches read ahead, at most
  bool strict = false;   ///< a damaged sample throws FileError instead of being skipped and named
  /// Samples are cached as the dataset gave them (decoded, before the transform), up to this many
  /// bytes.
  int64_t cache_bytes = int64_t{1} << 30;
};

struct LoaderOptions {
  int64_t batch_size = 32;
  bool shuffle = false;
  bool drop_last = false;  ///< leave out the last batch if it is smaller
  uint64_t seed = 0;       ///< of the order and the transforms
  Transform transform{};   ///< applied to each input; may be empty
  ReadOptions reading{};
};

struct LoaderStats {
  double wait_seconds = 0;           ///< that next() waited for the workers, or read itself, in this epoch
  double total_seconds = 0;          ///< since the epoch began
  std::vector<std::string> skipped;  ///< messages of damaged samples, each once, in the order of the batches
};

/// Batches in an epoch of so many samples.
int64_t batch_count(int64_t samples, int64_t batch_size, bool drop_last);

class Loader;

/// The batches of an epoch, for one range-based for loop. Loader::epoch() returns it.
class EpochBatches {
 public:
  class Iterator {
   public:
    explicit Iterator(Loader& loader) : loader_(&loader) { ++*this; }
    const Batch& operator*() const { return batch_; }
    Iterator& operator++();
    bool operator==(std::default_sentinel_t) const { return batch_.size() == 0; }

   private:
    Loader* loader_;
    Batch batch_;
  };

  explicit EpochBatches(Loader& loader) : loader_(loader) {}
  Iterator begin() const { return Iterator(loader_); }
  std::default_sentinel_t end() const { return {}; }

 private:
  Loader& loader_;
};

/// Batches of one dataset. The order of epoch e is a function of (seed, e). A sample's transform
/// draws from a stream that depends on (seed, e, sample's number). So any number of workers gives
/// the same bits. A skipped sample is missing in its batch. A batch that would be empty is left
/// out.
class Loader {
 public:
  /// Throws ShapeError for options out of range, an empty dataset, or drop_last with a batch larger
  /// than the dataset.
  Loader(DatasetPtr dataset, LoaderOptions options);
  /// Stops the workers; each ends after the sample it is reading.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Starts epoch `epoch` (0-based) and returns its batches: `for (const Batch& batch :
  /// loader.epoch(0))`. Throws what start() and next() throw.
  EpochBatches epoch(int64_t epoch);
  /// Starts epoch `epoch` at batch `first_batch`, to resume inside an epoch. May be called at any
  /// time.
  void start(int64_t epoch, int64_t first_batch = 0);
  /// Replaces the transform of the options. It ends the epoch; call start() next.
  void set_transform(Transform transform);
  /// The next batch, or an empty one (size 0) at the end of the epoch. Rethrows what the dataset or
  /// the transform threw. Throws ShapeError if the samples of a batch differ in shape, and
  /// FileError if every sample of the epoch is damaged.
  Batch next();
  /// The batch that next() will give, which stays there. Throws as next() does.
  const Batch& peek();

  int64_t batches_per_epoch() const;
  const Dataset& dataset() const;
  const LoaderOptions& options() const;
  LoaderStats stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kindling::data
