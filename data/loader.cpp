#include <kindling/data/loader.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <stop_token>
#include <thread>
#include <utility>

#include <kindling/tensor/kernels/tasks.h>

namespace kindling::data {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// What became of one batch of the plan.
struct Result {
  Batch batch;
  std::vector<std::string> damaged;  // messages
  std::exception_ptr error;
};

template <class T>
void copy_elements(const Tensor& from, T* to) {
  const Tensor source = from.contiguous();
  visit(source.dtype(), [&](auto type) {
    const auto* first = source.data<decltype(type)>();
    std::transform(first, first + source.numel(), to, [](auto value) { return static_cast<T>(value); });
  });
}

// Puts samples together, each converted and copied straight to its place.
class BatchBuilder {
 public:
  BatchBuilder(const Dataset& dataset, int64_t number, size_t capacity)
      : dataset_(dataset), capacity_(static_cast<int64_t>(capacity)) {
    batch_.number = number;
  }

  void add(int64_t index, const Sample& sample) {
    const Tensor &input = sample.input, &target = sample.target;
    if (!input.defined() || !target.defined())
      check(false, "loader", dataset_.describe(index), " has no input or no target");
    if (batch_.size() == 0) {
      batch_.input = Tensor::empty(input.shape().with_inserted(0, capacity_));
      batch_.target = Tensor::empty(target.shape().with_inserted(0, capacity_), target.dtype());
    }
    check_like_first(index, "an input of shape ", input.shape(), batch_.input.shape().without(0));
    check_like_first(index, "a target of shape ", target.shape(), batch_.target.shape().without(0));
    check_like_first(index, "a target of ", target.dtype(), batch_.target.dtype());
    copy_elements(input, batch_.input.data<float>() + batch_.size() * input.numel());
    visit(target.dtype(), [&](auto type) {
      copy_elements(target, batch_.target.data<decltype(type)>() + batch_.size() * target.numel());
    });
    batch_.indices.push_back(index);
  }

  Batch finish() {
    if (batch_.size() != 0 && batch_.size() < capacity_) {
      batch_.input = batch_.input.slice(0, 0, batch_.size());
      batch_.target = batch_.target.slice(0, 0, batch_.size());
    }
    return std::move(batch_);
  }

 private:
  template <class T>
  void check_like_first(int64_t index, const char* what, const T& got, const T& expected) const {
    if (got == expected) return;  // before the descriptions are made
    check(false, "loader", dataset_.describe(index), " has ", what, got, ", ",
          dataset_.describe(batch_.indices.front()), " has ", what, expected,
          ": the samples of a batch must be alike (resize makes images so)");
  }

  const Dataset& dataset_;
  int64_t capacity_;
  Batch batch_;
};

// Reads samples and remembers them: those that are decoded, and those that cannot be. Within an epoch each sample is
// read by one thread, and between epochs the threads are joined, so the slots need no lock.
class Reader {
 public:
  Reader(DatasetPtr dataset, const LoaderOptions& options)
      : dataset_(std::move(dataset)), options_(options), slots_(static_cast<size_t>(dataset_->size())) {}

  // The samples `indices`, sample i transformed by the stream rng.fork(i). Gives up in the middle when asked to stop.
  Result read(int64_t number, std::span<const int64_t> indices, const Rng& rng, const std::stop_token& stop) {
    flush_denormals();  // for the same bits in the workers and in the caller's thread, which computes with it
    Result result;
    try {
      BatchBuilder builder(*dataset_, number, indices.size());
      for (const int64_t index : indices) {
        if (stop.stop_requested()) break;
        std::optional<Sample> sample = load(index, result.damaged);
        if (!sample) continue;
        Rng stream = rng.fork(static_cast<uint64_t>(index));
        if (options_.transform) sample->input = options_.transform(sample->input, stream);
        builder.add(index, *sample);
      }
      result.batch = builder.finish();
    } catch (...) {
      result.error = std::current_exception();
    }
    return result;
  }

  const Dataset& dataset() const { return *dataset_; }

 private:
  struct Slot {
    std::unique_ptr<const Sample> sample;
    bool damaged = false;
  };

