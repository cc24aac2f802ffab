// Settings of the process that a test changes while a scope lasts.
#pragma once

#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/storage.h>

namespace kindling::testing {

/// New blocks are full of NaN while it lives, so what a function forgets to write shows.
struct Poison {
  Poison() { pool::set_poison(true); }
  ~Poison() { pool::set_poison(false); }
};

/// So many threads while it lives.
struct Threads {
  explicit Threads(int n) : before(num_threads()) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
  int before;
};

}  // namespace kindling::testing
