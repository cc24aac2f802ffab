// Settings of the process that a test changes while a scope lasts (the number of threads: ThreadsGuard).
#pragma once

#include <kindling/tensor/storage.h>

namespace kindling::testing {

/// New blocks are full of NaN while it lives, so what a function forgets to write shows.
struct Poison {
  Poison() { memory::set_poison(true); }
  ~Poison() { memory::set_poison(false); }
};

}  // namespace kindling::testing
