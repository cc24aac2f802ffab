#include <kindling/io/npy.h>
#include <kindling/tests/fuzz/fuzz.h>

namespace kindling::fuzz {

bool npy(std::string_view bytes) {
  return accepts([&] { read_npy(path_of(bytes)); });
}

}  // namespace kindling::fuzz
