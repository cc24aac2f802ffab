#include <kindling/compress/pack.h>

#include <map>

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

std::vector<CodedTensor> pack(Module& model, const std::string& dtype) {
  std::map<std::string, Variable> shared;
  for (const auto& [name, parameter] : model.named_parameters())
    if (parameter.constraint().shared) shared.emplace(name, parameter);
  std::vector<CodedTensor> result;
  for (const NamedTensor& tensor : named_tensors(model)) {
    const auto found = shared.find(tensor.name);
    result.push_back(found != shared.end() ? of_codebook(tensor.name, found->second)
                                           : plain_tensor(tensor.name, tensor.value, dtype));
  }
  return result;
}

}  // namespace kindling
