#include <kindling/io/caffe.h>
#include <kindling/tests/fuzz/fuzz.h>

namespace kindling::fuzz {

bool caffemodel(std::string_view bytes) {
  return accepts([&] { to_tensor_file(read_caffemodel(path_of(bytes))); });
}

}  // namespace kindling::fuzz
