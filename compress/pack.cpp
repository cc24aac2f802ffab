#include <kindling/compress/pack.h>

#include <algorithm>
#include <set>

#include <kindling/compress/share.h>
#include <kindling/io/weights.h>

namespace kindling {
namespace {

CodedTensor of_codebook(const std::string& name, const Variable& weight) {
  const Codebook codebook = codebook_of(weight);
  const auto codes = codebook.codes.to_vector<uint8_t>();
  return {.name = name,
          .shape = weight.shape(),
          .coding = Coding::codebook,
          .codebook = codebook.values,
          .numbers = {codes.begin(), codes.end()}};
}

}  // namespace

std::vector<CodedTensor> pack(Module& model, const GridWeights& grids, const std::string& dtype) {
  std::map<std::string, Variable> parameters;
  for (const auto& [name, parameter] : model.named_parameters()) parameters.emplace(name, parameter);
  std::vector<CodedTensor> result;
  size_t taken = 0;
  for (const NamedTensor& tensor : named_tensors(model)) {
    const auto grid = grids.find(tensor.name);
    const auto parameter = parameters.find(tensor.name);
    if (grid != grids.end()) {
      ++taken;
      result.push_back(grid->second);
    } else if (parameter != parameters.end() && parameter->second.constraint().shared) {
      result.push_back(of_codebook(tensor.name, parameter->second));
    } else {
      result.push_back(plain_tensor(tensor.name, tensor.value, dtype));
    }
  }
  if (taken < grids.size())
    throw Error("pack: " + std::to_string(grids.size() - taken) + " of the weights on a grid are none of the model's");
  return result;
}

}  // namespace kindling
