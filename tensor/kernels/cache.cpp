#include <kindling/tensor/kernels/cache.h>

#include <unistd.h>

#include <algorithm>

namespace kindling::kernels {

int64_t l2_bytes() {
  constexpr int64_t kUsual = 512 << 10, kMost = 4 << 20;
#if defined(_SC_LEVEL2_CACHE_SIZE)
  static const int64_t reported = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return reported > 0 ? std::min(reported, kMost) : kUsual;
#else
  return kUsual;
#endif
}

}  // namespace kindling::kernels
