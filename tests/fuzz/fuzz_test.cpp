// What fuzzing calls is called here a little, by every build: that all seeds are taken, and that readers refuse other
// bytes with FileError and nothing else.
#include <catch2/catch.hpp>

#include <kindling/tensor/rng.h>

#include <kindling/tests/fuzz/fuzz.h>
#include <kindling/tests/fuzz/seeds.h>

using namespace kindling;

namespace {

const std::map<std::string, fuzz::Target> kTargets{{"caffemodel", fuzz::caffemodel},
                                                   {"deep_compression", fuzz::deep_compression},
                                                   {"image", fuzz::image},
                                                   {"kndz", fuzz::kndz},
                                                   {"npy", fuzz::npy},
                                                   {"npz", fuzz::npz},
                                                   {"prototxt", fuzz::prototxt},
                                                   {"pytorch", fuzz::pytorch},
                                                   {"recognise", fuzz::recognise},
                                                   {"safetensors", fuzz::safetensors},
                                                   {"zip", fuzz::zip}};

}  // namespace

TEST_CASE("every target of fuzzing takes its seeds") {
  const auto all = fuzz::make_seeds();
  REQUIRE(all.size() == kTargets.size());
  for (const auto& [name, seeds] : all)
    for (size_t i = 0; i < seeds.size(); ++i) {
      INFO(name << ", seed " << i);
      CHECK(kTargets.at(name)(seeds[i]));
      CHECK(seeds[i].size() < 64 * 1024);
    }
}

TEST_CASE("seeds with a few bytes changed are taken or refused") {
  Rng rng(1);
  for (const auto& [name, seeds] : fuzz::make_seeds()) {
    size_t refused = 0;
    for (const std::string& seed : seeds)
      for (int i = 0; i < 100; ++i) {
        std::string changed = seed;
        for (int k = 0; k < 3; ++k) changed[rng.next_bits() % changed.size()] = static_cast<char>(rng.next_bits());
        INFO(name << ", change " << i);
        refused += !kTargets.at(name)(changed);
      }
    INFO(name);
    CHECK(refused > 0);
  }
}
