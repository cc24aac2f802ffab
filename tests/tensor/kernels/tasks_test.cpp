#include <kindling/tensor/kernels/tasks.h>

#include <catch2/catch.hpp>

#include <vector>

using namespace kindling;

TEST_CASE("ceil_div and round_up round up, and keep multiples") {
  CHECK(ceil_div(0, 4) == 0);
  CHECK(ceil_div(1, 4) == 1);
  CHECK(ceil_div(8, 4) == 2);
  CHECK(ceil_div(int64_t{9}, 4) == 3);
  CHECK(round_up(size_t{8}, 4) == 8);
  CHECK(round_up(9, 4) == 12);
}

TEST_CASE("parts and pieces follow each other, cover everything and differ by one at most") {
  for (const int64_t size : {0, 1, 7, 10, 97}) {
    for (const int64_t n : {1, 2, 3, 8}) {
      INFO(size << " in " << n);
      int64_t next = 0;
      for (int64_t i = 0; i < n; ++i) {
        const Range part = part_of(size, i, n);
        CHECK(part.begin == next);
        CHECK((part.size() == size / n || part.size() == ceil_div(size, n)));
        next = part.end;
      }
      CHECK(next == size);
    }
    std::vector<int64_t> sizes;
    int64_t next = 0;
    for_each_piece(size, 4, [&](int64_t begin, int64_t piece) {
      CHECK(begin == next);
      CHECK((piece >= 1 && piece <= 4));
      next = begin + piece;
      sizes.push_back(piece);
    });
    CHECK(next == size);
    CHECK(static_cast<int64_t>(sizes.size()) == ceil_div(size, 4));
  }
}

TEST_CASE("few tasks are cut into pieces for several threads, but not inside a parallel loop or for one thread") {
  {
    const ThreadsGuard threads(2);
    CHECK(pieces_of_task(1, 100) == kMinTasks);
    CHECK(pieces_of_task(3, 100) == 3);
    CHECK(pieces_of_task(kMinTasks, 100) == 1);
    CHECK(pieces_of_task(1, 2) == 2);
    CHECK(pieces_of_task(0, 0) == 1);
    CHECK(tasks_here(5) == 5);
    CHECK(tasks_for_all(11) == 12);
    CHECK(tasks_for_all(12) == 12);
    std::vector<int64_t> inside(4);
    parallel_for(4, 1, [&](int64_t i, int64_t) { inside[static_cast<size_t>(i)] = tasks_for_all(11); });
    CHECK(inside == std::vector<int64_t>{11, 11, 11, 11});
    parallel_for(4, 1,
                 [&](int64_t i, int64_t) { inside[static_cast<size_t>(i)] = tasks_here(5) + pieces_of_task(1, 100); });
    CHECK(inside == std::vector<int64_t>{2, 2, 2, 2});
  }
  const ThreadsGuard thread(1);
  CHECK(tasks_here(5) == 1);
  CHECK(tasks_for_all(11) == 11);
  CHECK(pieces_of_task(1, 100) == 1);
}
