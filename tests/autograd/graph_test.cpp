#include <catch2/catch.hpp>

#include <kindling/autograd/graph.h>
#include <kindling/autograd/ops/ops.h>

namespace kindling {

TEST_CASE("to_dot draws operations, leaves and layers") {
  const Variable x(Tensor::ones({2, 3})), w(Tensor::ones({3, 4}), true), b(Tensor::ones({4}), true);
  Variable y;
  {
    const Scope scope("fc");
    y = relu(matmul(x, w) + b);
  }
  CHECK(to_dot(sum(y), {{w.node().get(), "fc/\"weight\""}}) == R"(digraph autograd {
  rankdir=TB;
  node [fontname="sans-serif"];
  n0 [shape=ellipse, label="fc/\"weight\"\n[3, 4]"];
  n1 [shape=ellipse, label="leaf\n[4]"];
  n2 [shape=box, label="matmul\nfc\n[2, 4]"];
  n0 -> n2;
  n3 [shape=box, label="broadcast_to\nfc\n[2, 4]"];
  n1 -> n3;
  n4 [shape=box, label="add\nfc\n[2, 4]"];
  n2 -> n4;
  n3 -> n4;
  n5 [shape=box, label="relu\nfc\n[2, 4]"];
  n4 -> n5;
  n6 [shape=box, label="sum\n[]"];
  n5 -> n6;
}
)");
}

TEST_CASE("to_dot of a constant, and of a deep graph") {
  CHECK(to_dot(Tensor::ones({2})) == "digraph autograd {\n  rankdir=TB;\n  node [fontname=\"sans-serif\"];\n}\n");
  Variable y(Tensor::ones({1}), true);
  for (int i = 0; i < 100000; ++i) y = neg(y);
  const std::string dot = to_dot(y);
  CHECK(dot.find("n99999 -> n100000;") != std::string::npos);
}

}  // namespace kindling
