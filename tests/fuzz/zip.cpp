#include <kindling/io/zip.h>
#include <kindling/tests/fuzz/fuzz.h>

namespace kindling::fuzz {

bool zip(std::string_view bytes) {
  return accepts([&] {
    const ZipArchive archive("zip", bytes);
    for (const ZipEntry& entry : archive.entries()) archive.read(entry);
  });
}

}  // namespace kindling::fuzz
