#include <iomanip>
#include <sstream>

#include <kindling/tests/support/tensors.h>

using namespace kindling;

namespace {

std::string printed(const Tensor& x) {
  std::ostringstream out;
  out << x;
  return out.str();
}

}  // namespace

TEST_CASE("tensors print with their dtype, shape and nested elements") {
  CHECK(printed(Tensor()) == "tensor (undefined)");
  CHECK(printed(Tensor::scalar(2.5)) == "tensor f32 []\n2.5");
  CHECK(printed(Tensor::arange(3)) == "tensor i64 [3]\n[0, 1, 2]");
  CHECK(printed(Tensor::full({2}, 200, DType::u8)) == "tensor u8 [2]\n[200, 200]");
  CHECK(printed(Tensor::arange(4).reshape({2, 2}).transpose()) == "tensor i64 [2, 2]\n[[0, 2],\n [1, 3]]");
  CHECK(printed(Tensor::arange(4, DType::f64).reshape({2, 2, 1})) ==
        "tensor f64 [2, 2, 1]\n[[[0],\n  [1]],\n [[2],\n  [3]]]");
  CHECK(printed(Tensor::from<double>({1.0 / 3, -1e-7, NAN, INFINITY})) ==
        "tensor f64 [4]\n[0.33333, -1e-07, nan, inf]");
  CHECK(printed(Tensor::zeros({2, 0})) == "tensor f32 [2, 0]\n[[],\n []]");
}

TEST_CASE("long axes print their three first and last") {
  CHECK(printed(Tensor::arange(7)) == "tensor i64 [7]\n[0, 1, 2, 3, 4, 5, 6]");
  CHECK(printed(Tensor::arange(8)) == "tensor i64 [8]\n[0, 1, 2, ..., 5, 6, 7]");
  CHECK(printed(Tensor::arange(9).reshape({9, 1})) ==
        "tensor i64 [9, 1]\n[[0],\n [1],\n [2],\n ...,\n [6],\n [7],\n [8]]");
}

TEST_CASE("printing leaves the stream as it was") {
  std::ostringstream out;
  out << std::fixed << std::setprecision(3) << Tensor::scalar(1) << ' ' << 0.5;
  CHECK(out.str().substr(out.str().find(' ', 12)) == " 0.500");
}
