#include <kindling/io/npy.h>
#include <kindling/tests/fuzz/fuzz.h>
#include <kindling/tests/io/pickles.h>

namespace kindling::fuzz {

bool npz(std::string_view bytes) {
  if (bytes.starts_with("PK")) return accepts([&] { read_npz(path_of(bytes)); });
  const std::string archive = testing::zip({{.name = "a.npy", .contents = std::string(bytes), .deflate = true}});
  return accepts([&] { read_npz(path_of(archive)); });
}

}  // namespace kindling::fuzz
