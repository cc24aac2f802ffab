#include <kindling/tensor/rng.h>

#include <algorithm>
#include <cmath>
#include <set>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

// Pearson's statistic of counts that should be equal. Its mean is the number of cells - 1, its variance twice that;
// seeds are fixed, so a test either always passes or never does, and 5 standard deviations are no accident.
void check_uniform(const std::vector<int64_t>& counts) {
  double total = 0, statistic = 0;
  for (const int64_t count : counts) total += static_cast<double>(count);
  const double cells = static_cast<double>(counts.size()), expected = total / cells;
  for (const int64_t count : counts) statistic += std::pow(static_cast<double>(count) - expected, 2) / expected;
  CHECK(std::abs(statistic - (cells - 1)) < 5 * std::sqrt(2 * (cells - 1)));
}

struct Moments {
  double mean = 0, variance = 0, fourth = 0;
};
template <class Draw>
Moments moments(int64_t n, Draw draw) {
  std::vector<double> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(draw());
  Moments m;
  for (const double value : values) m.mean += value / static_cast<double>(n);
  for (const double value : values) {
    m.variance += std::pow(value - m.mean, 2) / static_cast<double>(n);
    m.fourth += std::pow(value - m.mean, 4) / static_cast<double>(n);
  }
  return m;
}

}  // namespace

