#include <kindling/io/kndz_decode.h>

#include <algorithm>
#include <utility>

#include <kindling/io/elements.h>
#include <kindling/io/huffman.h>

namespace kindling::kndz {
namespace {

/// Turns words into floating-point numbers.
Tensor to_floats(const std::string& dtype, const Shape& shape, const std::vector<uint32_t>& words) {
  std::string bytes;
  for (const uint32_t word : words)
    for (uint32_t shift = 0; shift < word_bits(dtype); shift += 8) bytes.push_back(static_cast<char>(word >> shift));
  return decode_elements(dtype, shape, bytes.data());
}

/// `count` sorted values of a codebook, as differences that `next` gives. Returns how many of them
/// are negative.
template <class Next>
int32_t take_codebook(CodedTensor& tensor, uint32_t count, const Place& place, Next next) {
  const uint32_t bits = word_bits(tensor.dtype), zero = ordered(0, bits);
  std::vector<uint32_t> words{0};
  uint64_t word = 0;
  int32_t negative = 0;
  for (uint32_t i = 0; i < count; ++i) {
    word += next();
    if (word >> bits != 0) place.fail("value ", i, " of its codebook is no number of ", bits, " bits");
    negative += word < zero;
    words.push_back(unordered(static_cast<uint32_t>(word), bits));
  }
  tensor.codebook = to_floats(tensor.dtype, {std::ssize(words)}, words).to_vector<float>();
  return negative;
}

/// Puts numbers, which come in the file's order, where they belong. Those of a codebook become
/// codes: 0, then its values in their order; `negative` of these are below 0.
void place_numbers(CodedTensor& tensor, std::vector<int32_t> numbers, int32_t negative, const Place& place) {
  if (tensor.coding == Coding::codebook) {
    std::vector<int32_t> codes(tensor.codebook.size());  // of the numbers from -negative on
    for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<int32_t>(i) + (std::cmp_less(i, negative) ? 1 : 0);
    codes[static_cast<size_t>(negative)] = 0;
    for (int32_t& q : numbers) {
      const auto i = static_cast<size_t>(int64_t{q} + negative);
      if (i >= codes.size()) place.fail("number ", q, " is not in its codebook");
      q = codes[i];
    }
  }
  const GridShape grid = GridShape::of(tensor.shape, tensor.axes);
  if (tensor.axes == AxisOrder::inputs_first || grid.taps == 1) {  // they are there already
    tensor.numbers = std::move(numbers);
    return;
  }
  tensor.numbers.resize(numbers.size());
  auto next = numbers.begin();
  for_each_in_grid(grid, tensor.axes, [&](int64_t i) { tensor.numbers[static_cast<size_t>(i)] = *next++; });
}

/// Nearly all of a decoder's time passes here. A copy of the decoder stays in registers.
std::vector<int32_t> take_numbers(RangeDecoder decoder, GridModel& model, int64_t count) {
  std::vector<int32_t> numbers(static_cast<size_t>(count));
  for (int32_t& q : numbers) {
    q = model.code(decoder, 0);
    model.advance(q);
  }
  return numbers;
}

HuffmanDecoder take_code(BitReader& bits, uint32_t symbols, const Place& place) {
  std::vector<uint8_t> lengths(symbols);
  for (uint8_t& length : lengths) length = static_cast<uint8_t>(bits.take(4));
  HuffmanDecoder result(lengths);
  if (!result.is_sound()) place.fail("one code is the beginning of another");
  return result;
}

}  // namespace

void decode_range(Row& row, std::string_view piece, const Place& place, Models& models) {
  CodedTensor& tensor = row.tensor;
  RangeDecoder decoder(piece);
  models.floats.loosen();
  if (tensor.coding == Coding::plain) {
    std::vector<uint32_t> words(static_cast<size_t>(tensor.shape.numel()));
    for (uint32_t& word : words) word = code_word(decoder, models.floats, tensor.dtype, 0);
    tensor.values = to_floats(tensor.dtype, tensor.shape, words);
    return;
  }
  int32_t negative = 0;
  if (tensor.coding == Coding::codebook)
    negative =
        take_codebook(tensor, decoder.code_raw(16), place, [&] { return code_difference(decoder, models.floats, 0); });
  models.numbers.begin(GridShape::of(tensor.shape, tensor.axes), row.parameter);
  place_numbers(tensor, take_numbers(decoder, models.numbers, tensor.shape.numel()), negative, place);
}

void decode_huffman(Row& row, std::string_view piece, const Place& place) {
  CodedTensor& tensor = row.tensor;
  const int64_t elements = tensor.shape.numel();
  if (tensor.coding == Coding::plain) {
    if (static_cast<int64_t>(piece.size()) != elements * element_bytes(tensor.dtype))
      place.fail("has ", piece.size(), " bytes for ", elements, " elements");
    tensor.values = decode_elements(tensor.dtype, tensor.shape, piece.data());
    return;
  }
  BitReader bits(piece);
  int32_t low = 0, high = 0;
  if (tensor.coding == Coding::codebook) {
    const uint32_t count = bits.take(16);
    low = -take_codebook(tensor, count, place, [&] {
      const uint32_t digits = std::min(bits.take(6), 33u);
      return digits == 0 ? 0 : (uint64_t{1} << (digits - 1)) + bits.take(digits - 1);
    });
    high = static_cast<int32_t>(count) + low;
  } else {
    low = -static_cast<int32_t>(bits.take(20));
    high = static_cast<int32_t>(bits.take(20));
  }
  if (high - low >= static_cast<int32_t>(kMostSymbols)) place.fail("has numbers from ", low, " to ", high);
  const HuffmanDecoder codes = take_code(bits, static_cast<uint32_t>(high - low) + 1, place);
  const bool has_gaps = row.parameter > 0;
  uint32_t entries = has_gaps ? bits.take(32) : static_cast<uint32_t>(elements);
  const HuffmanDecoder gaps = has_gaps ? take_code(bits, 1u << row.parameter, place) : HuffmanDecoder({});
  const auto take = [&](const HuffmanDecoder& from) {
    const uint32_t symbol = from.take(bits);
    if (symbol == HuffmanDecoder::kNone) place.fail("has bits that are no code");
    return symbol;
  };
  std::vector<int32_t> numbers(static_cast<size_t>(elements));
  for (size_t at = 0; entries > 0; --entries) {
    at += has_gaps ? take(gaps) : 0;
    if (at >= numbers.size()) place.fail("has ", entries, " entries too many");
    numbers[at++] = static_cast<int32_t>(take(codes)) + low;
  }
  place_numbers(tensor, std::move(numbers), -low, place);
  if (bits.is_beyond_end()) place.fail("its ", piece.size(), " bytes end before its numbers do");
}

}  // namespace kindling::kndz
