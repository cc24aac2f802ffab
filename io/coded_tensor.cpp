#include <kindling/io/coded_tensor.h>

#include <algorithm>
#include <cmath>

#include <kindling/io/elements.h>

namespace kindling {

Tensor CodedTensor::decoded() const {
  if (coding == Coding::plain) return values;
  Tensor result = Tensor::empty(shape);
  float* const to = result.data<float>();
  if (coding == Coding::grid) {
    std::transform(numbers.begin(), numbers.end(), to, [&](int32_t q) { return step * static_cast<float>(q); });
  } else {
    std::transform(numbers.begin(), numbers.end(), to,
                   [&](int32_t code) { return codebook[static_cast<size_t>(code)]; });
  }
  return result;
}

int64_t CodedTensor::nonzero() const {
  const auto is_zero = [](auto x) { return x == 0; };
  if (coding != Coding::plain) return std::ssize(numbers) - std::count_if(numbers.begin(), numbers.end(), is_zero);
  const float* const first = values.data<float>();
  return values.numel() - std::count_if(first, first + values.numel(), is_zero);
}

void check_coded(const CodedTensor& tensor) {
  const auto require = [&](bool is_so, const char* what) {
    check(is_so, "coded tensor", "\"", tensor.name, "\" ", what);
  };
  require(tensor.dtype == "F32" || tensor.dtype == "F16" || tensor.dtype == "BF16", "must be of F32, F16 or BF16");
  if (tensor.coding == Coding::plain) {
    require(
        tensor.values.shape() == tensor.shape && tensor.values.dtype() == DType::f32 && tensor.values.is_contiguous(),
        "must have contiguous f32 values of its shape");
    return;
  }
  require(std::ssize(tensor.numbers) == tensor.shape.numel(), "must have as many numbers as its shape has elements");
  if (tensor.coding == Coding::grid) {
    require(std::isfinite(tensor.step), "must have a finite step");
    return;
  }
  require(!tensor.codebook.empty() && tensor.codebook[0] == 0, "must have a codebook whose value 0 is 0");
  require(std::all_of(tensor.numbers.begin(), tensor.numbers.end(),
                      [&](int32_t code) { return code >= 0 && code < std::ssize(tensor.codebook); }),
          "has a code outside of its codebook");
}

CodedTensor plain_tensor(std::string name, const Tensor& values, std::string dtype) {
  CodedTensor result;
  result.name = std::move(name);
  result.shape = values.shape();
  result.values = decode_elements(dtype, values.shape(), encode_elements(dtype, values).data());
  result.dtype = std::move(dtype);
  return result;
}

}  // namespace kindling
