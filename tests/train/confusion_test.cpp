#include <kindling/train/confusion.h>

#include <catch2/catch.hpp>
#include <cmath>

#include <kindling/tensor/check.h>
#include <kindling/train/metrics.h>

using namespace kindling;

TEST_CASE("a confusion matrix counts what was taken for what") {
  Confusion confusion(4);
  for (int i = 0; i < 3; ++i) confusion.add(0, 0);
  confusion.add(0, 2);
  confusion.add(2, 0);
  confusion.add(2, 0);
  confusion.add(3, Confusion::kNone);
  CHECK(confusion.samples(0) == 4);
  CHECK(confusion.count(0, 0) == 3);
  CHECK(confusion.count(2, 0) == 2);
  CHECK(confusion.count(0, 1) == 0);
  CHECK(*confusion.top1(0) == 75.0);
  CHECK(*confusion.top1(2) == 0.0);
  CHECK_FALSE(confusion.top1(1));  // of which there are none
  CHECK(*confusion.top1(3) == 0.0);
  CHECK(confusion.samples(3) == 1);
}

TEST_CASE("mistakes come in order of their number, then of the classes") {
  Confusion confusion(3);
  confusion.add(1, 1);
  confusion.add(2, 1);
  confusion.add(0, 2);
  for (int i = 0; i < 2; ++i) confusion.add(1, 0);
  const std::vector<Confusion::Mistake> mistakes = confusion.mistakes();
  REQUIRE(mistakes.size() == 3);
  const auto is = [](const Confusion::Mistake& m, int64_t label, int64_t answer, int64_t count) {
    return m.label == label && m.answer == answer && m.count == count;
  };
  CHECK(is(mistakes[0], 1, 0, 2));
  CHECK(is(mistakes[1], 0, 2, 1));
  CHECK(is(mistakes[2], 2, 1, 1));
}

TEST_CASE("a confusion matrix refuses classes that it has not") {
  Confusion confusion(2);
  CHECK_THROWS_MATCHES(confusion.add(2, 0), ShapeError, Catch::Message("Confusion: class 2 taken for 0, of 2 classes"));
  CHECK_THROWS_AS(confusion.add(0, 2), ShapeError);
  CHECK_THROWS_AS(confusion.add(-1, 0), ShapeError);
}

TEST_CASE("answers are the first of the largest outputs, and right exactly where top-1 is") {
  const Tensor output = Tensor::from<float>({1, 3, 3, NAN, 0, NAN, NAN, NAN, NAN, 2, 1, 2}, {4, 3});
  CHECK(answers(output) == std::vector<int64_t>{1, 1, Confusion::kNone, 0});
  CHECK(answers(output.to(DType::f64)) == answers(output));
  for (int64_t row = 0; row < 4; ++row)
    for (int64_t label = 0; label < 3; ++label) {
      const int64_t hits = top_k_hits(output.slice(0, row, row + 1), Tensor::from<int64_t>({label}), 1);
      CHECK(hits == (answers(output)[static_cast<size_t>(row)] == label));
    }
  CHECK_THROWS_MATCHES(answers(Tensor::zeros({3})), ShapeError,
                       Catch::Message("answers: needs outputs [N, classes], got [3]"));
}
