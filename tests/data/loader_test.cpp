#include <kindling/data/loader.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>

#include <catch2/catch.hpp>

#include "test_files.h"

using namespace kindling;
using namespace kindling::data;
using Catch::Matchers::Message;

namespace {

using Indices = std::vector<int64_t>;

// Sample i is a 4x4x3 image of i and the target i. Counts what is read; some samples are damaged, some throw otherwise.
class TestDataset : public Dataset {
 public:
  explicit TestDataset(int64_t size, std::set<int64_t> damaged = {}) : size_(size), damaged_(std::move(damaged)) {}

  int64_t size() const override { return size_; }
  std::string describe(int64_t index) const override { return "file" + std::to_string(index); }
  Sample get(int64_t index) const override {
    ++reads;
    if (index == throws_at) throw std::logic_error("broken at " + std::to_string(index));
    if (damaged_.contains(index)) throw FileError(describe(index) + ": damaged");
    std::this_thread::sleep_for(pause);
    const int64_t height = index == odd_shape_at ? 5 : 4;
    return {Tensor::full({height, 4, 3}, static_cast<double>(index), DType::u8),
            Tensor::scalar(static_cast<double>(index), DType::i64)};
  }

  mutable std::atomic<int> reads = 0;
  int64_t throws_at = -1, odd_shape_at = -1;
  std::chrono::microseconds pause{0};

 private:
  int64_t size_;
  std::set<int64_t> damaged_;
};

struct Epoch {
  std::vector<Indices> indices;
  std::vector<Tensor> inputs;
};

Epoch read_epoch(Loader& loader, int64_t epoch = 0, int64_t first_batch = 0) {
  Epoch result;
  loader.start(epoch, first_batch);
  for (Batch batch = loader.next(); batch.size() > 0; batch = loader.next()) {
    CHECK(batch.input.size(0) == batch.size());
    CHECK(batch.target.to_vector<int64_t>() == batch.indices);
    result.indices.push_back(batch.indices);
    result.inputs.push_back(batch.input);
  }
  return result;
}

bool same(const Epoch& a, const Epoch& b) {
  if (a.indices != b.indices) return false;
  for (size_t i = 0; i < a.inputs.size(); ++i)
    if (!bitwise_equal(a.inputs[i], b.inputs[i])) return false;
  return true;
}

// Adds to the image a number that the sample's stream alone decides.
Tensor jitter(const Tensor& image, Rng& rng) {
  Tensor result = image.to(DType::f32);
  Tensor changed = Tensor::full(result.shape(), rng.next_uniform());
  return changed.add_(result);
}

}  // namespace

TEST_CASE("Loader: batches in order, the last one smaller or left out") {
  const auto dataset = std::make_shared<TestDataset>(10);
  for (const int workers : {0, 1, 3}) {
    Loader loader(dataset, {.batch_size = 4, .reading = {.workers = workers}});
    CHECK(loader.batches_per_epoch() == 3);
    const Epoch epoch = read_epoch(loader);
    CHECK(epoch.indices == std::vector<Indices>{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}});
    CHECK(epoch.inputs[2].shape() == Shape{2, 4, 4, 3});
    CHECK(epoch.inputs[2].dtype() == DType::f32);
    CHECK(epoch.inputs[2].is_contiguous());
    CHECK(epoch.inputs[1].at<float>({2, 3, 1, 0}) == 6);
    CHECK(loader.next().size() == 0);  // and stays at the end

    Loader whole(dataset, {.batch_size = 4, .drop_last = true, .reading = {.workers = workers}});
    CHECK(whole.batches_per_epoch() == 2);
    CHECK(read_epoch(whole).indices == std::vector<Indices>{{0, 1, 2, 3}, {4, 5, 6, 7}});
  }
}

TEST_CASE("Loader: an epoch as a loop") {
  Loader loader(std::make_shared<TestDataset>(10), {.batch_size = 4, .shuffle = true, .transform = jitter});
  for (const int64_t epoch : {0, 3}) {
    const Epoch expected = read_epoch(loader, epoch);
    Epoch got;
    for (const Batch& batch : loader.epoch(epoch)) {
      got.indices.push_back(batch.indices);
      got.inputs.push_back(batch.input);
    }
    CHECK(got.indices.size() == 3);
    CHECK(same(got, expected));
  }
  for (const Batch& batch : loader.epoch(1)) {
    CHECK(batch.number == 0);
    break;  // what is left of an epoch is given up by the next
  }
  for (const Batch& batch : loader.epoch(2)) CHECK(batch.number < 3);
  CHECK(loader.next().size() == 0);
}

