// Checks that hold for every operation, made from the op table.
#include <filesystem>
#include <fstream>
#include <functional>
#include <regex>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>

#include <kindling/autograd/node.h>
#include <kindling/autograd/op_table.h>
#include <kindling/autograd/ops/elementwise.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/reduce.h>
#include <kindling/tests/support/scopes.h>

namespace kindling {
namespace {

using Inputs = std::vector<Tensor>;

Inputs draw(const OpCase& op_case) {
  Rng rng(7);
  return op_case.inputs(rng);
}

Variables leaves_of(const Inputs& inputs) {
  Variables leaves;
  for (const Tensor& input : inputs) leaves.emplace_back(input, is_floating(input.dtype()));
  return leaves;
}

// Fixed weights, so that <seed, y> tells the elements of y apart.
Tensor seed_like(const Tensor& y) {
  Rng rng(11);
  return Tensor::uniform(y.shape(), 0.5, 1.5, rng, DType::f64).to(y.dtype());
}

// The value, then the gradient of <seed, value> for every floating input.
Inputs value_and_gradients(const OpCase& op_case, const Inputs& inputs, CreateGraph create = CreateGraph::no) {
  const Variables leaves = leaves_of(inputs);
  const Variable y = op_case.function(leaves);
  Inputs result{y.value()};
  Variables targets;
  for (const Variable& leaf : leaves)
    if (leaf.requires_grad()) targets.push_back(leaf);
  for (const Variable& g : grad({y}, targets, create, {seed_like(y.value())}, /*allow_unused=*/true))
    result.push_back(g.defined() ? g.value() : Tensor::zeros({}));
  return result;
}

// The same values, with gaps between the elements and the first two axes swapped in memory.
Tensor strided(const Tensor& x) {
  if (x.rank() == 0) return x;
  Shape wide = x.shape();
  wide[x.rank() - 1] *= 2;
  if (x.rank() > 1) std::swap(wide[0], wide[1]);
  if (x.rank() == 2) wide = {x.size(1), x.size(0) * 2};
  Tensor view = Tensor::zeros(wide, x.dtype()).slice(-1, 0, wide.back(), 2);
  if (x.rank() > 1) view = view.transpose(0, 1);
  return view.copy_(x);
}

void require_close(const Inputs& a, const Inputs& b, double tolerance) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    INFO((i == 0 ? "value" : "gradient " + std::to_string(i - 1)));
    REQUIRE(a[i].shape() == b[i].shape());
    const double size = std::max(1.0, norm(b[i].to(DType::f64)));
    REQUIRE(norm(a[i].to(DType::f64) - b[i].to(DType::f64)) <= tolerance * size);
  }
}

void require_same_bits(const Inputs& a, const Inputs& b) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    INFO((i == 0 ? "value" : "gradient " + std::to_string(i - 1)));
    REQUIRE(bitwise_equal(a[i], b[i]));
  }
}

void for_each_case(const std::function<void(const OpCase&)>& body) {
  for (const OpCase& op_case : op_table()) {
    INFO(op_case.name());
    body(op_case);
  }
}

}  // namespace

TEST_CASE("op table: every recorded operation has a case") {
  std::set<std::string> recorded, listed;
  const std::regex pattern(R"(record(?:_list|_joint)?\(\s*\"(\w+)\")");
  for (const auto& entry : std::filesystem::directory_iterator(KINDLING_SOURCE_DIR "/autograd/ops")) {
    if (entry.path().extension() != ".cpp") continue;
    std::stringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    const std::string source = text.str();
    for (std::sregex_iterator match(source.begin(), source.end(), pattern), end; match != end; ++match)
      recorded.insert((*match)[1]);
  }
  for (const OpCase& op_case : op_table()) listed.insert(op_case.op);
  REQUIRE(recorded.size() > 50);
  for (const std::string& op : recorded) {
    INFO(op << " is recorded in autograd/ops and has no case in autograd/table");
    CHECK(listed.count(op) == 1);
  }
}

TEST_CASE("op table: values are those of the naive loops") {
  for_each_case([](const OpCase& op_case) {
    const Inputs inputs = draw(op_case);
    const Variable y = op_case.function({inputs.begin(), inputs.end()});
    require_close({y.value()}, {op_case.reference(inputs)}, 1e-13);  // double, sums of at most a few hundred terms
    REQUIRE_FALSE(y.requires_grad());
  });
}

