#include <kindling/io/grid_model.h>

#include <cmath>
#include <memory>
#include <vector>

#include <kindling/io/crc32.h>
#include <kindling/io/grid_rate.h>
#include <kindling/tensor/rng.h>
#include <catch2/catch.hpp>

using namespace kindling;

namespace {

struct Numbers {
  GridShape shape;
  uint32_t low_bits = 0;
  std::vector<int32_t> q;
};

std::vector<std::string> encode(const std::vector<Numbers>& tensors) {
  const auto model = std::make_unique<GridModel>();
  std::vector<std::string> pieces;
  for (const Numbers& tensor : tensors) {
    RangeEncoder encoder;
    model->begin(tensor.shape, tensor.low_bits);
    for (const int32_t q : tensor.q) {
      model->code(encoder, q);
      model->advance(q);
    }
    pieces.push_back(encoder.finish());
  }
  return pieces;
}

std::vector<std::vector<int32_t>> decode(const std::vector<Numbers>& tensors, const std::vector<std::string>& pieces) {
  const auto model = std::make_unique<GridModel>();
  std::vector<std::vector<int32_t>> result;
  for (size_t i = 0; i < tensors.size(); ++i) {
    RangeDecoder decoder(pieces[i]);
    model->begin(tensors[i].shape, tensors[i].low_bits);
    for (int64_t k = 0; k < tensors[i].shape.numel(); ++k) {
      if (k == 0) result.emplace_back();
      result.back().push_back(model->code(decoder, 0));
      model->advance(result.back().back());
    }
  }
  return result;
}

// Rounded normal numbers; each kernel varies around a number of its own.
Numbers normal_numbers(const GridShape& shape, uint64_t seed, double common, double own) {
  Rng rng(seed);
  Numbers result{shape, 0, {}};
  for (int64_t kernel = 0; kernel < shape.rows * shape.columns; ++kernel) {
    const double middle = common * rng.next_normal();
    for (int64_t tap = 0; tap < shape.taps; ++tap)
      result.q.push_back(static_cast<int32_t>(std::lround(middle + own * rng.next_normal())));
  }
  return result;
}

size_t total(const std::vector<std::string>& pieces) {
  size_t bytes = 0;
  for (const std::string& piece : pieces) bytes += piece.size();
  return bytes;
}

}  // namespace

TEST_CASE("range coder: bits of any probability, and raw bits, are read back") {
  for (const double share : {0.0, 0.001, 0.3, 0.5, 0.97, 1.0}) {
    INFO(share);
    Rng rng(7);
    std::vector<bool> bits;
    std::vector<uint32_t> raw;
    for (int i = 0; i < 20000; ++i)
      bits.push_back(rng.next_uniform() < share), raw.push_back(rng.next_bits() & 0xFFFFF);
    RangeEncoder encoder;
    AdaptiveBit written, read;
    for (size_t i = 0; i < bits.size(); ++i) {
      encoder.code(written, bits[i]);
      if (i % 100 == 0) encoder.code_raw(20, raw[i]);
    }
    const std::string bytes = encoder.finish();
    const double entropy =
        share <= 0 || share >= 1 ? 0 : -share * std::log2(share) - (1 - share) * std::log2(1 - share);
    CHECK(static_cast<double>(bytes.size()) < (entropy * 20000 + 200 * 20) / 8 * 1.02 + 30);
    RangeDecoder decoder(bytes);
    size_t wrong = 0;
    for (size_t i = 0; i < bits.size(); ++i) {
      wrong += decoder.code(read) != bits[i];
      if (i % 100 == 0) wrong += decoder.code_raw(20) != raw[i];
    }
    CHECK(wrong == 0);
  }
}

// A 0 and then 1s: the encoder's low stays just below a half, so bytes of 7F FF FF ... go out. A 0 makes them 80 00 00.
TEST_CASE("range coder: a carry runs through bytes of 255") {
  for (const int ones : {20, 40, 70, 140})
    for (uint32_t last = 0; last < 64; ++last) {
      RangeEncoder encoder;
      encoder.code_raw(1, 0);
      for (int i = 0; i < ones; ++i) encoder.code_raw(1, 1);
      AdaptiveBit model;
      for (int i = 0; i < 6; ++i) encoder.code(model, last >> i & 1);
      const std::string bytes = encoder.finish();
      REQUIRE(bytes.size() <= static_cast<size_t>(ones) / 8 + 2);
      RangeDecoder decoder(bytes);
      REQUIRE(decoder.code_raw(1) == 0);
      for (int i = 0; i < ones; ++i) REQUIRE(decoder.code_raw(1) == 1);
      AdaptiveBit again;
      for (int i = 0; i < 6; ++i) REQUIRE(decoder.code(again) == (last >> i & 1));
    }
}

TEST_CASE("range coder: a piece has no byte too many") {
  Rng rng(11);
  for (uint32_t count = 0; count <= 32; ++count) {
    RangeEncoder encoder;
    const auto value = static_cast<uint32_t>(rng.next_bits() >> 32 >> (32 - count));
    encoder.code_raw(count, value);
    const std::string bytes = encoder.finish();
    INFO(count << " bits, " << value);
    CHECK(bytes.size() <= count / 8 + 1);
    CHECK(RangeDecoder(bytes).code_raw(count) == value);
  }
}

