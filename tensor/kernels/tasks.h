// Cutting work into tasks: by its shape, never by the number of threads where a cut changes the order of a sum, so that
// results keep their bits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <kindling/tensor/kernels/parallel.h>

namespace kindling {

/// a / b, rounded up; a >= 0, b > 0.
template <class Integer>
constexpr Integer ceil_div(Integer a, std::type_identity_t<Integer> b) {
  return (a + b - 1) / b;
}
/// The first multiple of `step` from n on.
template <class Integer>
constexpr Integer round_up(Integer n, std::type_identity_t<Integer> step) {
  return ceil_div(n, step) * step;
}

/// The integers [begin, end).
struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};
/// Number i of n nearly equal parts of [0, size).
constexpr Range part_of(int64_t size, int64_t i, int64_t n) { return {i * size / n, (i + 1) * size / n}; }

/// Cuts [0, n) into nearly equal pieces of at most `largest` and calls f(begin, size).
template <class F>
void for_each_piece(int64_t n, int64_t largest, F f) {
  const int64_t pieces = ceil_div(n, largest);
  for (int64_t i = 0; i < pieces; ++i) {
    const Range piece = part_of(n, i, pieces);
    f(piece.begin, piece.size());
  }
}

/// How many tasks to make of work that may be cut into `wanted` without changing a result: one
/// inside a parallel loop, where every thread has work already, and one for a single thread.
inline int64_t tasks_here(int64_t wanted) { return in_parallel() || num_threads() == 1 ? 1 : wanted; }

/// Rounds a number of equal tasks up to a multiple of the threads, so that all get equally many.
/// Only for tasks whose cuts change no result. Inside a parallel loop it stays as it is.
inline int64_t tasks_for_all(int64_t tasks) { return in_parallel() ? tasks : round_up(tasks, num_threads()); }

/// An operation is cut into at least this many tasks where it can be, so that one image also keeps
/// several cores busy. Not tuned.
inline constexpr int64_t kMinTasks = 8;
/// Into how many pieces each of `tasks` tasks is cut for that, at most `most`.
inline int64_t pieces_of_task(int64_t tasks, int64_t most) {
  return tasks_here(
      std::clamp<int64_t>(ceil_div(kMinTasks, std::max<int64_t>(tasks, 1)), 1, std::max<int64_t>(most, 1)));
}

}  // namespace kindling
