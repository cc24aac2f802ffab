#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>

#include <kindling/tests/fuzz/fuzz.h>

namespace kindling::fuzz {

std::string path_of(std::string_view bytes) {
  static const int descriptor = ::memfd_create("fuzz", MFD_CLOEXEC);
  const auto size = static_cast<ssize_t>(bytes.size());
  if (::ftruncate(descriptor, 0) != 0 || ::pwrite(descriptor, bytes.data(), bytes.size(), 0) != size)
    throw std::runtime_error("no file in memory");
  return "/proc/self/fd/" + std::to_string(descriptor);
}

}  // namespace kindling::fuzz