TEST_CASE("Loader: peek() shows the next batch and takes nothing") {
  const auto dataset = std::make_shared<TestDataset>(6);
  Loader loader(dataset, {.batch_size = 4});
  CHECK_THROWS_MATCHES(loader.peek(), ShapeError, Message("loader: start() an epoch before next()"));
  loader.start(0);
  CHECK(loader.peek().indices == Indices{0, 1, 2, 3});
  CHECK(loader.peek().indices == Indices{0, 1, 2, 3});
  CHECK(loader.next().indices == Indices{0, 1, 2, 3});
  CHECK(loader.next().indices == Indices{4, 5});
  CHECK(loader.peek().size() == 0);
  CHECK(loader.next().size() == 0);
  loader.start(0);
  CHECK(loader.peek().indices == Indices{0, 1, 2, 3});
  loader.start(0, 1);  // forgets it
  CHECK(loader.next().indices == Indices{4, 5});
}

TEST_CASE("Loader: same bits for any number of workers") {
  const auto dataset = std::make_shared<TestDataset>(101);
  const auto load = [&](int workers, int64_t epoch, uint64_t seed, int64_t cache_bytes) {
    Loader loader(dataset, {.batch_size = 8,
                            .shuffle = true,
                            .seed = seed,
                            .transform = jitter,
                            .reading = {.workers = workers, .prefetch = 3, .cache_bytes = cache_bytes}});
    return read_epoch(loader, epoch);
  };
  const Epoch expected = load(0, 5, 42, 0);
  for (const int workers : {0, 1, 3})
    for (const int64_t cache_bytes : {0, 5000, 1 << 30}) CHECK(same(load(workers, 5, 42, cache_bytes), expected));
  CHECK(load(1, 6, 42, 0).indices != expected.indices);
  CHECK(load(1, 5, 43, 0).indices != expected.indices);
}

TEST_CASE("Loader: shuffling visits every sample once, and transforms differ between epochs") {
  Loader loader(std::make_shared<TestDataset>(50),
                {.batch_size = 7, .shuffle = true, .transform = jitter, .reading = {.workers = 2}});
  const Epoch first = read_epoch(loader, 0), second = read_epoch(loader, 1);
  std::set<int64_t> seen;
  for (const Indices& batch : first.indices) seen.insert(batch.begin(), batch.end());
  CHECK(seen.size() == 50);
  const auto drawn_for = [](const Epoch& epoch, int64_t index) {
    for (size_t b = 0; b < epoch.indices.size(); ++b)
      for (size_t i = 0; i < epoch.indices[b].size(); ++i)
        if (epoch.indices[b][i] == index) return epoch.inputs[b].at<float>({static_cast<int64_t>(i), 0, 0, 0});
    return -1.0f;
  };
  CHECK(drawn_for(first, 17) > 17);
  CHECK(drawn_for(first, 17) != drawn_for(second, 17));
  CHECK(same(read_epoch(loader, 0), first));
}

TEST_CASE("Loader: another transform begins with the next epoch") {
  const auto dataset = std::make_shared<TestDataset>(12);
  for (const int workers : {0, 2}) {
    Loader loader(dataset, {.batch_size = 4, .reading = {.workers = workers}});
    loader.start(0);
    loader.next();
    loader.set_transform(center_crop(1));
    CHECK_THROWS_WITH(loader.next(), Catch::Contains("start() an epoch before next()"));
    loader.start(0);
    CHECK(loader.next().input.shape() == Shape{4, 1, 1, 3});
  }
}

TEST_CASE("Loader: resuming in the middle of an epoch gives what was left of it") {
  const auto dataset = std::make_shared<TestDataset>(40, std::set<int64_t>{3, 4, 5, 6, 7, 30});
  for (const int workers : {0, 2}) {
    const LoaderOptions options{
        .batch_size = 4, .shuffle = true, .seed = 9, .transform = jitter, .reading = {.workers = workers}};
    Loader whole(dataset, options), resumed(dataset, options);
    Epoch expected = read_epoch(whole, 2);
    Epoch rest;
    whole.start(2);
    for (int i = 0; i < 3; ++i) whole.next();
    const Batch last = whole.next();
    rest = read_epoch(resumed, 2, last.number + 1);
    const size_t taken = expected.indices.size() - rest.indices.size();
    CHECK(expected.indices[taken - 1] == last.indices);
    expected.indices.erase(expected.indices.begin(), expected.indices.begin() + static_cast<std::ptrdiff_t>(taken));
    expected.inputs.erase(expected.inputs.begin(), expected.inputs.begin() + static_cast<std::ptrdiff_t>(taken));
    CHECK(same(rest, expected));
  }
}

