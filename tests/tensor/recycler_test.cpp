#include <kindling/tensor/recycler.h>

#include <atomic>
#include <memory>
#include <set>
#include <thread>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

TEST_CASE("recycled memory is used again for objects of about the same size") {
  if (!kRecycles) return;
  void* block = recycled::take(300);
  recycled::give_back(block, 300);
  CHECK(recycled::take(500) == block);
  void* other = recycled::take(300);
  CHECK(other != block);
  recycled::give_back(other, 300);
  recycled::give_back(block, 500);
}

TEST_CASE("recycled blocks of all sizes are apart and aligned") {
  std::vector<std::pair<std::byte*, size_t>> blocks;
  for (const size_t bytes : {0, 1, 63, 64, 65, 4097, 1 << 20, (1 << 20) + 1, 3 << 20})
    for (int i = 0; i < 3; ++i) {
      blocks.emplace_back(static_cast<std::byte*>(recycled::take(bytes)), bytes);
      std::fill_n(blocks.back().first, bytes, static_cast<std::byte>(blocks.size()));
    }
  for (size_t i = 0; i < blocks.size(); ++i) {
    const auto [block, bytes] = blocks[i];
    CHECK(reinterpret_cast<uintptr_t>(block) % alignof(std::max_align_t) == 0);
    CHECK(std::all_of(block, block + bytes, [&](std::byte b) { return b == static_cast<std::byte>(i + 1); }));
    recycled::give_back(block, bytes);
  }
}

TEST_CASE("what one thread frees, another takes") {
  if (!kRecycles) return;
  constexpr size_t kBytes = size_t{200} << 10;  // blocks of 256 KiB, of which a thread keeps two
  std::set<void*> freed;
  std::thread([&] {
    for (int i = 0; i < 8; ++i) freed.insert(recycled::take(kBytes));
    for (void* block : freed) recycled::give_back(block, kBytes);
  }).join();
  std::vector<void*> mine;
  for (int i = 0; i < 8; ++i) mine.push_back(recycled::take(kBytes));
  for (void* block : mine) {
    CHECK(freed.contains(block));
    recycled::give_back(block, kBytes);
  }
}

TEST_CASE("threads recycle objects that others made") {
  std::atomic<int> wrong{0};
  const ThreadsGuard threads(4);
  std::vector<std::shared_ptr<int64_t>> objects(400);
  for (int round = 0; round < 5; ++round) {
    parallel_for(400, 1, [&](int64_t i, int64_t) {
      auto& object = objects[static_cast<size_t>(i * 7 % 400)];
      if (object != nullptr && *object != i * 7 % 400) ++wrong;
      object = std::allocate_shared<int64_t>(Recycler<int64_t>(), i * 7 % 400);
    });
  }
  CHECK(wrong == 0);
}

TEST_CASE("a List is a vector") {
  List<std::string> words{"one", "two"};
  words.insert(words.begin(), "zero");
  CHECK(words == List<std::string>{"zero", "one", "two"});
}
