// A binary arithmetic coder: bits of known probability take as much of a file as their information. Internal to io/.
//
// The encoder keeps an interval of numbers [low, low + range). Each bit cuts it in two parts, in the ratio of the
// probabilities, and the part of the bit that occurs becomes the new interval. When the interval is smaller than 2^32,
// the leading four bytes of low are settled, but for a carry, and go to the output. The form is that of LZMA, with 64
// bits in place of 32, so that a decoder reads bytes rarely. All arithmetic is of integers, so that each machine gives
// the same bits.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace kindling {

/// round(2^16 / (n + 1.6)): how far the n-th observation moves an estimate. The first ones move it
/// most.
inline constexpr std::array<uint16_t, 512> kRates = [] {
  std::array<uint16_t, 512> rates{};
  for (uint32_t n = 0; n < rates.size(); ++n)
    rates[n] = static_cast<uint16_t>((655360 + (10 * n + 16) / 2) / (10 * n + 16));
  return rates;
}();

/// The probability that a bit is 1, learned from the bits that were coded before.
class AdaptiveBit {
 public:
  /// In 1/32768, from 1 to 32767.
  uint32_t probability() const { return (state_ >> 17) | 1; }

  void learn(bool bit) {
    const uint32_t count = state_ & kCounter;
    const int64_t p = state_ >> 10, target = bit ? (1 << 22) - 1 : 0;
    const int64_t change = ((target - p) * kRates[count]) >> 16;
    state_ += (static_cast<uint32_t>(change) << 10) + (count < kCountLimit ? 1 : 0);
  }

  /// Keeps the probability, but lets the next bits move it quickly: others may follow now.
  void loosen() {
    if ((state_ & kCounter) > kLooseCount) state_ = (state_ & ~kCounter) | kLooseCount;
  }

 private:
  static constexpr uint32_t kCounter = 1023, kCountLimit = 500, kLooseCount = 16;
  uint32_t state_ = 1u << 31;  // the probability in 1/2^22, and ten bits that count
};

/// Writes bits.
class RangeEncoder {
 public:
  bool code(AdaptiveBit& model, bool bit) {
    narrow((range_ >> 15) * model.probability(), bit);
    model.learn(bit);
    return bit;
  }

  /// `count` bits of `value` that are 0 or 1 with the same probability, the highest first.
  uint32_t code_raw(uint32_t count, uint32_t value) {
    while (count-- > 0) narrow(range_ >> 1, (value >> count & 1) != 0);
    return value;
  }

  /// Everything that was coded. Zero bytes at the end are left out: the decoder reads them beyond
  /// the end. Call it once, last.
  std::string finish() {
    // Of the numbers in the interval, the one with most zeros at its end.
    uint64_t up = 0;
    for (uint64_t ones = ~uint64_t{0}; (up = (0 - low_) & ones) >= range_;) ones >>= 1;
    raise(up);
    for (int i = 0; i < 2; ++i) shift();
    while (!out_.empty() && out_.back() == 0) out_.pop_back();
    return std::move(out_);
  }

 private:
  /// To the first `bound` numbers of the interval, or to the others.
  void narrow(uint64_t bound, bool first) {
    if (!first) raise(bound);
    range_ = first ? bound : range_ - bound;
    if (range_ >> 32 == 0) {
      shift();
      range_ <<= 32;
    }
  }

  void raise(uint64_t by) {
    low_ += by;
    if (low_ >= by) return;
    size_t i = out_.size();
    do --i, ++out_[i];  // the carry; low was less than 1 before, so a byte of less than 255 is there
    while (out_[i] == 0);
  }

  void shift() {
    for (int bits = 56; bits >= 32; bits -= 8) out_.push_back(static_cast<char>(low_ >> bits));
    low_ <<= 32;
  }

  uint64_t low_ = 0, range_ = ~uint64_t{0};
  std::string out_;
};

/// Reads what RangeEncoder wrote, if it is asked for the same bits with the same models. Data that
/// no encoder wrote give some bits, too.
class RangeDecoder {
 public:
  /// `bytes` must outlive the decoder.
  explicit RangeDecoder(std::string_view bytes) : next_(bytes.data()), end_(next_ + bytes.size()) {
    code_ = uint64_t{take()} << 32;
    code_ |= take();
  }

  /// The second argument is the encoder's.
  bool code(AdaptiveBit& model, bool = false) {
    const bool bit = narrow((range_ >> 15) * model.probability());
    model.learn(bit);
    return bit;
  }

  uint32_t code_raw(uint32_t count, uint32_t = 0) {
    uint32_t value = 0;
    while (count-- > 0) value = value << 1 | (narrow(range_ >> 1) ? 1 : 0);
    return value;
  }

 private:
  bool narrow(uint64_t bound) {
    const bool is_first = code_ < bound;
    const uint64_t mask = is_first ? 0 : ~uint64_t{0};  // no branch: a processor would guess most bits wrong
    code_ -= bound & mask;
    range_ = bound ^ ((bound ^ (range_ - bound)) & mask);
    if (range_ >> 32 == 0) {
      code_ = code_ << 32 | take();
      range_ <<= 32;
    }
    return is_first;
  }

  /// The next four bytes, the first one highest.
  uint32_t take() {
    std::array<unsigned char, 4> bytes{};
    const auto left = static_cast<size_t>(end_ - next_), count = left < bytes.size() ? left : bytes.size();
    if (count == bytes.size()) [[likely]]
      std::memcpy(bytes.data(), next_, bytes.size());
    else if (count > 0)
      std::memcpy(bytes.data(), next_, count);
    next_ += count;
    return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
  }

  const char *next_, *end_;
  uint64_t code_ = 0, range_ = ~uint64_t{0};
};

}  // namespace kindling
