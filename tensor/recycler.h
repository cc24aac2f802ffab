// Memory for the small objects that every training step makes and drops: nodes of the graph, lists, handles of storage.
#pragma once

#include <cstddef>
#include <vector>

namespace kindling {

/// Whether memory that is given back is used again, here and by Storage. Not under
/// AddressSanitizer: every object and block is the heap's then, so that it sees what is read too
/// late or too far.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kRecycles = false;
#else
inline constexpr bool kRecycles = true;
#endif

namespace recycled {

/// At least `bytes`, aligned as by malloc, from lists of free blocks that the calling thread keeps.
/// Blocks are never given back to the system; what one thread frees too many of, others take. So
/// steps that repeat ask the system for nothing, and rarely wait for each other. Objects above 1
/// MiB come from the heap.
void* take(size_t bytes);
/// `bytes` as at take(); in any thread.
void give_back(void* block, size_t bytes) noexcept;

}  // namespace recycled

/// The allocator of such objects: `std::allocate_shared<Node>(Recycler<Node>(), ...)`.
template <class T>
class Recycler {
 public:
  using value_type = T;

  Recycler() = default;
  template <class U>
  Recycler(const Recycler<U>&) noexcept {}  // NOLINT: implicit, as containers convert their allocator

  T* allocate(size_t n) { return static_cast<T*>(recycled::take(n * sizeof(T))); }
  void deallocate(T* block, size_t n) noexcept { recycled::give_back(block, n * sizeof(T)); }

  template <class U>
  friend bool operator==(const Recycler&, const Recycler<U>&) {
    return true;
  }
};

/// A std::vector for what a step needs for a moment.
template <class T>
using List = std::vector<T, Recycler<T>>;

}  // namespace kindling
