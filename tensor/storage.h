// Memory of tensors: reference-counted blocks from a cache that is never trimmed behind the user's back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace kindling {

/// Whether a block that is given back is used again. Not under AddressSanitizer: every block is the
/// heap's then, so that it sees what is read too late or too far.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kRecycles = false;
#else
inline constexpr bool kRecycles = true;
#endif

/// A block of memory, 64-byte aligned, which all views of it share. `allocate` makes it, and the
/// last shared_ptr returns it to the cache. Under AddressSanitizer there is none, and every block
/// is a heap block of the exact size.
class Storage {
  struct Key {
    explicit Key() = default;
  };

 public:
  static std::shared_ptr<Storage> allocate(size_t bytes);
  Storage(Key, size_t bytes);  ///< only allocate() has a key
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

  /// Counts changes in place, so that autograd notices that a saved tensor has changed. `writer` is
  /// the operation that changed it last.
  uint64_t version() const { return version_; }
  const char* writer() const { return writer_; }
  void mark_written(const char* writer) {
    ++version_;
    writer_ = writer;
  }

 private:
  std::byte* data_;
  size_t bytes_;
  uint64_t version_ = 0;
  const char* writer_ = nullptr;
};

namespace memory {

struct Stats {
  int64_t bytes_in_use = 0;  ///< in tensors that are alive
  int64_t bytes_peak = 0;    ///< the largest value of the above since reset_peak()
  int64_t bytes_cached = 0;  ///< free, kept for reuse
  int64_t system_calls = 0;  ///< times that it was asked for memory since the start
};
Stats stats();
void reset_peak();
/// Gives the memory of all cached blocks back to the system, except parts of pages.
void trim();

/// For tests. While on, every new block is filled with 0xFF bytes (NaN in f32 and f64). So an
/// output that a kernel does not fully write is noticed.
void set_poison(bool on);

}  // namespace memory
}  // namespace kindling