  std::optional<Sample> load(int64_t index, std::vector<std::string>& damaged) {
    Slot& slot = slots_[static_cast<size_t>(index)];
    if (slot.sample) return *slot.sample;
    if (slot.damaged) return std::nullopt;
    try {
      Sample sample = dataset_->get(index);
      keep(slot, sample);
      return sample;
    } catch (const FileError& error) {
      if (options_.reading.strict) throw;
      slot.damaged = true;
      damaged.emplace_back(error.what());
      return std::nullopt;
    }
  }

  void keep(Slot& slot, const Sample& sample) {
    const auto bytes_of = [](const Tensor& x) { return x.defined() ? x.numel() * size_of(x.dtype()) : 0; };
    const auto bytes = static_cast<int64_t>(sizeof(Sample)) + bytes_of(sample.input) + bytes_of(sample.target);
    if (cached_bytes_.fetch_add(bytes) + bytes <= options_.reading.cache_bytes)
      slot.sample = std::make_unique<const Sample>(sample);
    else
      cached_bytes_.fetch_sub(bytes);
  }

  DatasetPtr dataset_;
  const LoaderOptions& options_;
  std::vector<Slot> slots_;
  std::atomic<int64_t> cached_bytes_ = 0;
};

// Makes the results begin, begin + 1, ... before `end` in background
// threads, at most `ahead` of them before they are taken.
class Prefetcher {
 public:
  using Make = std::function<Result(int64_t number, const std::stop_token& stop)>;

  Prefetcher(int64_t begin, int64_t end, int workers, int64_t ahead, Make make)
      : make_(std::move(make)),
        next_to_make_(begin),
        next_to_take_(begin),
        end_(end),
        ring_(static_cast<size_t>(ahead)) {
    for (int i = 0; i < workers; ++i) threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
  ~Prefetcher() {
    for (std::jthread& thread : threads_) thread.request_stop();
  }

  // The next result, in order. Must not be called more than end - begin times.
  Result take() {
    std::unique_lock lock(mutex_);
    std::optional<Result>& place = place_of(next_to_take_);
    made_.wait(lock, [&] { return place.has_value(); });
    Result result = std::move(*place);
    place.reset();
    ++next_to_take_;
    taken_.notify_all();
    return result;
  }

 private:
  std::optional<Result>& place_of(int64_t number) { return ring_[static_cast<size_t>(number) % ring_.size()]; }

  void work(const std::stop_token& stop) {
    const auto ahead = static_cast<int64_t>(ring_.size());
    std::unique_lock lock(mutex_);
    for (;;) {
      taken_.wait(lock, stop, [&] { return next_to_make_ == end_ || next_to_make_ < next_to_take_ + ahead; });
      if (stop.stop_requested() || next_to_make_ == end_) return;
      const int64_t number = next_to_make_++;
      lock.unlock();
      Result result = make_(number, stop);
      lock.lock();
      place_of(number) = std::move(result);
      made_.notify_one();
    }
  }

  Make make_;
  std::mutex mutex_;
  std::condition_variable made_;
  std::condition_variable_any taken_;
  int64_t next_to_make_, next_to_take_, end_;
  std::vector<std::optional<Result>> ring_;
  std::vector<std::jthread> threads_;  // last: joined before the rest goes
};

void check_options(const Dataset& dataset, const LoaderOptions& options) {
  check(options.batch_size >= 1, "loader", "needs a batch size of at least 1, got ", options.batch_size);
  check(options.reading.workers >= 0, "loader", "needs at least 0 workers, got ", options.reading.workers);
  check(options.reading.prefetch >= 1, "loader", "needs to read at least 1 batch ahead, got ",
        options.reading.prefetch);
  check(options.reading.cache_bytes >= 0, "loader", "needs a cache of at least 0 bytes, got ",
        options.reading.cache_bytes);
  check(dataset.size() >= 1, "loader", "the dataset is empty");
  check(!options.drop_last || options.batch_size <= dataset.size(), "loader", "a batch of ", options.batch_size,
        " is larger than the dataset of ", dataset.size(), " samples, and smaller batches are left out");
}

}  // namespace

struct Loader::State {
  State(DatasetPtr dataset, LoaderOptions given)
      : options(std::move(given)), reader(std::move(dataset), options), samples(reader.dataset().size()) {}

