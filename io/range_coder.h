// A binary arithmetic coder: bits of known probability take as much of a file as their information. Internal to io/.
//
// The encoder keeps an interval of numbers [low, low + range). Each bit cuts it in two parts, in the ratio of the
// probabilities, and the part of the bit that occurs becomes the new interval. When the interval is small, its leading
// byte is settled and goes to the output. The form is that of LZMA. All arithmetic is of integers, so that each machine
// gives the same bits.
#pragma once

#include <array>
#include <cstdint>
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
    const int64_t moved = p + (((target - p) * kRates[count]) >> 16);
    state_ = static_cast<uint32_t>(moved) << 10 | (count < kCountLimit ? count + 1 : count);
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
    for (int i = 0; i < 5; ++i) shift();
    while (!out_.empty() && out_.back() == 0) out_.pop_back();
    return std::move(out_);
  }

 private:
  /// To the first `bound` numbers of the interval, or to the others.
  void narrow(uint32_t bound, bool first) {
    low_ += first ? 0 : bound;
    range_ = first ? bound : range_ - bound;
    while (range_ < 1u << 24) shift();
  }

  void shift() {  // a byte of 255 waits until it is known whether a carry makes it 256
    if (low_ < 0xFF000000u || low_ >> 32 != 0) {
      if (started_) out_.push_back(static_cast<char>(waiting_ + (low_ >> 32)));
      for (; waiting_255s_ > 0; --waiting_255s_) out_.push_back(static_cast<char>(0xFF + (low_ >> 32)));
      waiting_ = static_cast<uint8_t>(low_ >> 24);
      started_ = true;
    } else {
      ++waiting_255s_;
    }
    low_ = (low_ & 0x00FFFFFF) << 8;
    range_ <<= 8;
  }

  uint64_t low_ = 0;
  uint32_t range_ = 0xFFFFFFFF;
  uint8_t waiting_ = 0;
  bool started_ = false;
  uint64_t waiting_255s_ = 0;
  std::string out_;
};

/// Reads what RangeEncoder wrote, if it is asked for the same bits with the same models. Data that
/// no encoder wrote give some bits, too.
class RangeDecoder {
 public:
  /// `bytes` must outlive the decoder.
  explicit RangeDecoder(std::string_view bytes) : bytes_(bytes) {
    for (int i = 0; i < 4; ++i) code_ = code_ << 8 | next();
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
  uint8_t next() { return next_ < bytes_.size() ? static_cast<uint8_t>(bytes_[next_++]) : 0; }
  bool narrow(uint32_t bound) {
    const bool is_first = code_ < bound;
    const uint32_t mask = is_first ? 0 : ~uint32_t{0};  // no branch: a processor would guess most bits wrong
    code_ -= bound & mask;
    range_ = bound ^ ((bound ^ (range_ - bound)) & mask);
    while (range_ < 1u << 24) {
      code_ = code_ << 8 | next();
      range_ <<= 8;
    }
    return is_first;
  }

  std::string_view bytes_;
  size_t next_ = 0;
  uint32_t code_ = 0, range_ = 0xFFFFFFFF;
};

}  // namespace kindling
