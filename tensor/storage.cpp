#include <kindling/tensor/storage.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include <sys/mman.h>

#include <kindling/tensor/kernels/tasks.h>

namespace kindling {
namespace {

constexpr std::align_val_t kAlignment{64};  // a cache line, and one AVX-512 register

// Four size classes between successive powers of two, at least 64 bytes apart: of a block above 256 bytes at most a
// fifth is unused, and ragged batches keep meeting the same few classes.
size_t size_class(size_t bytes) {
  constexpr size_t kSmallest = 64;
  if (bytes <= kSmallest) return kSmallest;
  return round_up(bytes, std::max(std::bit_floor(bytes - 1) / 4, kSmallest));
}

// Large pages, of 2 MiB, are for blocks from here on: activations of one image at 224 pixels are 3,000 pages of 4 KiB,
// more than the processor's table holds, and where those lie decides how well they share its caches (one program's runs
// differed by a tenth, inference by a third).
constexpr size_t kPage = size_t{4} << 10, kLargePage = size_t{2} << 20, kSmallestLarge = size_t{256} << 10;

/// Memory from which blocks are cut off the front; it is never given back as a whole.
class Slab {
 public:
  Slab(size_t page, size_t bytes) : page_(page), bytes_(bytes) {}

  /// Whether a call to the system was needed.
  bool take(size_t block, std::byte** data) {
    const bool full = block > left_;
    if (full) {
      const size_t bytes = std::max(bytes_, round_up(block, page_));
      // If this throws, all is as it was.
      next_ = static_cast<std::byte*>(::operator new (bytes, std::align_val_t{page_}));
      left_ = bytes;
      if (page_ == kLargePage) ::madvise(next_, left_, MADV_HUGEPAGE);  // where that fails, pages are small
    }
    *data = next_;
    next_ += block;
    left_ -= block;
    return full;
  }

 private:
  size_t page_, bytes_;
  std::byte* next_ = nullptr;
  size_t left_ = 0;
};

class BlockCache {
 public:
  std::byte* take(size_t bytes) {
    const size_t block = kRecycles ? size_class(bytes) : bytes;
    const std::lock_guard lock(mutex_);
    std::byte* data = take_block(block, bytes);
    stats_.bytes_in_use += static_cast<int64_t>(block);
    stats_.bytes_peak = std::max(stats_.bytes_peak, stats_.bytes_in_use);
    return data;
  }

  void give_back(std::byte* data, size_t bytes) {
    const size_t block = kRecycles ? size_class(bytes) : bytes;
    const std::lock_guard lock(mutex_);
    stats_.bytes_in_use -= static_cast<int64_t>(block);
    if (!kRecycles) {
      ::operator delete(data, kAlignment);
      return;
    }
    classes_[block].free.push_back(data);
    stats_.bytes_cached += static_cast<int64_t>(block);
  }

  void trim() {
    const std::lock_guard lock(mutex_);
    for (auto& [block, blocks] : classes_)
      while (!blocks.free.empty()) {
        release_pages(blocks.free.back(), block);
        blocks.places.push_back(blocks.free.back());
        blocks.free.pop_back();
      }
    stats_.bytes_cached = 0;
  }

  void reset_peak() {
    const std::lock_guard lock(mutex_);
    stats_.bytes_peak = stats_.bytes_in_use;
  }

  memory::Stats stats() {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  /// The blocks of one size.
  struct Class {
    std::vector<std::byte*> free, places;  ///< not in use; places are without memory
    size_t count = 0;                      ///< of all
  };

  std::byte* take_block(size_t block, size_t bytes) {
    if (!kRecycles) {
      ++stats_.system_calls;
      return static_cast<std::byte*>(::operator new(block, kAlignment));
    }
    Class& blocks = classes_[block];
    std::byte* data = nullptr;
    if (blocks.free.empty()) {
      data = new_block(blocks, block, bytes);
    } else {
      data = pop(blocks.free);
      stats_.bytes_cached -= static_cast<int64_t>(block);
    }
    return data;
  }

  // The caller will write to the first `bytes`; the pages behind them are written to here, as the next to use the block
  // may need more of it.
  std::byte* new_block(Class& blocks, size_t block, size_t bytes) {
    std::byte* data = nullptr;
    if (!blocks.places.empty()) {
      ++stats_.system_calls;
      data = pop(blocks.places);
    } else {
      const size_t count = blocks.count + 1;
      if (blocks.free.capacity() < count) blocks.free.reserve(2 * count);  // now, not on their return
      if ((block < kSmallestLarge ? small_ : large_).take(block, &data)) ++stats_.system_calls;
      blocks.count = count;
    }
    for (size_t offset = bytes; offset < block; offset += kPage) data[offset] = std::byte{0};
    if (bytes < block) data[block - 1] = std::byte{0};
    return data;
  }

  static std::byte* pop(std::vector<std::byte*>& list) {
    std::byte* data = list.back();
    list.pop_back();
    return data;
  }

  /// Gives the whole pages of a block back to the system; their addresses stay.
  static void release_pages(std::byte* data, size_t block) {
    const auto begin = reinterpret_cast<uintptr_t>(data), first = round_up(begin, kPage),
               last = (begin + block) / kPage * kPage;
    if (first < last) ::madvise(data + (first - begin), last - first, MADV_DONTNEED);
  }

  std::mutex mutex_;
  std::map<size_t, Class> classes_;  ///< by size
  Slab small_{kPage, size_t{1} << 20}, large_{kLargePage, size_t{16} << 20};
  memory::Stats stats_;
};

BlockCache& the_cache() {
  static auto* cache = new BlockCache;  // never destroyed: static tensors give their blocks back after main
  return *cache;
}

std::atomic<bool> poison{false};

}  // namespace

Storage::Storage(Key, size_t bytes) : data_(the_cache().take(bytes)), bytes_(bytes) {
  if (poison.load(std::memory_order_relaxed)) std::memset(data_, 0xFF, bytes_);
}

Storage::~Storage() { the_cache().give_back(data_, bytes_); }

std::shared_ptr<Storage> Storage::allocate(size_t bytes) { return std::make_shared<Storage>(Key(), bytes); }

namespace memory {
Stats stats() { return the_cache().stats(); }
void reset_peak() { the_cache().reset_peak(); }
void trim() { the_cache().trim(); }
void set_poison(bool on) { poison.store(on); }
}  // namespace memory

}  // namespace kindling
