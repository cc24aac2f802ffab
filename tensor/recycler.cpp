#include <kindling/tensor/recycler.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <mutex>
#include <new>

namespace kindling::recycled {
namespace {

// Blocks are of 64 bytes times a power of two.
constexpr size_t kSmallest = 64, kLargest = size_t{1} << 20, kSlab = size_t{256} << 10;
constexpr size_t kClasses = std::bit_width(kLargest / kSmallest);

size_t class_of(size_t bytes) {
  return bytes <= kSmallest ? 0 : static_cast<size_t>(std::bit_width((bytes - 1) / kSmallest));
}

/// How many free blocks of a class a thread moves at a time, half of what it keeps.
size_t batch_of(size_t index) { return std::clamp<size_t>((size_t{8} << 10) / (kSmallest << index), 1, 64); }

struct Block {
  Block* next;
};

/// A stack of free blocks.
struct Chain {
  Block* first = nullptr;
  size_t size = 0;

  void push(Block* block) {
    block->next = first;
    first = block;
    ++size;
  }
  Block* pop() {
    Block* block = first;
    first = block->next;
    --size;
    return block;
  }
};

void move(Chain& from, Chain& to, size_t count) {
  for (size_t i = 0; i < count && from.size > 0; ++i) to.push(from.pop());
}

/// What all threads share.
class Reserve {
 public:
  void refill(size_t index, Chain& to) {
    const std::lock_guard lock(mutex_);
    Chain& from = chains_[index];
    if (from.size == 0) cut_slab(index, from);
    move(from, to, batch_of(index));
  }
  void take_from(size_t index, Chain& from, size_t count) {
    const std::lock_guard lock(mutex_);
    move(from, chains_[index], count);
  }

 private:
  static void cut_slab(size_t index, Chain& to) {
    const size_t block = kSmallest << index, slab = std::max(kSlab, block);
    auto* memory = static_cast<std::byte*>(::operator new(slab));
    for (size_t offset = 0; offset < slab; offset += block) to.push(new (memory + offset) Block);
  }

  std::mutex mutex_;
  std::array<Chain, kClasses> chains_;
};

Reserve& reserve() {
  static auto* reserve = new Reserve;  // never destroyed: static objects give their blocks back after main
  return *reserve;
}

/// A thread's own blocks. Without a destructor, so that it can be used to the thread's last moment.
struct Stock {
  std::array<Chain, kClasses> chains;
  bool closed = false;  ///< the thread ends: what comes back goes to the reserve at once
};
thread_local constinit Stock stock;

struct ClosesStock {
  ~ClosesStock() {
    stock.closed = true;
    for (size_t i = 0; i < kClasses; ++i) reserve().take_from(i, stock.chains[i], stock.chains[i].size);
  }
};

Chain& own_chain(size_t index) {
  thread_local const ClosesStock at_end;
  return stock.chains[index];
}

}  // namespace

void* take(size_t bytes) {
  if (!kRecycles || bytes > kLargest) return ::operator new(bytes);
  const size_t index = class_of(bytes);
  Chain& chain = own_chain(index);
  if (chain.size == 0) reserve().refill(index, chain);
  return chain.pop();
}

void give_back(void* block, size_t bytes) noexcept {
  if (!kRecycles || bytes > kLargest) return ::operator delete(block);
  const size_t index = class_of(bytes);
  Chain& chain = own_chain(index);
  chain.push(new (block) Block);
  const size_t batch = batch_of(index);
  if (stock.closed)
    reserve().take_from(index, chain, chain.size);
  else if (chain.size > 2 * batch)
    reserve().take_from(index, chain, batch);
}

}  // namespace kindling::recycled
