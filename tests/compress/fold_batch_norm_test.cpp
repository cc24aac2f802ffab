#include <kindling/compress/fold_batch_norm.h>

#include <catch2/catch.hpp>

#include <kindling/compress/weight_layers.h>
#include <kindling/models/registry.h>
#include <kindling/models/squeezenet.h>
#include <kindling/tests/support/tensors.h>
#include "small_model.h"

using namespace kindling;
using namespace kindling::testing;

namespace {

/// With normalisations that have seen something, and are not the identity.
std::unique_ptr<Module> with_statistics(const ModelOptions& options) {
  Rng rng(3);
  auto model = make_model("squeezenet_cifar", options, rng);
  for (NamedBuffer& entry : model->named_buffers())
    entry.value.copy_(Tensor::uniform(entry.value.shape(), 0.5, 2, rng));
  for (NamedParameter& entry : model->named_parameters())
    if (entry.name.find("_bn/") != std::string::npos)
      entry.value.value().copy_(Tensor::uniform(entry.value.shape(), 0.3, 1.5, rng));
  model->eval();
  return model;
}

}  // namespace

TEST_CASE("fold_batch_norm: the same outputs, without a normalisation, with every bypass") {
  for (const Bypass bypass : {Bypass::none, Bypass::complex}) {
    const auto model = with_statistics({.bypass = bypass, .norm = Norm::batch});
    model->to(DType::f64);
    const auto folded = fold_batch_norm(*model);
    CHECK(folded->definition().options.at("norm") == "none");
    CHECK(folded->named_buffers().empty());
    CHECK_FALSE(folded->training());
    Rng rng(4);
    const Tensor x = Tensor::normal({2, 32, 32, 3}, 0, 1, rng, DType::f64);
    const NoGrad no_grad;
    check_close((*folded)(x).value(), (*model)(x).value(), 1e-12);  // two roundings of f64 in each of 26 layers
  }
}

TEST_CASE("fold_batch_norm: a model without normalisation is copied") {
  Rng rng(3);
  const auto model = make_model("squeezenet_cifar", {}, rng);
  const auto copy = fold_batch_norm(*model);
  const auto before = model->named_parameters(), after = copy->named_parameters();
  REQUIRE(before.size() == after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    CHECK(before[i].name == after[i].name);
    CHECK(bitwise_equal(before[i].value.value(), after[i].value.value()));
    CHECK(before[i].value.value().storage() != after[i].value.value().storage());
  }
}

TEST_CASE("fold_batch_norm: a model that does not say what it is, is refused") {
  Sequential net = small_model();
  check_throws<Error>(
      [&] { fold_batch_norm(net); },
      "fold_batch_norm: the model does not say what it was made from; fold one of models/ as it was made");
}
