#include <kindling/tensor/kernels/parallel.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

using Ranges = std::set<std::pair<int64_t, int64_t>>;

// The ranges that the body is called with; fails if one comes twice.
Ranges ranges_of(int64_t n, int64_t grain) {
  std::mutex mutex;
  Ranges ranges;
  bool twice = false;
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    const std::lock_guard lock(mutex);
    twice = twice || !ranges.insert({begin, end}).second;
  });
  CHECK_FALSE(twice);
  return ranges;
}

#if defined(__SSE2__)
// Both as operands and as results.
bool denormals_are_zero() {
  volatile float denormal = 1e-40F, smallest_normal = std::numeric_limits<float>::min();
  const float from_operand = denormal * 1e20F, result = smallest_normal * 0.5F;
  return from_operand == 0 && result == 0;
}
#endif

}  // namespace

TEST_CASE("the ranges of a parallel loop cover it exactly, and depend on n and grain alone") {
  for (const int64_t n : {0, 1, 2, 7, 64, 1000})
    for (const int64_t grain : {1, 2, 3, 64, 5000}) {
      INFO("n " << n << ", grain " << grain);
      Ranges expected;
      for (int64_t begin = 0; begin < n; begin += grain) expected.insert({begin, std::min(begin + grain, n)});
      for (const int threads : {1, 2, 4}) {
        const ThreadsGuard use(threads);
        CHECK(ranges_of(n, grain) == expected);
      }
    }
  CHECK(ranges_of(-3, 1).empty());
  CHECK(ranges_of(3, 0).size() == 3);  // a grain below 1 counts as 1
}

TEST_CASE("numbers are taken in order, each once") {
  for (const int threads : {1, 4}) {
    const ThreadsGuard use(threads);
    std::mutex mutex;
    std::map<int, std::vector<int64_t>> taken;  // by thread
    parallel_for_in_order(200, [&](int64_t i) {
      const std::lock_guard lock(mutex);
      taken[thread_index()].push_back(i);
    });
    std::set<int64_t> all;
    for (const auto& [thread, numbers] : taken) {
      CHECK(std::is_sorted(numbers.begin(), numbers.end()));
      all.insert(numbers.begin(), numbers.end());
    }
    CHECK(all.size() == 200);
    CHECK((*all.begin() == 0 && *all.rbegin() == 199));
  }
  parallel_for_in_order(0, [](int64_t) { FAIL("called"); });
}

TEST_CASE("threads are numbered, and the caller is one of them") {
  const ThreadsGuard use(4);
  CHECK_FALSE(in_parallel());
  std::mutex mutex;
  std::set<std::pair<int, std::thread::id>> seen;
  std::atomic<bool> inside{true};
  parallel_for(200, 1, [&](int64_t, int64_t) {
    inside = inside && in_parallel();
    const std::lock_guard lock(mutex);
    seen.insert({thread_index(), std::this_thread::get_id()});
  });
  CHECK(inside);
  std::set<int> indices;
  std::set<std::thread::id> ids;
  for (const auto& [index, id] : seen) {
    CHECK((index >= 0 && index < 4));
    indices.insert(index);
    ids.insert(id);
  }
  CHECK(indices.size() == seen.size());  // one index a thread, one thread an index
  CHECK(ids.size() == seen.size());
  CHECK_FALSE(in_parallel());
  CHECK(thread_index() == 0);
}

TEST_CASE("a loop inside a parallel loop runs in its thread, whole") {
  const ThreadsGuard use(4);
  std::atomic<int> elsewhere{0}, done{0};
  parallel_for(8, 1, [&](int64_t, int64_t) {
    const std::thread::id outer = std::this_thread::get_id();
    const int index = thread_index();
    parallel_for(10, 3, [&](int64_t begin, int64_t end) {
      elsewhere += std::this_thread::get_id() != outer || thread_index() != index;
      done += static_cast<int>(end - begin);
    });
  });
  CHECK(elsewhere == 0);
  CHECK(done == 80);
}

TEST_CASE("a loop of one range runs in the caller's thread, and loops inside it still use all threads") {
  const ThreadsGuard use(2);
  parallel_for(5, 5, [&](int64_t, int64_t) { CHECK_FALSE(in_parallel()); });
}

TEST_CASE("what a body throws is thrown in the caller, and the next loop works") {
  for (const int threads : {1, 4}) {
    const ThreadsGuard use(threads);
    const auto throw_at = [](int64_t position) {
      parallel_for(100, 1, [&](int64_t begin, int64_t) { check(begin != position, "body", "failed at ", begin); });
    };
    check_throws([&] { throw_at(0); }, "body: failed at 0");
    check_throws([&] { throw_at(99); }, "body: failed at 99");
    CHECK_FALSE(in_parallel());
    CHECK(ranges_of(100, 7).size() == 15);
  }
}

TEST_CASE("what a nested loop throws reaches the outermost caller") {
  const ThreadsGuard use(4);
  check_throws(
      [] {
        parallel_for(4, 1, [](int64_t outer, int64_t) {
          parallel_for(4, 1, [&](int64_t inner, int64_t) { check(outer != 2 || inner != 1, "inner", "failed"); });
        });
      },
      "inner: failed");
}

TEST_CASE("bodies see their caller's context, whatever thread they run in") {
  const ThreadsGuard use(4);
  int mark = 0;
  void* const before = parallel_context();
  parallel_context() = &mark;
  std::atomic<int> others{0};
  parallel_for(100, 1, [&](int64_t, int64_t) { others += parallel_context() != &mark; });
  CHECK(others == 0);
  parallel_context() = before;
  parallel_for(100, 1, [&](int64_t, int64_t) { others += parallel_context() != before; });
  CHECK(others == 0);
}

#if defined(__SSE2__)
TEST_CASE("denormals are zero in every thread that runs a body") {
  for (const int threads : {1, 4}) {
    const ThreadsGuard use(threads);
    std::atomic<int> not_flushed{0};
    // New threads take over their maker's setting and keep it: each body undoes it for the next.
    parallel_for(1000, 1, [&](int64_t, int64_t) { _mm_setcsr(_MM_MASK_MASK); });
    parallel_for(1000, 1, [&](int64_t, int64_t) { not_flushed += !denormals_are_zero(); });
    CHECK(not_flushed == 0);
  }
  bool before = true, after = false;
  std::thread([&] {
    _mm_setcsr(_MM_MASK_MASK);
    before = denormals_are_zero();
    flush_denormals();
    after = denormals_are_zero();
  }).join();
  CHECK_FALSE(before);
  CHECK(after);
}
#endif

TEST_CASE("the number of threads is set for the whole process") {
  const ThreadsGuard use(3);
  CHECK(num_threads() == 3);
  check_throws([] { set_num_threads(0); }, "set_num_threads: needs at least 1 thread, got 0");
  CHECK(num_threads() == 3);
}
