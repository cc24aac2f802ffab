#include <kindling/compress/pack.h>

#include <algorithm>
#include <cmath>
#include <map>

#include <kindling/compress/share.h>
#include <kindling/io/weights.h>

namespace kindling {
namespace {

/// `dtype`, or F32 if it cannot hold the values.
std::string type_for(const std::vector<float>& values, const std::string& dtype) {
  constexpr float kLargestF16 = 65504;
  const auto fits = [](float value) { return !(std::fabs(value) > kLargestF16); };
  return dtype == "F16" && !std::all_of(values.begin(), values.end(), fits) ? "F32" : dtype;
}

CodedTensor of_codebook(const std::string& name, const Variable& weight, const std::string& dtype) {
  const Codebook codebook = codebook_of(weight);
  const auto codes = codebook.codes.to_vector<uint8_t>();
  return {.name = name,
          .shape = weight.shape(),
          .coding = Coding::codebook,
          .dtype = type_for(codebook.values, dtype),
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
    result.push_back(found != shared.end()
                         ? of_codebook(tensor.name, found->second, dtype)
                         : plain_tensor(tensor.name, tensor.value, type_for(tensor.value.to_vector<float>(), dtype)));
  }
  return result;
}

}  // namespace kindling
