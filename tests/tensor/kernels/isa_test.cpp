#include <kindling/tensor/kernels/isa.h>

#include <kindling/tensor/kernels/table.h>
#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

TEST_CASE("each instruction set has its name and its kernels") {
  CHECK(name_of(Isa::baseline) == std::string("baseline"));
  CHECK(name_of(Isa::avx2) == std::string("avx2"));
  CHECK(name_of(Isa::avx512) == std::string("avx512"));
  for_each_isa([] {
    const int bytes = isa() == Isa::avx512 ? 64 : isa() == Isa::avx2 ? 32 : 16;
    CHECK(kernels::table<float>().lanes == bytes / 4);
    CHECK(kernels::table<double>().lanes == bytes / 8);
  });
}

TEST_CASE("an instruction set that the processor lacks is refused") {
  if (best_isa() == Isa::avx512) return;  // it has them all
  check_throws<Error>([] { set_isa(Isa::avx512); },
                      "isa: this processor lacks avx512; the widest it has is " + std::string(name_of(best_isa())));
}

// Run by ctest with KINDLING_ISA set (see CMakeLists.txt): it is read once in a process.
TEST_CASE("KINDLING_ISA chooses the instruction set", "[.isa-baseline]") { CHECK(isa() == Isa::baseline); }
TEST_CASE("KINDLING_ISA must name one", "[.isa-unknown]") {
  check_throws<Error>([] { isa(); }, "isa: KINDLING_ISA is \"sse9\"; use baseline, avx2 or avx512");
}
