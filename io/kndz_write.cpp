#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <set>
#include <unordered_map>

#include <kindling/io/atomic_file.h>
#include <kindling/io/bit_costs.h>
#include <kindling/io/byte_writer.h>
#include <kindling/io/crc32.h>
#include <kindling/io/elements.h>
#include <kindling/io/huffman.h>
#include <kindling/io/kndz_format.h>
#include <kindling/io/texts.h>

namespace kindling {
namespace {

using namespace kndz;

/// A range coder that counts the bits that it takes: those of a number's first decision apart.
struct CountingEncoder {
  RangeEncoder encoder;
  double first = 0, all = 0;
  bool is_first = false;

  bool code(AdaptiveBit& model, bool bit) {
    const double bits = bit_cost(model, bit);
    if (is_first) first += bits;
    all += bits;
    is_first = false;
    return encoder.code(model, bit);
  }
  uint32_t code_raw(uint32_t count, uint32_t value) {
    all += count;
    return encoder.code_raw(count, value);
  }
};

/// The words of plain elements or of a codebook.
std::vector<uint32_t> words_of(const std::string& dtype, const Tensor& values) {
  const std::string bytes = encode_elements(dtype, values);
  const size_t size = word_bits(dtype) / 8;
  std::vector<uint32_t> words(bytes.size() / size);
  for (size_t i = 0; i < words.size(); ++i)
    for (size_t k = size; k-- > 0;) words[i] = words[i] << 8 | static_cast<uint8_t>(bytes[i * size + k]);
  return words;
}

/// Numbers in the order of the file, for a codebook with its sorted values (as ordered words).
struct Numbers {
  std::vector<int32_t> q;
  std::vector<uint32_t> values;
};

/// A codebook as a grid: its values get numbers by their order, 1 is the smallest that is positive.
Numbers ranked(const CodedTensor& tensor) {
  const uint32_t bits = word_bits(tensor.dtype), zero = ordered(0, bits);
  std::vector<uint32_t> words = words_of(tensor.dtype, Tensor::from(tensor.codebook));
  for (uint32_t& word : words) word = ordered(word, bits);
  std::vector<bool> used(words.size());
  for (const int32_t code : tensor.numbers) used[static_cast<size_t>(code)] = true;
  std::set<uint32_t> values;
  for (size_t i = 0; i < words.size(); ++i)
    if (used[i] && words[i] != zero) values.insert(words[i]);
  Numbers result;
  result.values.assign(values.begin(), values.end());
  const auto positive = std::lower_bound(result.values.begin(), result.values.end(), zero);
  std::vector<int32_t> numbers;
  for (const uint32_t word : words) {
    const auto place = std::lower_bound(result.values.begin(), result.values.end(), word);
    numbers.push_back(word == zero ? 0 : static_cast<int32_t>(place - positive) + (word > zero ? 1 : 0));
  }
  for (const int32_t code : tensor.numbers) result.q.push_back(numbers[static_cast<size_t>(code)]);
  return result;
}

Numbers in_file_order(const CodedTensor& tensor) {
  if (tensor.coding == Coding::plain) return {};
  Numbers all = tensor.coding == Coding::codebook ? ranked(tensor) : Numbers{tensor.numbers, {}};
  std::vector<int32_t> q;
  q.reserve(all.q.size());
  for_each_in_grid(GridShape::of(tensor.shape, tensor.axes), tensor.axes,
                   [&](int64_t i) { q.push_back(all.q[static_cast<size_t>(i)]); });
  all.q = std::move(q);
  return all;
}

/// In bytes: of numbers that are drawn independently, as often as they occur here.
double entropy(const std::vector<int32_t>& numbers) {
  std::unordered_map<int32_t, int64_t> counts;
  for (const int32_t number : numbers) ++counts[number];
  double bits = 0;
  for (const auto& [number, count] : counts)
    bits -= static_cast<double>(count) * std::log2(static_cast<double>(count) / static_cast<double>(numbers.size()));
  return bits / 8;
}

struct Piece {
  std::string bytes;
  uint8_t parameter = 0;  // low bits of the range coder, bits of relative indices
};

/// The bits of the lowest part of a magnitude that tell little about their neighbours: all but 2 of
/// the largest rank.
uint32_t low_bits_of(const Numbers& numbers) {
  if (numbers.values.empty()) return 0;
  int32_t largest = 0;
  for (const int32_t q : numbers.q) largest = std::max(largest, std::abs(q));
  return static_cast<uint32_t>(std::clamp(static_cast<int>(std::bit_width(static_cast<uint32_t>(largest))) - 2, 0, 8));
}

Piece with_range(const CodedTensor& tensor, const Numbers& numbers, Models& models, KndzSize& size) {
  CountingEncoder coder;
  models.floats.loosen();
  if (tensor.coding == Coding::plain) {
    for (const uint32_t word : words_of(tensor.dtype, tensor.values))
      code_word(coder, models.floats, tensor.dtype, word);
    size.codes = coder.all / 8;
    return {coder.encoder.finish(), 0};
  }
  if (tensor.coding == Coding::codebook) {
    coder.code_raw(16, static_cast<uint32_t>(numbers.values.size()));
    uint32_t before = 0;
    for (const uint32_t value : numbers.values) {
      code_difference(coder, models.floats, value - before);
      before = value;
    }
    size.codebook = coder.all / 8;
  }
  const uint32_t low_bits = low_bits_of(numbers);
  models.numbers.begin(GridShape::of(tensor.shape, tensor.axes), low_bits);
  for (const int32_t q : numbers.q) {
    coder.is_first = true;
    models.numbers.code(coder, q);
    models.numbers.advance(q);
  }
  size.places = coder.first / 8;
  size.codes = coder.all / 8 - size.codebook - size.places;
  return {coder.encoder.finish(), static_cast<uint8_t>(low_bits)};
}

/// Gaps and numbers of the entries. With `width` bits a gap has at most 2^width - 1 zeros; 0 bits:
/// each element is an entry.
struct Entries {
  std::vector<uint32_t> gaps;
  std::vector<int32_t> q;
};

Entries entries_of(const std::vector<int32_t>& q, uint32_t width) {
  Entries result;
  const uint32_t most = (1u << width) - 1;
  uint32_t zeros = 0;
  size_t size = q.size();
  while (width > 0 && size > 0 && q[size - 1] == 0) --size;
  for (size_t i = 0; i < size; ++i) {
    if (q[i] == 0 && zeros < most) {
      ++zeros;
    } else {
      if (width > 0) result.gaps.push_back(zeros);
      result.q.push_back(q[i]);
      zeros = 0;
    }
  }
  return result;
}

std::vector<uint8_t> put_lengths(BitWriter& out, const std::vector<uint64_t>& counts) {
  std::vector<uint8_t> lengths = huffman_lengths(counts);
  for (const uint8_t length : lengths) out.put(length, 4);
  return lengths;
}

Piece with_huffman_width(const CodedTensor& tensor, const Numbers& numbers, uint32_t width, KndzSize& size) {
  BitWriter out;
  int32_t low = 0, high = 0;
  for (const int32_t q : numbers.q) low = std::min(low, q), high = std::max(high, q);
  if (tensor.coding == Coding::codebook) {
    out.put(static_cast<uint32_t>(numbers.values.size()), 16);
    uint32_t before = 0;
    for (const uint32_t value : numbers.values) {
      const auto digits = static_cast<uint32_t>(std::bit_width(value - before));
      out.put(digits, 6);
      out.put(value - before, digits > 0 ? digits - 1 : 0);
      before = value;
    }
  } else {
    out.put(static_cast<uint32_t>(-low), 20);
    out.put(static_cast<uint32_t>(high), 20);
  }
  const Entries entries = entries_of(numbers.q, width);
  std::vector<uint64_t> counts(static_cast<size_t>(high - low + 1)), gap_counts(size_t{1} << width);
  for (const int32_t q : entries.q) ++counts[static_cast<size_t>(q - low)];
  for (const uint32_t gap : entries.gaps) ++gap_counts[gap];
  const HuffmanEncoder codes(put_lengths(out, counts));
  if (width > 0) out.put(static_cast<uint32_t>(entries.q.size()), 32);
  const HuffmanEncoder gaps(width > 0 ? put_lengths(out, gap_counts) : std::vector<uint8_t>{});
  size.codebook = static_cast<double>(out.bits()) / 8;
  int64_t gap_bits = 0;
  for (size_t i = 0; i < entries.q.size(); ++i) {
    const int64_t before = out.bits();
    if (width > 0) gaps.put(out, entries.gaps[i]);
    gap_bits += out.bits() - before;
    codes.put(out, static_cast<uint32_t>(entries.q[i] - low));
  }
  size.places = static_cast<double>(gap_bits) / 8;
  size.codes = static_cast<double>(out.bits()) / 8 - size.codebook - size.places;
  return {out.finish(), static_cast<uint8_t>(width)};
}

/// The number of bits of relative indices that makes the piece shortest, as a rule 3 or 4.
Piece with_huffman(const CodedTensor& tensor, const Numbers& numbers, KndzSize& size) {
  if (tensor.coding == Coding::plain) {
    Piece piece{encode_elements(tensor.dtype, tensor.values), 0};
    size.codes = static_cast<double>(piece.bytes.size());
    return piece;
  }
  Piece best;
  for (const uint32_t width : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 8u}) {
    KndzSize with_width = size;
    Piece piece = with_huffman_width(tensor, numbers, width, with_width);
    if (width > 0 && piece.bytes.size() >= best.bytes.size()) continue;
    best = std::move(piece);
    size = with_width;
  }
  return best;
}

void check_numbers(const std::string& path, const CodedTensor& tensor, KndzCoder coder) {
  const auto [low, high] = std::minmax_element(tensor.numbers.begin(), tensor.numbers.end());
  if (tensor.coding != Coding::grid || low == tensor.numbers.end()) return;
  const int64_t least = std::min(*low, 0), most = std::max(*high, 0);
  if (std::max(-least, most) > GridModel::kLargest)
    throw FileError(path + ": tensor \"" + tensor.name + "\" has numbers beyond 1,048,575: its step is too small");
  if (coder == KndzCoder::huffman && most - least >= kMostSymbols)
    throw FileError(path + ": tensor \"" + tensor.name +
                    "\": its numbers span more than 65,536, too many for Huffman's codes: use the range coder");
}

std::string deflated(const std::string& text) {
  uLongf size = compressBound(text.size());
  std::string result(size, '\0');
  constexpr int kBest = 9;
  if (compress2(reinterpret_cast<Bytef*>(result.data()), &size, reinterpret_cast<const Bytef*>(text.data()),
                text.size(), kBest) != Z_OK)
    throw std::bad_alloc();
  result.resize(size);
  return result;
}

void append_text(std::string& to, const std::string& text) {
  append_number(to, static_cast<uint32_t>(text.size()));
  to += text;
}

/// Sizes, the deflated text and a checksum of all of it. An empty text takes 12 bytes.
std::string section(const std::string& text, std::string before = "") {
  const std::string stored = text.empty() ? "" : deflated(text);
  append_number(before, static_cast<uint32_t>(stored.size()));
  append_number(before, static_cast<uint32_t>(text.size()));
  before += stored;
  append_number(before, crc32(before));
  return before;
}

void append_row(std::string& table, const CodedTensor& tensor, const Piece& piece) {
  append_text(table, tensor.name);
  const auto* const dtype = std::find(std::begin(kDtypes), std::end(kDtypes), tensor.dtype);
  append_number(table, static_cast<uint8_t>(tensor.coding));
  append_number(table, static_cast<uint8_t>(dtype - std::begin(kDtypes)));
  append_number(table, static_cast<uint8_t>(tensor.axes));
  append_number(table, piece.parameter);
  append_number(table, static_cast<uint8_t>(tensor.shape.rank()));
  for (const int64_t size : tensor.shape) append_number(table, static_cast<uint32_t>(size));
  append_number(table, static_cast<uint32_t>(piece.bytes.size()));
  append_number(table, tensor.coding == Coding::grid ? tensor.step : 0.0F);
}

/// The whole file. `path` is for messages.
std::string encode(const std::string& path, const std::vector<CodedTensor>& tensors, const Metadata& notes,
                   KndzCoder coder, KndzSizes& sizes) {
  std::vector<NamedTensor> names;
  for (const CodedTensor& tensor : tensors) {
    check_coded(tensor);
    check_numbers(path, tensor, coder);
    names.push_back({tensor.name, {}});
  }
  check_texts(path, names, notes);
  const auto models = std::make_unique<Models>();
  std::string table, pieces;
  append_number(table, static_cast<uint32_t>(tensors.size()));
  for (const CodedTensor& tensor : tensors) {
    KndzSize size{.name = tensor.name, .elements = tensor.shape.numel(), .nonzero = tensor.nonzero()};
    const Numbers numbers = in_file_order(tensor);
    Piece piece =
        coder == KndzCoder::range ? with_range(tensor, numbers, *models, size) : with_huffman(tensor, numbers, size);
    const auto least = static_cast<size_t>(tensor.shape.numel()) / kElementsPerByte;  // zeros that only fill
    piece.bytes.resize(std::max(piece.bytes.size(), least));
    append_row(table, tensor, piece);
    pieces += piece.bytes;
    append_number(pieces, crc32(piece.bytes));
    size.bytes = static_cast<int64_t>(piece.bytes.size() + sizeof(uint32_t));
    if (tensor.coding != Coding::plain) size.entropy = entropy(numbers.q);
    sizes.tensors.push_back(size);
  }
  std::string all_notes;
  for (const auto& [key, value] : notes) {
    append_text(all_notes, key);
    append_text(all_notes, value);
  }
  std::string start(kMagic);
  append_number(start, kVersion);
  append_number(start, static_cast<uint8_t>(coder));
  const std::string head = section(table, start), notes_section = section(all_notes);
  sizes.head = std::ssize(head);
  sizes.notes = std::ssize(notes_section);
  sizes.bytes = std::ssize(head) + std::ssize(notes_section) + std::ssize(pieces);
  return head + notes_section + pieces;
}

}  // namespace

KndzSizes write_kndz(const std::string& path, const std::vector<CodedTensor>& tensors, const Metadata& notes,
                     KndzCoder coder) {
  KndzSizes sizes;
  write_file(path, encode(path, tensors, notes, coder, sizes));
  return sizes;
}

KndzSizes kndz_sizes(const std::vector<CodedTensor>& tensors, const Metadata& notes, KndzCoder coder) {
  KndzSizes sizes;
  encode("a .kndz file", tensors, notes, coder, sizes);
  return sizes;
}

}  // namespace kindling
