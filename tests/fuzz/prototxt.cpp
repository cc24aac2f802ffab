#include <kindling/io/caffe.h>
#include <kindling/tests/fuzz/fuzz.h>

namespace kindling::fuzz {

bool prototxt(std::string_view bytes) {
  return accepts([&] { read_prototxt(path_of(bytes)); });
}

}  // namespace kindling::fuzz