// Counter and key of the generator's published test vectors (Random123, kat_vectors), as (index, stream) and seed. A
// block is four words of 32 bits: bits() is the first two, fork() names its stream by the other two.
TEST_CASE("streams are Philox4x32-10: the published test vectors") {
  struct Vector {
    uint64_t index, stream, seed, low_words, high_words;
  };
  for (const Vector& v : std::vector<Vector>{
           {0, 0, 0, 0xe169c58d'6627e8d5, 0x9b00dbd8'bc57ac4c},
           {~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}, 0x41c83b0e'408f276d, 0x6d5451fd'a20bc7c6},
           {0x85a308d3'243f6a88, 0x03707344'13198a2e, 0x299f31d0'a4093822, 0x94fdcceb'd16cfe09, 0x24126ea1'5001e420}}) {
    const Rng rng(v.seed, v.stream);
    CHECK(rng.bits(v.index) == v.low_words);
    CHECK(rng.fork(v.index).stream() == v.high_words);
    CHECK(rng.fork(v.index).seed() == v.seed);
  }
}

TEST_CASE("elements in sequence are those drawn at random access") {
  const Rng fixed(7, 3);
  Rng rng = fixed;
  CHECK(rng.next_bits() == fixed.bits(0));
  CHECK(rng.next_uniform() == fixed.uniform(1));
  CHECK(rng.next_normal() == fixed.normal(2));
  CHECK(rng.next_uniform(-3, 5) == -3 + 8 * fixed.uniform(3));
  CHECK(rng.position() == 4);
  rng.seek(1);
  CHECK(rng.next_uniform() == fixed.uniform(1));
}

TEST_CASE("split gives a new stream each time and fork the same one, without drawing") {
  Rng rng(1);
  const Rng first = rng.split(), second = rng.split();
  CHECK(first.stream() != second.stream());
  CHECK(rng.fork(5).stream() == rng.fork(5).stream());
  CHECK(rng.position() == 2);
  std::set<uint64_t> streams, elements;
  for (uint64_t id = 0; id < 1000; ++id) {
    streams.insert(rng.fork(id).stream());
    for (uint64_t i = 0; i < 10; ++i) elements.insert(rng.fork(id).bits(i));
  }
  CHECK(streams.size() == 1000);
  CHECK(elements.size() == 10'000);
}

TEST_CASE("uniform numbers are at least 0, below 1, evenly spread, and do not follow their neighbours") {
  Rng rng(2);
  std::vector<int64_t> counts(100), pairs(100);
  double before = rng.next_uniform();
  for (int i = 0; i < 100'000; ++i) {
    const double u = rng.next_uniform();
    REQUIRE(u >= 0);
    REQUIRE(u < 1);
    ++counts[static_cast<size_t>(u * 100)];
    ++pairs[static_cast<size_t>(before * 10) * 10 + static_cast<size_t>(u * 10)];
    before = u;
  }
  check_uniform(counts);
  check_uniform(pairs);
}

TEST_CASE("neighbouring seeds, streams and forks are as good as strangers") {
  std::vector<int64_t> seeds(64), streams(64), forks(64);
  for (uint64_t i = 0; i < 20'000; ++i) {
    ++seeds[Rng(i).bits(0) >> 58];
    ++streams[Rng(1, i).bits(0) >> 58];
    ++forks[Rng(1).fork(i).bits(0) >> 58];
  }
  check_uniform(seeds);
  check_uniform(streams);
  check_uniform(forks);
}

TEST_CASE("normal numbers have a normal distribution's moments and quantiles") {
  Rng rng(3);
  const int64_t n = 200'000;
  std::vector<int64_t> quartiles(4);
  int64_t beyond_3 = 0;
  const Moments m = moments(n, [&] {
    const double x = rng.next_normal();
    constexpr double kQuartile = 0.6744897501960817;  // of the standard normal distribution
    ++quartiles[static_cast<size_t>((x > -kQuartile) + (x > 0) + (x > kQuartile))];
    beyond_3 += std::abs(x) > 3;
    return x;
  });
  // Standard errors of the estimates are sqrt(1/n), sqrt(2/n) and sqrt(96/n).
  const double unit = 5 / std::sqrt(static_cast<double>(n));
  CHECK(std::abs(m.mean) < unit);
  CHECK(std::abs(m.variance - 1) < unit * std::sqrt(2));
  CHECK(std::abs(m.fourth - 3) < unit * std::sqrt(96));
  check_uniform(quartiles);
  CHECK(std::abs(static_cast<double>(beyond_3) - 0.0026998 * n) < 5 * std::sqrt(0.0027 * n));
}

TEST_CASE("next_below is uniform, also where the bound does not divide 2^64") {
  Rng rng(4);
  std::vector<int64_t> counts(7);
  for (int i = 0; i < 70'000; ++i) ++counts[static_cast<size_t>(rng.next_below(7))];
  check_uniform(counts);
  // 2^64 / (3 * 2^61) is 2.67: a remainder would favour the lower two thirds, a multiplication without rejection two
  // residues of three.
  const int64_t bound = int64_t{3} << 61;
  std::vector<int64_t> thirds(3), residues(3);
  for (int i = 0; i < 30'000; ++i) {
    const int64_t value = rng.next_below(bound);
    REQUIRE(value >= 0);
    REQUIRE(value < bound);
    ++thirds[static_cast<size_t>(value / (bound / 3))];
    ++residues[static_cast<size_t>(value % 3)];
  }
  check_uniform(thirds);
  check_uniform(residues);
  CHECK(rng.next_below(1) == 0);
  check_throws([&] { rng.next_below(0); }, "next_below: needs a positive bound, got 0");
}

TEST_CASE("permutation has every number once, and every order is as likely as the others") {
  std::vector<int64_t> order = permutation(1000, Rng(5));
  CHECK(order == permutation(1000, Rng(5)));
  CHECK(order != permutation(1000, Rng(6)));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 1000; ++i) REQUIRE(order[static_cast<size_t>(i)] == i);
  CHECK(permutation(0, Rng(1)).empty());
  CHECK(permutation(1, Rng(1)) == std::vector<int64_t>{0});
  std::vector<int64_t> counts(24);
  for (uint64_t seed = 0; seed < 12'000; ++seed) {
    std::vector<int64_t> found = permutation(4, Rng(seed)), steps{0, 1, 2, 3};
    size_t rank = 0;  // of this order among the 24
    while (steps != found) {
      std::next_permutation(steps.begin(), steps.end());
      ++rank;
    }
    ++counts[rank];
  }
  check_uniform(counts);
}

TEST_CASE("uniform numbers of a range stay below its upper end, also where a draw is rounded to it") {
  Rng rng(1);
  int low = 0, last = 0;
  for (int i = 0; i < 100; ++i) {  // half of the draws are nearer to the upper end
    if (rng.next_uniform(1e16, 1e16 + 2) == 1e16) ++low;
    if (rng.next_uniform(-1, -1 + 0x1p-52) < -1 + 0x1p-52) ++last;
  }
  CHECK(low == 100);  // there is no double between 1e16 and 1e16 + 2
  CHECK(last == 100);
  CHECK(rng.next_uniform(2, 2) == 2);
}

TEST_CASE("uniform tensors stay below their upper end, also where a draw is rounded to it") {
  // Element 9 of these seeds is within 2^-26 of 1, so it becomes 1 as a float; one draw of 2^25 does.
  for (const uint64_t seed : {520'668, 2'767'512})
    for (const auto& [low, high] : {std::pair{0.0, 1.0}, {-1.0, 1.0}, {0.0, 0.1}, {-3.0, -2.0}}) {
      INFO("seed " << seed << ", from " << low << " to " << high);
      Rng rng(seed), same(seed);
      const std::vector<float> values = Tensor::uniform({16}, low, high, rng).to_vector<float>();
      const Rng stream = same.split();
      CHECK(static_cast<double>(values[9]) < high);
      CHECK(static_cast<double>(std::nextafter(values[9], 9.0F)) >= high);  // the largest float that is
      for (size_t i = 0; i < values.size(); ++i)
        if (i != 9) CHECK(values[i] == static_cast<float>(low + (high - low) * stream.uniform(i)));
    }
  Rng rng(1);
  CHECK(bitwise_equal(Tensor::uniform({3}, 2, 2, rng), Tensor::full({3}, 2)));  // nothing between: the only value
}
