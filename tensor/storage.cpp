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

namespace kindling {
namespace {

constexpr std::align_val_t kAlignment{64};  // a cache line, and one AVX-512 register

// Four size classes between successive powers of two, at least 64 bytes apart: of a block above 256 bytes at most a
// fifth is unused, and ragged batches keep meeting the same few classes.
size_t size_class(size_t bytes) {
  constexpr size_t kSmallest = 64;
  if (bytes <= kSmallest) return kSmallest;
  const size_t quarter = std::bit_floor(bytes - 1) / 4;
  return (bytes + std::max(quarter, kSmallest) - 1) / std::max(quarter, kSmallest) * std::max(quarter, kSmallest);
}

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kReuse = false;
#else
constexpr bool kReuse = true;
#endif

/// Memory in pages of 2 MiB where the system has them: activations of one image at 224 pixels are 3,000 pages of 4 KiB,
/// more than the processor's table holds, and where those lie decides how well they share its caches (one program's
/// runs differed by a tenth, inference by a third). Blocks are cut off the front and never given back one by one.
class HugePages {
 public:
  /// Smaller blocks come from the heap. Multiples of 32 KiB, see size_class.
  static constexpr size_t kSmallest = size_t{256} << 10;

  /// Whether a call to the system was needed.
  bool take(size_t block, std::byte** data) {
    const bool full = block > left_;
    if (full) {
      left_ = std::max(kSlab, (block + kPage - 1) / kPage * kPage);
      next_ = static_cast<std::byte*>(::operator new (left_, std::align_val_t{kPage}));
      ::madvise(next_, left_, MADV_HUGEPAGE);  // where that fails, pages are small
    }
    *data = next_;
    next_ += block;
    left_ -= block;
    return full;
  }

 private:
  static constexpr size_t kPage = size_t{2} << 20, kSlab = size_t{16} << 20;
  std::byte* next_ = nullptr;
  size_t left_ = 0;
};

class Pool {
 public:
  std::byte* take(size_t bytes) {
    const size_t block = kReuse ? size_class(bytes) : bytes;
    const std::lock_guard lock(mutex_);
    std::byte* data = take_block(block);
    stats_.bytes_in_use += static_cast<int64_t>(block);
    stats_.bytes_peak = std::max(stats_.bytes_peak, stats_.bytes_in_use);
    return data;
  }

  void give_back(std::byte* data, size_t bytes) {
    const size_t block = kReuse ? size_class(bytes) : bytes;
    const std::lock_guard lock(mutex_);
    stats_.bytes_in_use -= static_cast<int64_t>(block);
    if (!kReuse) {
      ::operator delete(data, kAlignment);
      return;
    }
    free_[block].push_back(data);
    stats_.bytes_cached += static_cast<int64_t>(block);
  }

  void trim() {
    const std::lock_guard lock(mutex_);
    for (auto& [block, list] : free_)
      for (std::byte* data : list) {
        if (block < HugePages::kSmallest) {
          ::operator delete(data, kAlignment);
        } else {
          ::madvise(data, block, MADV_DONTNEED);  // gives the memory back, and keeps its place
          places_[block].push_back(data);
        }
      }
    free_.clear();
    stats_.bytes_cached = 0;
  }

  void reset_peak() {
    const std::lock_guard lock(mutex_);
    stats_.bytes_peak = stats_.bytes_in_use;
  }

  pool::Stats stats() {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  std::byte* take_block(size_t block) {
    if (auto found = free_.find(block); found != free_.end() && !found->second.empty()) {
      std::byte* data = found->second.back();
      found->second.pop_back();
      stats_.bytes_cached -= static_cast<int64_t>(block);
      return data;
    }
    if (kReuse && block >= HugePages::kSmallest) {
      std::vector<std::byte*>& places = places_[block];
      std::byte* data = nullptr;
      if (!places.empty()) {
        data = places.back();
        places.pop_back();
        ++stats_.system_calls;
      } else if (huge_pages_.take(block, &data)) {
        ++stats_.system_calls;
      }
      return data;
    }
    ++stats_.system_calls;
    return static_cast<std::byte*>(::operator new(block, kAlignment));
  }

  std::mutex mutex_;
  std::map<size_t, std::vector<std::byte*>> free_, places_;  ///< by size; places are without memory
  HugePages huge_pages_;
  pool::Stats stats_;
};

Pool& the_pool() {
  static auto* pool = new Pool;  // never destroyed: static tensors give their blocks back after main
  return *pool;
}

std::atomic<bool> poison{false};

}  // namespace

Storage::Storage(size_t bytes) : data_(the_pool().take(bytes)), bytes_(bytes) {
  if (poison.load(std::memory_order_relaxed)) std::memset(data_, 0xFF, bytes_);
}

Storage::~Storage() { the_pool().give_back(data_, bytes_); }

std::shared_ptr<Storage> Storage::allocate(size_t bytes) { return std::shared_ptr<Storage>(new Storage(bytes)); }

namespace pool {
Stats stats() { return the_pool().stats(); }
void reset_peak() { the_pool().reset_peak(); }
void trim() { the_pool().trim(); }
void set_poison(bool on) { poison.store(on); }
}  // namespace pool

}  // namespace kindling
