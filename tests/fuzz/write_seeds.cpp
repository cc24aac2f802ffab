// Writes the seeds as files: kindling_fuzz_seeds FOLDER makes FOLDER/TARGET/0, 1, ...
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <kindling/tests/fuzz/seeds.h>

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: kindling_fuzz_seeds FOLDER");
  for (const auto& [target, seeds] : kindling::fuzz::make_seeds()) {
    const std::filesystem::path folder = std::filesystem::path(argv[1]) / target;
    std::filesystem::create_directories(folder);
    for (size_t i = 0; i < seeds.size(); ++i) std::ofstream(folder / std::to_string(i), std::ios::binary) << seeds[i];
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
