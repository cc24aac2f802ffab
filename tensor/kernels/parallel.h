// The one place where threads are used. OpenMP, or std::thread where KINDLING_STD_THREADS is defined (ThreadSanitizer).
#pragma once

#include <cstdint>

#include <kindling/tensor/function_ref.h>

namespace kindling {

/// The number of threads of parallel loops. At the start it is the number of processors that this
/// process may use, or OMP_NUM_THREADS.
int num_threads();
/// Sets it, for the whole process. `n` >= 1.
void set_num_threads(int n);
/// The number of processors that this process may use.
int num_processors();
/// So many threads while it lives, then as many as before.
class ThreadsGuard {
 public:
  explicit ThreadsGuard(int n) : before_(num_threads()) { set_num_threads(n); }
  ~ThreadsGuard() { set_num_threads(before_); }
  ThreadsGuard(const ThreadsGuard&) = delete;
  ThreadsGuard& operator=(const ThreadsGuard&) = delete;

 private:
  int before_;
};

/// Calls `body(begin, end)` on all threads, for disjoint ranges that cover [0, n). Each has at most
/// `grain` elements. If there is one range, or inside another parallel loop, the caller's thread
/// does it all. Ranges depend on `n` and `grain` alone, never on the number of threads. Which
/// thread gets which is open, but as a rule thread i gets the i-th part of them.
///
/// The first exception of a body is rethrown in the caller. Denormals are flushed to zero in every
/// thread that runs a body (see flush_denormals).
void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t begin, int64_t end)> body);
/// The same for n single numbers, which the threads take in order, one by one. For work of very
/// different sizes: with the largest first, the threads end together.
void parallel_for_in_order(int64_t n, FunctionRef<void(int64_t i)> body);

/// Whether the calling thread is inside a parallel_for that runs on several threads.
bool in_parallel();
/// Index of the calling thread in [0, num_threads()) inside parallel_for, else 0.
int thread_index();

/// One pointer for each thread, null at the start. parallel_for hands it on: a body sees the value
/// of its caller. It is for scopes that must hold in every thread that works for the one that
/// opened them (see ConstantWeights).
void*& parallel_context();

/// While it lives, what the calling thread calls gets one OpenMP thread. For libraries that would
/// start threads of their own. The number is a setting of each thread; the destructor restores it.
class OneOpenMpThread {
 public:
  OneOpenMpThread();
  ~OneOpenMpThread();
  OneOpenMpThread(const OneOpenMpThread&) = delete;
  OneOpenMpThread& operator=(const OneOpenMpThread&) = delete;

 private:
  int before_;
};

/// Makes the calling thread treat denormal numbers as zero, and flush denormal results to zero (FTZ
/// and DAZ of MXCSR). Arithmetic on them takes a hundred times as long, and trained networks are
/// full of them. Floats below 1.2e-38 become 0.
void flush_denormals();

}  // namespace kindling
