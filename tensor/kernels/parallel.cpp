#include <kindling/tensor/kernels/parallel.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <vector>

#include <omp.h>

#include <kindling/tensor/check.h>
#include <kindling/tensor/kernels/tasks.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif
#if defined(KINDLING_STD_THREADS)
#include <thread>
#endif

namespace kindling {
namespace {

std::atomic<int>& thread_setting() {
  static std::atomic<int> threads{omp_get_max_threads()};
  return threads;
}

thread_local bool inside = false;
thread_local int index_of_thread = 0;
thread_local void* context = nullptr;

// Marks the thread as a worker while a loop runs in it.
class WorkerGuard {
 public:
  WorkerGuard(int index, void* callers_context) : index_before_(index_of_thread), context_before_(context) {
    inside = true;
    index_of_thread = index;
    context = callers_context;
    flush_denormals();
  }
  ~WorkerGuard() {
    inside = false;
    index_of_thread = index_before_;
    context = context_before_;
  }

 private:
  int index_before_;
  void* context_before_;
};

// Every thread has a share of the ranges, the same in all loops of as many: what it wrote in one operation it reads in
// the next, from its own caches. Who is done with its own share helps with the others'.
class RangeQueue {
 public:
  RangeQueue(int64_t ranges, int shares, FunctionRef<void(int64_t)> body)
      : ranges_(ranges), shares_(static_cast<size_t>(shares)), body_(body) {
    for (size_t i = 0; i < shares_.size(); ++i) shares_[i].next = of(i).begin;
  }

  void work(int index) {
    const WorkerGuard guard(index, context_);
    for (size_t i = 0; i < shares_.size(); ++i) run_share((static_cast<size_t>(index) + i) % shares_.size());
  }

  void rethrow() {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  struct alignas(64) Share {  // a cache line each, since all threads count at once
    std::atomic<int64_t> next;
  };

  Range of(size_t share) const {
    return part_of(ranges_, static_cast<int64_t>(share), static_cast<int64_t>(shares_.size()));
  }

  void run_share(size_t share) {
    const int64_t end = of(share).end;
    for (;;) {
      const int64_t range = shares_[share].next.fetch_add(1, std::memory_order_relaxed);
      if (range >= end || stopped_.load(std::memory_order_relaxed)) return;
      try {
        body_(range);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
        stopped_.store(true, std::memory_order_relaxed);
      }
    }
  }

  int64_t ranges_;
  std::vector<Share> shares_;
  FunctionRef<void(int64_t)> body_;
  void* context_ = context;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

int num_threads() { return thread_setting().load(std::memory_order_relaxed); }

int num_processors() { return omp_get_num_procs(); }

void set_num_threads(int n) {
  check(n >= 1, "set_num_threads", "needs at least 1 thread, got ", n);
  thread_setting().store(n, std::memory_order_relaxed);
}

bool in_parallel() { return inside; }
int thread_index() { return index_of_thread; }
void*& parallel_context() { return context; }

namespace {

// Shares: that of each thread, or one for all.
void run_ranges(int64_t ranges, bool shares, FunctionRef<void(int64_t)> body) {
  const int threads = static_cast<int>(std::min<int64_t>(num_threads(), ranges));
  if (inside || threads <= 1) {
    flush_denormals();
    for (int64_t range = 0; range < ranges; ++range) body(range);
    return;
  }
  RangeQueue queue(ranges, shares ? threads : 1, body);
#if defined(KINDLING_STD_THREADS)
  {
    std::vector<std::jthread> workers;
    for (int i = 1; i < threads; ++i) workers.emplace_back([&queue, i] { queue.work(i); });
    queue.work(0);
  }
#else
#pragma omp parallel num_threads(threads)
  queue.work(omp_get_thread_num());
#endif
  queue.rethrow();
}

}  // namespace

void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t)> body) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  run_ranges(ceil_div(n, grain), /*shares=*/true,
             [&](int64_t range) { body(range * grain, std::min((range + 1) * grain, n)); });
}

void parallel_for_in_order(int64_t n, FunctionRef<void(int64_t)> body) { run_ranges(n, /*shares=*/false, body); }

OneOpenMpThread::OneOpenMpThread() : before_(omp_get_max_threads()) {
  if (before_ != 1) omp_set_num_threads(1);
}
OneOpenMpThread::~OneOpenMpThread() {
  if (before_ != 1) omp_set_num_threads(before_);
}

void flush_denormals() {
#if defined(__SSE2__)
  constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
  _mm_setcsr(_mm_getcsr() | kFlushToZero | kDenormalsAreZero);
#endif
}

}  // namespace kindling