TEST_CASE("op table: first and second derivatives agree with differences", "[grad]") {
  for_each_case([](const OpCase& op_case) {
    const GradcheckResult result = gradcheck(op_case, /*order=*/2);
    INFO(result.message);
    REQUIRE(result.ok);
    REQUIRE(result.checked > 0);
  });
}

TEST_CASE("op table: gradients are the same with and without a graph of their own", "[grad]") {
  for_each_case([](const OpCase& op_case) {
    const Inputs inputs = draw(op_case);
    // Fused gradients and those of plain operations round differently.
    require_close(value_and_gradients(op_case, inputs, CreateGraph::yes), value_and_gradients(op_case, inputs), 1e-12);
  });
}

TEST_CASE("op table: an input used twice gets the sum of its gradients", "[grad]") {
  for_each_case([](const OpCase& op_case) {
    const Inputs inputs = draw(op_case);
    const Inputs once = value_and_gradients(op_case, inputs);
    OpCase twice = op_case;
    twice.function = [&](const Variables& x) { return op_case.function(x) + op_case.function(x); };
    Inputs doubled;
    for (const Tensor& x : once) doubled.push_back(x * 2.0);
    require_close(value_and_gradients(twice, inputs), doubled, 1e-15);

    if (inputs.size() < 2 || inputs[0].shape() != inputs[1].shape() || inputs[0].dtype() != inputs[1].dtype()) return;
    Inputs same = inputs;
    same[1] = same[0];
    const Inputs separate = value_and_gradients(op_case, same);
    OpCase shared = op_case;
    shared.function = [&](Variables x) {
      x[1] = x[0];
      return op_case.function(x);
    };
    const Inputs joined = value_and_gradients(shared, same);
    require_close({joined[1]}, {separate[1] + separate[2]}, 1e-14);
  });
}

TEST_CASE("op table: nothing is left of a graph that has gone") {
  op_table();
  for_each_case([](const OpCase& op_case) {
    for (const CreateGraph create : {CreateGraph::no, CreateGraph::yes}) {
      const Inputs inputs = draw(op_case);
      const int64_t before = memory::stats().bytes_in_use;
      value_and_gradients(op_case, inputs, create);
      REQUIRE(memory::stats().bytes_in_use == before);
    }
    const Inputs inputs = draw(op_case);
    Variables leaves = leaves_of(inputs);
    Variable y = op_case.function(leaves);
    const std::weak_ptr<Node> node = y.node();
    y.backward(seed_like(y.value()));
    y = Variable();
    leaves.clear();
    REQUIRE(node.expired());
  });
}

TEST_CASE("op table: the same bits for 1, 2 and 4 threads") {
  for_each_case([](const OpCase& op_case) {
    const Inputs inputs = draw(op_case);
    const auto with_threads = [&](int n) {
      const ThreadsGuard threads(n);
      return value_and_gradients(op_case, inputs);
    };
    const Inputs one = with_threads(1);
    require_same_bits(with_threads(2), one);
    require_same_bits(with_threads(4), one);
  });
}

TEST_CASE("op table: every element of every result is written") {
  for_each_case([](const OpCase& op_case) {
    const Inputs inputs = draw(op_case);
    const Inputs clean = value_and_gradients(op_case, inputs);
    const testing::Poison poison;
    require_same_bits(value_and_gradients(op_case, inputs), clean);
  });
}

TEST_CASE("op table: strided inputs give what contiguous ones give") {
  for_each_case([](const OpCase& op_case) {
    const Inputs inputs = draw(op_case);
    Inputs views;
    for (const Tensor& input : inputs) {
      views.push_back(strided(input));
      REQUIRE(bitwise_equal(views.back(), input));
    }
    require_close(value_and_gradients(op_case, views), value_and_gradients(op_case, inputs), 1e-13);
  });
}

TEST_CASE("op table: single precision gives the same to single precision") {
  for_each_case([](const OpCase& op_case) {
    Inputs inputs = draw(op_case);
    for (Tensor& input : inputs)
      if (is_floating(input.dtype())) input = input.to(DType::f32).to(DType::f64);  // no rounding of inputs
    Inputs single;
    for (const Tensor& input : inputs) single.push_back(is_floating(input.dtype()) ? input.to(DType::f32) : input);
    const Inputs y = value_and_gradients(op_case, single);
    REQUIRE(y[0].dtype() == DType::f32);
    require_close(y, value_and_gradients(op_case, inputs), 1e-5);  // sums of at most a few hundred terms
  });
}

}  // namespace kindling