TEST_CASE("Loader: damaged samples are left out and named once, in the order of the batches") {
  const auto dataset = std::make_shared<TestDataset>(12, std::set<int64_t>{1, 4, 5, 6, 7, 10});
  for (const int workers : {0, 1, 3}) {
    dataset->reads = 0;
    Loader loader(dataset, {.batch_size = 4, .reading = {.workers = workers}});
    for (int64_t epoch = 0; epoch < 2; ++epoch) {
      loader.start(epoch);
      const Batch first = loader.next(), second = loader.next();
      CHECK(first.indices == Indices{0, 2, 3});
      CHECK(first.input.shape() == Shape{3, 4, 4, 3});
      CHECK(first.target.to_vector<int64_t>() == first.indices);
      CHECK(second.indices == Indices{8, 9, 11});  // nothing is left of batch 1
      CHECK(second.number == 2);
      CHECK(loader.next().size() == 0);
      CHECK(loader.stats().skipped == std::vector<std::string>{"file1: damaged", "file4: damaged", "file5: damaged",
                                                               "file6: damaged", "file7: damaged", "file10: damaged"});
    }
    CHECK(dataset->reads == 12);  // the second epoch read nothing: whole samples are cached, damaged ones known
  }
}

TEST_CASE("Loader: strict stops at a damaged sample") {
  const auto dataset = std::make_shared<TestDataset>(8, std::set<int64_t>{5});
  for (const int workers : {0, 2}) {
    Loader loader(dataset, {.batch_size = 4, .reading = {.workers = workers, .strict = true}});
    loader.start(0);
    CHECK(loader.next().size() == 4);
    CHECK_THROWS_MATCHES(loader.next(), FileError, Message("file5: damaged"));
    CHECK(loader.stats().skipped.empty());
  }
}

TEST_CASE("Loader: an epoch of nothing but damage is an error, not an empty epoch") {
  Loader loader(std::make_shared<TestDataset>(3, std::set<int64_t>{0, 1, 2}), {.batch_size = 2});
  for (int64_t epoch = 0; epoch < 2; ++epoch) {
    loader.start(epoch);
    CHECK_THROWS_MATCHES(loader.next(), FileError, Message("all 3 samples are damaged; the first: file0: damaged"));
  }
}

TEST_CASE("Loader: other exceptions of dataset and transform reach the caller") {
  const auto dataset = std::make_shared<TestDataset>(12);
  dataset->throws_at = 6;
  for (const int workers : {0, 2}) {
    Loader loader(dataset, {.batch_size = 4, .reading = {.workers = workers}});
    loader.start(0);
    CHECK(loader.next().size() == 4);
    CHECK_THROWS_MATCHES(loader.next(), std::logic_error, Message("broken at 6"));
    CHECK(loader.next().indices == Indices{8, 9, 10, 11});

    Loader transforming(std::make_shared<TestDataset>(4),
                        {.transform = center_crop(9), .reading = {.workers = workers}});
    transforming.start(0);
    CHECK_THROWS_MATCHES(transforming.next(), ShapeError,
                         Message("center_crop: cannot cut 9 x 9 out of an image of shape [4, 4, 3]"));
  }
}

TEST_CASE("Loader: samples of different shapes are named, both of them") {
  const auto dataset = std::make_shared<TestDataset>(4);
  dataset->odd_shape_at = 2;
  Loader loader(dataset, {.batch_size = 4});
  loader.start(0);
  CHECK_THROWS_MATCHES(loader.next(), ShapeError,
                       Message("loader: file2 has an input of shape [5, 4, 3], file0 has an input of shape [4, 4, 3]: "
                               "the samples of a batch must be alike (resize makes images so)"));
  Loader resizing(dataset, {.batch_size = 4, .transform = resize(4)});
  resizing.start(0);
  CHECK(resizing.next().input.shape() == Shape{4, 4, 4, 3});
}

TEST_CASE("Loader: targets keep their dtype and shape") {
  const Tensor inputs = Tensor::arange(12, DType::f32).reshape({6, 2}),
               targets = inputs.to(DType::f64).reshape({6, 1, 2});
  Loader loader(std::make_shared<TensorDataset>(inputs, targets), {.batch_size = 4});
  loader.start(0);
  const Batch batch = loader.next();
  CHECK(batch.target.shape() == Shape{4, 1, 2});
  CHECK(batch.target.dtype() == DType::f64);
  CHECK(bitwise_equal(batch.input, inputs.slice(0, 0, 4).contiguous()));
  CHECK(loader.next().target.to_vector<double>() == std::vector<double>{8, 9, 10, 11});
}

