// The one place where threads are used. OpenMP, or std::thread where KINDLING_STD_THREADS is defined (ThreadSanitizer).
#pragma once

#include <cstdint>

#include <kindling/tensor/function_ref.h>

namespace kindling {

/// Threads that parallel loops use; at the start the number of processors this process may run on (or OMP_NUM_THREADS).
int num_threads();
/// Sets it, for the whole process. `n` >= 1.
void set_num_threads(int n);
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

/// Calls `body(begin, end)` for disjoint ranges that cover [0, n), each of at most `grain` elements, on all threads; at
/// once in the caller's thread when there is one range or it runs inside another parallel loop. Ranges are cut by `n`
/// and `grain` alone, never by the number of threads. The first exception that a body throws is rethrown in the caller.
/// Denormals are flushed to zero in every thread that runs a body (see flush_denormals).
void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t begin, int64_t end)> body);

/// Whether the calling thread is inside a parallel_for that runs on several threads.
bool in_parallel();
/// Index of the calling thread in [0, num_threads()) inside parallel_for, else 0.
int thread_index();

/// One pointer per thread that parallel_for hands on: a body sees the value that its caller had. For scopes that must
/// hold in every thread that works for the thread that opened them (see ConstantWeights); null at the start.
void*& parallel_context();

/// While it lives OpenMP gives one thread to what the calling thread calls: for libraries that would start their own.
/// The number is a setting of each thread; it is set back.
class OneOpenMpThread {
 public:
  OneOpenMpThread();
  ~OneOpenMpThread();
  OneOpenMpThread(const OneOpenMpThread&) = delete;
  OneOpenMpThread& operator=(const OneOpenMpThread&) = delete;

 private:
  int before_;
};

/// Treats denormal numbers as zero and flushes denormal results in the calling thread (MXCSR's FTZ and DAZ): arithmetic
/// on them costs a hundred times as much as on others, and trained networks are full of them. Numbers below 1.2e-38
/// (float) become 0.
void flush_denormals();

}  // namespace kindling
