// The sizes of this processor's caches.
#pragma once

#include <cstdint>

namespace kindling::kernels {

/// L2 in bytes, as the system reports it, but at most 4 MiB, since cores may share a larger one;
/// 512 KiB where it reports nothing. It decides speed alone, never a result.
int64_t l2_bytes();

}  // namespace kindling::kernels
