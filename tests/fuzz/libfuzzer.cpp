// The entry point that libFuzzer calls. KINDLING_FUZZ_TARGET is the name of a target.
#include <cstddef>
#include <cstdint>

#include <kindling/tests/fuzz/fuzz.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindling::fuzz::KINDLING_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
