// Canonical Huffman codes of at most 15 bits, as arXiv:1510.00149 uses them. Internal to io/.
//
// A code is given by the number of bits of each symbol. Codes of fewer bits come first, and among those of equally many
// the order is that of the symbols. Bits fill each byte from its highest.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kindling {

inline constexpr uint32_t kLongestCode = 15;

class BitWriter {
 public:
  /// The lowest `count` (at most 32) bits of `value`.
  void put(uint32_t value, uint32_t count) {
    buffer_ = buffer_ << count | (value & ((uint64_t{1} << count) - 1));
    filled_ += count;
    for (; filled_ >= 8; filled_ -= 8) bytes_.push_back(static_cast<char>(buffer_ >> (filled_ - 8)));
  }
  int64_t bits() const { return 8 * static_cast<int64_t>(bytes_.size()) + filled_; }
  /// Everything, with zeros to fill the last byte.
  std::string finish() {
    if (filled_ > 0) put(0, 8 - filled_);
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
  uint64_t buffer_ = 0;
  uint32_t filled_ = 0;  // bits of the buffer, fewer than 8 between calls
};

/// Beyond the end it reads zeros, which is_beyond_end() tells.
class BitReader {
 public:
  /// `bytes` must outlive the reader.
  explicit BitReader(std::string_view bytes) : bytes_(bytes) {}

  /// The next `count` (at most 32) bits, without taking them.
  uint32_t peek(uint32_t count) {
    while (filled_ < count) {
      buffer_ = buffer_ << 8 | (next_ < bytes_.size() ? static_cast<uint8_t>(bytes_[next_]) : 0);
      ++next_;
      filled_ += 8;
    }
    return static_cast<uint32_t>((buffer_ >> (filled_ - count)) & ((uint64_t{1} << count) - 1));
  }
  void skip(uint32_t count) { filled_ -= count; }  // after peek() of as many or more
  uint32_t take(uint32_t count) {
    const uint32_t value = peek(count);
    skip(count);
    return value;
  }
  bool is_beyond_end() const { return next_ > bytes_.size() + filled_ / 8; }

 private:
  std::string_view bytes_;
  size_t next_ = 0;
  uint64_t buffer_ = 0;
  uint32_t filled_ = 0;
};

/// Of each symbol that occurs, the number of bits that makes the whole shortest; 0 for others. Such
/// a code would sometimes need more than 15 bits; then it is a little longer than the shortest.
std::vector<uint8_t> huffman_lengths(const std::vector<uint64_t>& counts);

class HuffmanEncoder {
 public:
  explicit HuffmanEncoder(std::vector<uint8_t> lengths);
  void put(BitWriter& to, uint32_t symbol) const { to.put(codes_[symbol], lengths_[symbol]); }

 private:
  std::vector<uint8_t> lengths_;
  std::vector<uint32_t> codes_;
};

class HuffmanDecoder {
 public:
  static constexpr uint32_t kNone = 0xFFFF'FFFF;

  explicit HuffmanDecoder(const std::vector<uint8_t>& lengths);

  /// Whether no code is the beginning of another.
  bool is_sound() const { return sound_; }
  /// The next symbol; kNone for bits that are no code.
  uint32_t take(BitReader& from) const {
    const Entry entry = table_[from.peek(longest_)];
    if (entry.length == 0) return kNone;
    from.skip(entry.length);
    return entry.symbol;
  }

 private:
  struct Entry {
    uint16_t symbol = 0;
    uint8_t length = 0;
  };
  std::vector<Entry> table_;  // for the next `longest_` bits
  uint32_t longest_ = 0;
  bool sound_ = true;
};

}  // namespace kindling
