#include <kindling/io/huffman.h>

#include <algorithm>
#include <array>
#include <functional>
#include <queue>

namespace kindling {
namespace {

/// The first code of each length, by the number of codes of each length.
std::array<uint32_t, kLongestCode + 2> first_codes(const std::vector<uint8_t>& lengths) {
  std::array<uint32_t, kLongestCode + 2> counts{}, first{};
  for (const uint8_t length : lengths) counts[length] += length > 0;
  for (size_t n = 1; n <= kLongestCode; ++n) first[n + 1] = (first[n] + counts[n]) * 2;
  return first;
}

/// Huffman's algorithm: the two rarest subtrees become one, until one is left. The numbers of bits
/// have no limit here.
std::vector<uint32_t> depths(const std::vector<uint64_t>& counts) {
  using Subtree = std::pair<uint64_t, size_t>;  // count, node: leaves first, then inner nodes
  std::priority_queue<Subtree, std::vector<Subtree>, std::greater<>> rarest;
  std::vector<size_t> parents(counts.size());
  for (size_t symbol = 0; symbol < counts.size(); ++symbol)
    if (counts[symbol] > 0) rarest.emplace(counts[symbol], symbol);
  std::vector<uint32_t> result(counts.size());
  if (rarest.size() == 1) result[rarest.top().second] = 1;
  if (rarest.size() < 2) return result;
  const auto take = [&] {
    const Subtree top = rarest.top();
    rarest.pop();
    parents[top.second] = parents.size();
    return top.first;
  };
  while (rarest.size() > 1) {
    const uint64_t both = take() + take();
    rarest.emplace(both, parents.size());
    parents.push_back(0);
  }
  std::vector<uint32_t> depth(parents.size());
  for (size_t node = parents.size() - 1; node-- > 0;)
    if (node >= counts.size() || counts[node] > 0) depth[node] = depth[parents[node]] + 1;
  std::copy_n(depth.begin(), counts.size(), result.begin());
  return result;
}

}  // namespace

std::vector<uint8_t> huffman_lengths(const std::vector<uint64_t>& counts) {
  std::vector<uint64_t> flatter = counts;
  std::vector<uint32_t> bits = depths(flatter);
  while (std::any_of(bits.begin(), bits.end(), [](uint32_t n) { return n > kLongestCode; })) {
    for (uint64_t& count : flatter) count = (count + 1) / 2;  // rare symbols gain
    bits = depths(flatter);
  }
  return std::vector<uint8_t>(bits.begin(), bits.end());
}

HuffmanEncoder::HuffmanEncoder(std::vector<uint8_t> lengths) : lengths_(std::move(lengths)), codes_(lengths_.size()) {
  auto next = first_codes(lengths_);
  for (size_t symbol = 0; symbol < lengths_.size(); ++symbol)
    if (lengths_[symbol] > 0) codes_[symbol] = next[lengths_[symbol]]++;
}

HuffmanDecoder::HuffmanDecoder(const std::vector<uint8_t>& lengths) {
  for (const uint8_t length : lengths) longest_ = std::max<uint32_t>(longest_, length);
  table_.resize(size_t{1} << longest_);
  auto next = first_codes(lengths);
  for (size_t symbol = 0; symbol < lengths.size(); ++symbol) {
    const uint32_t length = lengths[symbol];
    if (length == 0) continue;
    const size_t first = size_t{next[length]++} << (longest_ - length), count = size_t{1} << (longest_ - length);
    if (first + count > table_.size()) {
      sound_ = false;
      return;
    }
    std::fill_n(table_.begin() + static_cast<std::ptrdiff_t>(first), count,
                Entry{static_cast<uint16_t>(symbol), static_cast<uint8_t>(length)});
  }
}

}  // namespace kindling
