#include <kindling/tensor/storage.h>

#include <atomic>
#include <cmath>
#include <new>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

// Whether memory that cannot be had is std::bad_alloc: ThreadSanitizer ends the program instead.
#if defined(__SANITIZE_THREAD__)
constexpr bool kNewThrows = false;
#else
constexpr bool kNewThrows = true;
#endif

TEST_CASE("blocks are aligned to cache lines and as large as asked for") {
  for (const size_t bytes : {0, 1, 64, 65, 100, 257, 4097, 1'000'003}) {
    const auto storage = Storage::allocate(bytes);
    CHECK(storage->bytes() == bytes);
    CHECK(reinterpret_cast<uintptr_t>(storage->data()) % 64 == 0);
  }
}

TEST_CASE("a block that is given back is the next one of its size") {
  if (!kRecycles) return;
  auto storage = Storage::allocate(10'000);
  const std::byte* data = storage->data();
  storage.reset();
  const memory::Stats before = memory::stats();
  storage = Storage::allocate(9'900);  // a little less: the same size class
  CHECK(storage->data() == data);
  CHECK(memory::stats().system_calls == before.system_calls);
  CHECK(memory::stats().bytes_cached < before.bytes_cached);
  CHECK(Storage::allocate(10'000)->data() != data);
}

TEST_CASE("an allocation that fails leaves the cache as it was") {
  if (!kRecycles || !kNewThrows) return;
  const Tensor before = Tensor::full({100'000}, 1);
  const memory::Stats stats = memory::stats();
  CHECK_THROWS_AS(Tensor::empty({int64_t{1} << 50}), std::bad_alloc);
  CHECK(memory::stats().bytes_in_use == stats.bytes_in_use);
  std::vector<Tensor> after;
  for (int i = 0; i < 8; ++i) after.push_back(Tensor::full({1 << 20}, 2));  // more than a slab had left
  CHECK(before.to_vector<float>() == std::vector<float>(100'000, 1.F));
}

TEST_CASE("stats count what is alive, its peak, and what is kept") {
  const memory::Stats before = memory::stats();
  memory::reset_peak();
  auto a = Storage::allocate(5000), b = Storage::allocate(70'000);
  const int64_t both = memory::stats().bytes_in_use - before.bytes_in_use;
  CHECK(both >= 75'000);
  CHECK(both <= 75'000 * 5 / 4);
  b.reset();
  CHECK(memory::stats().bytes_peak == before.bytes_in_use + both);
  CHECK(memory::stats().bytes_in_use < before.bytes_in_use + both);
  if (kRecycles) CHECK(memory::stats().bytes_cached >= 70'000);
  memory::reset_peak();
  CHECK(memory::stats().bytes_peak == memory::stats().bytes_in_use);
  a.reset();
  CHECK(memory::stats().bytes_in_use == before.bytes_in_use);
}

TEST_CASE("trim gives back what is free, and only that") {
  const Tensor alive = Tensor::full({1000}, 3);
  const int64_t in_use = memory::stats().bytes_in_use;
  Tensor::zeros({1000});
  memory::trim();
  CHECK(memory::stats().bytes_cached == 0);
  CHECK(memory::stats().bytes_in_use == in_use);
  const int64_t calls = memory::stats().system_calls;
  Tensor::zeros({1000});
  CHECK(memory::stats().system_calls == calls + 1);
  CHECK(alive.to_vector<float>() == std::vector<float>(1000, 3.F));
}

TEST_CASE("batches of ragged sizes do not make the cache grow") {
  if (!kRecycles) return;
  memory::trim();
  Rng rng(1);
  const auto step = [&](int64_t batch) {  // a few activations of one batch, alive together
    std::vector<Tensor> alive;
    for (const int64_t channels : {3, 64, 16, 128}) alive.push_back(Tensor::empty({batch, 8, 8, channels}));
  };
  for (int64_t batch = 1; batch <= 32; ++batch) step(batch);
  const memory::Stats before = memory::stats();
  for (int i = 0; i < 500; ++i) step(1 + rng.next_below(32));
  CHECK(memory::stats().system_calls == before.system_calls);
  CHECK(memory::stats().bytes_cached == before.bytes_cached);
}

TEST_CASE("poisoned blocks are full of NaN, also those that were used before") {
  const auto all_nan = [](const Tensor& x) {
    for (const double value : x.to_vector<double>())
      if (!std::isnan(value)) return false;
    return true;
  };
  Tensor::zeros({100});
  {
    const Poison poison;
    CHECK(all_nan(Tensor::empty({100})));
    CHECK(all_nan(Tensor::empty({33}, DType::f64)));
    CHECK(Tensor::empty({1}, DType::u8).item<int64_t>() == 255);
  }
  Tensor::zeros({100});
  if (kRecycles) CHECK_FALSE(all_nan(Tensor::empty({100})));
}

TEST_CASE("threads take and give back blocks at the same time") {
  const int64_t in_use = memory::stats().bytes_in_use;
  const ThreadsGuard threads(4);
  std::atomic<int> mixed_up{0};
  parallel_for(64, 1, [&](int64_t begin, int64_t) {
    std::vector<Tensor> alive;
    for (int64_t i = 0; i < 50; ++i) {
      alive.push_back(Tensor::full({1 + (begin * 7 + i) % 40}, static_cast<double>(begin)));
      if (i % 3 == 0) alive.erase(alive.begin());
    }
    for (const Tensor& x : alive) mixed_up += x.data<float>()[0] != static_cast<float>(begin);
  });
  CHECK(mixed_up == 0);
  CHECK(memory::stats().bytes_in_use == in_use);
}