  Result make(int64_t number, const std::stop_token& stop) {
    const int64_t begin = number * options.batch_size, end = std::min(begin + options.batch_size, samples);
    const std::span<const int64_t> planned(order);
    return reader.read(number, planned.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)),
                       transform_stream, stop);
  }

  LoaderOptions options;
  Reader reader;
  int64_t samples;

  // The epoch.
  std::vector<int64_t> order;
  Rng transform_stream;
  int64_t next_batch = 0;
  bool nothing_read = true;
  bool started = false;
  Clock::time_point start_time;
  std::optional<Batch> peeked;
  LoaderStats stats;
  std::unique_ptr<Prefetcher> prefetcher;  // last: its threads use the rest
};

int64_t batch_count(int64_t samples, int64_t batch_size, bool drop_last) {
  return drop_last ? samples / batch_size : ceil_div(samples, batch_size);
}

Loader::Loader(DatasetPtr dataset, LoaderOptions options) {
  check(dataset != nullptr, "loader", "there is no dataset");
  check_options(*dataset, options);
  state_ = std::make_unique<State>(std::move(dataset), std::move(options));
}

Loader::~Loader() = default;

void Loader::start(int64_t epoch, int64_t first_batch) {
  State& s = *state_;
  const int64_t batches = batches_per_epoch();
  check(epoch >= 0, "loader", "needs an epoch of at least 0, got ", epoch);
  check(first_batch >= 0 && first_batch <= batches, "loader", "batch ", first_batch, " of an epoch of ", batches);

  s.prefetcher.reset();
  s.peeked.reset();
  constexpr uint64_t kOrder = 0, kTransforms = 1;
  const Rng rng(s.options.seed);
  s.order.resize(static_cast<size_t>(s.samples));
  std::iota(s.order.begin(), s.order.end(), 0);
  if (s.options.shuffle) s.order = permutation(s.samples, rng.fork(kOrder).fork(static_cast<uint64_t>(epoch)));
  s.transform_stream = rng.fork(kTransforms).fork(static_cast<uint64_t>(epoch));
  s.next_batch = first_batch;
  s.nothing_read = first_batch == 0;
  s.started = true;
  s.start_time = Clock::now();
  s.stats.wait_seconds = 0;
  if (s.options.reading.workers > 0)
    s.prefetcher = std::make_unique<Prefetcher>(
        first_batch, batches, s.options.reading.workers, s.options.reading.prefetch,
        [&s](int64_t number, const std::stop_token& stop) { return s.make(number, stop); });
}

EpochBatches::Iterator& EpochBatches::Iterator::operator++() {
  batch_ = loader_->next();
  return *this;
}

EpochBatches Loader::epoch(int64_t epoch) {
  start(epoch);
  return EpochBatches(*this);
}

void Loader::set_transform(Transform transform) {
  state_->prefetcher.reset();  // its threads use the old one
  state_->started = false;
  state_->options.transform = std::move(transform);
}

const Batch& Loader::peek() {
  if (!state_->peeked) state_->peeked = next();
  return *state_->peeked;
}

Batch Loader::next() {
  State& s = *state_;
  check(s.started, "loader", "start() an epoch before next()");
  if (s.peeked) return *std::exchange(s.peeked, std::nullopt);
  while (s.next_batch < batches_per_epoch()) {
    const Clock::time_point asked = Clock::now();
    Result result = s.prefetcher ? s.prefetcher->take() : s.make(s.next_batch, std::stop_token());
    s.stats.wait_seconds += seconds_since(asked);
    ++s.next_batch;
    s.stats.skipped.insert(s.stats.skipped.end(), result.damaged.begin(), result.damaged.end());
    if (result.batch.size() == 0 && !result.error) continue;
    s.nothing_read = false;
    if (result.error) std::rethrow_exception(result.error);
    return std::move(result.batch);
  }
  if (s.nothing_read)
    throw FileError("all " + std::to_string(s.samples) + " samples are damaged; the first: " + s.stats.skipped.front());
  return {};
}

int64_t Loader::batches_per_epoch() const {
  return batch_count(state_->samples, state_->options.batch_size, state_->options.drop_last);
}

const Dataset& Loader::dataset() const { return state_->reader.dataset(); }
const LoaderOptions& Loader::options() const { return state_->options; }

LoaderStats Loader::stats() const {
  LoaderStats stats = state_->stats;
  if (state_->started) stats.total_seconds = seconds_since(state_->start_time);
  return stats;
}

}  // namespace kindling::data