TEST_CASE("Loader: the cache keeps as many samples as fit") {
  const auto dataset = std::make_shared<TestDataset>(20);
  const auto reads_of_two_epochs = [&](int64_t cache_bytes) {
    dataset->reads = 0;
    Loader loader(dataset, {.batch_size = 6, .shuffle = true, .reading = {.workers = 2, .cache_bytes = cache_bytes}});
    read_epoch(loader, 0);
    read_epoch(loader, 1);
    return int{dataset->reads};
  };
  constexpr int64_t kSample = 4 * 4 * 3 + 8 + sizeof(Sample);
  CHECK(reads_of_two_epochs(0) == 40);
  CHECK(reads_of_two_epochs(5 * kSample) == 35);
  CHECK(reads_of_two_epochs(20 * kSample) == 20);
}

TEST_CASE("Loader: reads ahead, but no further than it may") {
  const auto dataset = std::make_shared<TestDataset>(100);
  Loader loader(dataset, {.batch_size = 5, .reading = {.workers = 3, .prefetch = 2, .cache_bytes = 0}});
  loader.start(0);
  for (int i = 0; i < 5000 && dataset->reads < 10; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(dataset->reads == 10);  // two batches, though nobody has asked for one
  loader.next();
  for (int i = 0; i < 5000 && dataset->reads < 15; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(dataset->reads == 15);
}

TEST_CASE("Loader: stops at once, at any moment") {
  const auto dataset = std::make_shared<TestDataset>(100'000);
  dataset->pause = std::chrono::microseconds(200);
  const auto begin = std::chrono::steady_clock::now();
  for (int taken = 0; taken < 4; ++taken) {
    Loader loader(dataset, {.batch_size = 10'000, .reading = {.workers = 3, .prefetch = 8}});  // 2 s a batch
    loader.start(0);
    std::this_thread::sleep_for(std::chrono::milliseconds(taken));
    loader.start(1);  // in the middle of the other one
  }
  {
    Loader loader(dataset, {.batch_size = 10, .reading = {.workers = 3}});
    loader.start(0);
    for (int i = 0; i < 3; ++i) loader.next();
  }
  { const Loader never_started(dataset, {}); }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  CHECK(elapsed.count() < 5);  // not 16, the time of the batches that were begun
}

TEST_CASE("Loader: tells how long next() waited") {
  const auto dataset = std::make_shared<TestDataset>(8);
  dataset->pause = std::chrono::milliseconds(5);
  Loader waiting(dataset, {.batch_size = 4, .reading = {.workers = 0}});
  read_epoch(waiting);
  CHECK(waiting.stats().wait_seconds >= 0.04);
  CHECK(waiting.stats().total_seconds >= waiting.stats().wait_seconds);
  waiting.start(1);
  CHECK(waiting.stats().wait_seconds == 0);

  Loader ahead(dataset, {.batch_size = 4, .reading = {.workers = 2}});
  ahead.start(0);
  for (int i = 0; i < 5000 && dataset->reads < 16; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ahead.next();
  CHECK(ahead.stats().wait_seconds < 0.1);  // it was there
}

TEST_CASE("Loader: options out of range") {
  const auto dataset = std::make_shared<TestDataset>(3);
  CHECK_THROWS_MATCHES(Loader(dataset, {.batch_size = 0}), ShapeError,
                       Message("loader: needs a batch size of at least 1, got 0"));
  CHECK_THROWS_MATCHES(Loader(dataset, {.reading = {.workers = -1}}), ShapeError,
                       Message("loader: needs at least 0 workers, got -1"));
  CHECK_THROWS_MATCHES(Loader(dataset, {.reading = {.prefetch = 0}}), ShapeError,
                       Message("loader: needs to read at least 1 batch ahead, got 0"));
  CHECK_THROWS_MATCHES(Loader(dataset, {.reading = {.cache_bytes = -1}}), ShapeError,
                       Message("loader: needs a cache of at least 0 bytes, got -1"));
  CHECK_THROWS_MATCHES(Loader(std::make_shared<TestDataset>(0), {}), ShapeError,
                       Message("loader: the dataset is empty"));
  CHECK_THROWS_MATCHES(Loader(nullptr, {}), ShapeError, Message("loader: there is no dataset"));
  CHECK_THROWS_MATCHES(
      Loader(dataset, {.batch_size = 4, .drop_last = true}), ShapeError,
      Message("loader: a batch of 4 is larger than the dataset of 3 samples, and smaller batches are left out"));
  Loader loader(dataset, {.batch_size = 2});
  CHECK_THROWS_MATCHES(loader.next(), ShapeError, Message("loader: start() an epoch before next()"));
  CHECK_THROWS_MATCHES(loader.start(0, 3), ShapeError, Message("loader: batch 3 of an epoch of 2"));
  CHECK_THROWS_MATCHES(loader.start(-1), ShapeError, Message("loader: needs an epoch of at least 0, got -1"));
  loader.start(0, 2);
  CHECK(loader.next().size() == 0);
}