TEST_CASE("grid model: numbers of every size and shape are read back") {
  std::vector<Numbers> tensors{normal_numbers({12, 7, 9, 3}, 1, 2, 2),   normal_numbers({5, 1, 6, 2}, 2, 0, 900),
                               normal_numbers({1, 40, 1, 1}, 3, 0, 0.2), normal_numbers({3, 2, 49, 7}, 4, 30, 1),
                               normal_numbers({1, 1, 1, 1}, 5, 0, 3),    normal_numbers({30, 20, 1, 1}, 6, 0, 100000)};
  tensors.push_back(normal_numbers({20, 3, 9, 3}, 7, 0, 1));
  for (size_t i = 0; i < tensors.back().q.size(); i += 3)  // as far from what is expected as can be
    tensors.back().q[i] = i % 2 == 0 ? GridModel::kLargest : -GridModel::kLargest;
  for (uint32_t low_bits = 1; low_bits <= 8; ++low_bits) {
    tensors.push_back(normal_numbers({4, 6, 3, 1}, 10 + low_bits, 0, 50));
    tensors.back().low_bits = low_bits;
  }
  for (const int32_t q : {GridModel::kLargest, -GridModel::kLargest, 1, -1, 0})
    tensors[0].q[static_cast<size_t>(std::abs(q)) % 700] = q;
  const auto decoded = decode(tensors, encode(tensors));
  for (size_t i = 0; i < tensors.size(); ++i) {
    for (int32_t& q : tensors[i].q) q = std::clamp(q, -GridModel::kLargest, GridModel::kLargest);
    INFO(i);
    CHECK(decoded[i] == tensors[i].q);
  }
}

// Files are to be read everywhere, and by later versions.
TEST_CASE("grid model: the same numbers give the same bytes on each machine") {
  std::vector<Numbers> tensors;
  for (const GridShape& shape : {GridShape{6, 5, 9, 3}, GridShape{9, 30, 1, 1}, GridShape{4, 3, 6, 2}}) {
    tensors.push_back({shape, static_cast<uint32_t>(tensors.size()) * 2, {}});
    for (int64_t i = 0; i < shape.numel(); ++i)
      tensors.back().q.push_back(static_cast<int32_t>((i * i * 7919 + i * 31) % 101 * (i % 13) / 40 - 14) *
                                 (i % 3 > 0));
  }
  std::string all;
  for (const std::string& piece : encode(tensors)) all += piece;
  CHECK(all.size() == 319);
  CHECK(crc32(all) == 0xFB477F85);
}

// Nothing that a decoder may be given makes a number that an encoder could not have meant.
TEST_CASE("grid model: any bytes give numbers within the bounds") {
  Rng rng(5);
  std::string bytes;
  for (int i = 0; i < 4000; ++i) bytes.push_back(static_cast<char>(rng.next_bits() >> (i % 7 == 0 ? 0 : 56)));
  for (const uint32_t low_bits : {0u, 4u, 8u}) {
    const auto model = std::make_unique<GridModel>();
    RangeDecoder decoder(bytes);
    model->begin({40, 10, 9, 3}, low_bits);
    for (int i = 0; i < 3600; ++i) {
      const int32_t q = model->code(decoder, 0);
      REQUIRE(std::abs(q) < (1 << 20) << low_bits);
      model->advance(q);
    }
  }
}

TEST_CASE("grid model: what weights have in common saves bits") {
  const GridShape shape{32, 32, 9, 3};
  const size_t independent = total(encode({normal_numbers(shape, 1, 0, std::hypot(3, 1.5))}));
  const size_t alike = total(encode({normal_numbers(shape, 1, 3, 1.5)}));
  // The differential entropies of 9 normal numbers differ by 3.9 bits a kernel when they share their mean.
  CHECK(static_cast<double>(independent - alike) > 0.75 * 1024 * 9 * 0.9 / 8);
  // Of independent numbers, no coder does better than their entropy: 0.5 log2(2 pi e s^2) bits each.
  const double entropy = 1024 * 9 * 0.5 * std::log2(2 * M_PI * M_E * (9 + 2.25)) / 8;
  CHECK(static_cast<double>(independent) == Approx(entropy).epsilon(0.03));
}

TEST_CASE("grid rate: costs add up to the bytes of the file") {
  std::vector<Numbers> tensors{normal_numbers({16, 16, 9, 3}, 1, 1, 1), normal_numbers({64, 32, 1, 1}, 2, 0, 4),
                               normal_numbers({8, 8, 9, 3}, 3, 0, 300)};
  GridRate rate;
  double bits = 0;
  for (const Numbers& tensor : tensors) {
    rate.begin(tensor.shape);
    for (const int32_t q : tensor.q) {
      const GridRate before = rate;
      bits += rate.bits(q);
      REQUIRE(rate.bits(q) == before.bits(q));  // asking changes nothing
      rate.update(q);
    }
  }
  const auto bytes = static_cast<double>(total(encode(tensors)));
  CHECK(std::abs(bits / 8 - bytes) < 0.002 * bytes + 12);
}
