// What the reader and the writer of .kndz files have in common. Internal to io/. docs/kndz.md describes all of it.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

#include <kindling/io/grid_model.h>
#include <kindling/io/kndz.h>

namespace kindling::kndz {

inline constexpr std::string_view kMagic = "KNDZ";
inline constexpr uint8_t kVersion = 1;
inline constexpr const char* kDtypes[] = {"F32", "F16", "BF16"};  // by their number in the file
inline constexpr uint64_t kElementsPerByte = 1024;                // of a tensor, at most
inline constexpr uint32_t kMostSymbols = 1 << 16;                 // of a Huffman code

/// Bits of sign and exponent.
inline uint32_t leading_bits(const std::string& dtype) { return dtype == "F16" ? 6 : 9; }
inline uint32_t word_bits(const std::string& dtype) { return dtype == "F32" ? 32 : 16; }

/// A floating-point number's bits, so that greater numbers have greater words; and back.
inline uint32_t ordered(uint32_t word, uint32_t bits) {
  const uint32_t sign = 1u << (bits - 1), all = sign | (sign - 1);
  return (word & sign) != 0 ? ~word & all : word | sign;
}
inline uint32_t unordered(uint32_t word, uint32_t bits) {
  const uint32_t sign = 1u << (bits - 1), all = sign | (sign - 1);
  return (word & sign) != 0 ? word & ~sign : ~word & all;
}

/// The adaptive bits of the range coder that floating-point numbers need.
struct FloatModel {
  std::array<AdaptiveBit, 512> leading;  // a tree: sign and exponent
  AdaptiveBit is_zero;                   // of a word whose sign and exponent are 0
  std::array<AdaptiveBit, 64> lengths;   // a tree: binary digits of a difference

  void loosen() {
    is_zero.loosen();
    for (AdaptiveBit& bit : leading) bit.loosen();
    for (AdaptiveBit& bit : lengths) bit.loosen();
  }
};

/// The `count` bits of `value`, the highest first, each by the adaptive bit of those before it.
template <class Coder>
uint32_t code_tree(Coder& coder, AdaptiveBit* tree, uint32_t count, uint32_t value) {
  uint32_t node = 1;
  for (uint32_t left = count; left > 0; --left) node = 2 * node + coder.code(tree[node], value >> (left - 1) & 1);
  return node - (1u << count);
}

/// The word of a floating-point number. The zeros of a pruned tensor take hardly a bit.
template <class Coder>
uint32_t code_word(Coder& coder, FloatModel& model, const std::string& dtype, uint32_t word) {
  const uint32_t leading = leading_bits(dtype), rest = word_bits(dtype) - leading;
  const uint32_t high = code_tree(coder, model.leading.data(), leading, word >> rest);
  if (high == 0 && coder.code(model.is_zero, word == 0)) return 0;
  return high << rest | coder.code_raw(rest, word & ((1u << rest) - 1));
}

/// A number of up to 32 bits: first how many, then all but the leading 1.
template <class Coder>
uint32_t code_difference(Coder& coder, FloatModel& model, uint32_t value) {
  const uint32_t digits = code_tree(coder, model.lengths.data(), 6, static_cast<uint32_t>(std::bit_width(value)));
  if (digits == 0) return 0;
  const uint32_t leading = 1u << ((digits - 1) & 31);
  return leading | coder.code_raw(digits - 1, value & (leading - 1));
}

/// What the range coder has learned; it goes on from tensor to tensor.
struct Models {
  GridModel numbers;
  FloatModel floats;
};

}  // namespace kindling::kndz
