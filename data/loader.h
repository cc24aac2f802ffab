// Batches, decoded and augmented in background threads ahead of whoever trains.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <kindling/data/dataset.h>
#include <kindling/data/transforms.h>

namespace kindling::data {

struct Batch {
  Tensor input;                   ///< [N, ...] f32
  Tensor target;                  ///< [N] i64, or [N, ...]
  std::vector<int64_t> indices;   ///< of the samples in their dataset
  int64_t size() const { return static_cast<int64_t>(indices.size()); }
};

struct LoaderOptions {
  int64_t batch_size = 32;
  bool shuffle = false;
  bool drop_last = false;      ///< leave out the last batch if it is smaller
  uint64_t seed = 0;           ///< of the order and the transforms
  Transform transform;         ///< applied to each input; may be empty
  int workers = 1;             ///< background threads; 0 = the caller's thread reads when asked
  int64_t prefetch = 4;        ///< batches read ahead
  bool strict = false;         ///< a damaged sample throws FileError instead of being skipped
  int64_t cache_bytes = int64_t{1} << 30;  ///< samples are kept decoded if all of them fit
};

struct LoaderStats {
  double wait_seconds = 0;               ///< that next() waited for the workers
  double total_seconds = 0;              ///< since the epoch began
  std::vector<std::string> skipped;      ///< messages of damaged samples, each once
};

/// Batches of one dataset. The order of epoch e is a function of (seed, e), and a sample's transform draws from a stream named by (seed, e,
/// sample's number): the same bits for any number of workers. A skipped sample's place is left out of its batch.
class Loader {
 public:
  Loader(DatasetPtr dataset, LoaderOptions options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Starts epoch `epoch` (0-based) at batch `first_batch` (to resume inside an epoch).
  void start(int64_t epoch, int64_t first_batch = 0);
  /// The next batch; an empty one (size 0) at the end of the epoch.
  Batch next();

  int64_t batches_per_epoch() const;
  const Dataset& dataset() const;
  const LoaderOptions& options() const;
  LoaderStats stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kindling::data
