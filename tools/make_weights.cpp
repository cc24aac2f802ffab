// kindling_make_weights MODEL BYPASS FORM NORM SEED OUT: a model of the registry with random weights and statistics,
// for tools/check_interop.py.
#include <algorithm>
#include <cstdio>
#include <iostream>

#include <kindling/kindling.h>
#include <kindling/models/definition.h>

namespace {

using namespace kindling;

/// Numbers without two alike, so that tensors that are taken for each other show.
void fill_randomly(Module& model, Rng& rng) {
  for (const NamedTensor& tensor : named_tensors(model)) {
    const bool is_variance = tensor.name.ends_with("running_var");
    Tensor values = Tensor::normal(tensor.value.shape(), 0.0, 1.0, rng);
    if (is_variance) values = values * values + 0.5;
    Tensor(tensor.value).copy_(values);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 7) throw Error("needs MODEL BYPASS FORM NORM SEED OUT");
  const Definition definition{argv[1], {{"bypass", argv[2]}, {"form", argv[3]}, {"norm", argv[4]}, {"classes", "7"}}};
  Rng rng(std::stoull(argv[5]));
  const std::unique_ptr<Module> model = make_model(definition, rng);
  fill_randomly(*model, rng);
  save(*model, argv[6]);
  return 0;
} catch (const std::exception& error) {
  std::cerr << "kindling_make_weights: " << error.what() << '\n';
  return 1;
}
