#include <iomanip>
#include <ostream>

#include <kindling/tensor/tensor.h>

namespace kindling {
namespace {

constexpr int64_t kEdgeItems = 3;  // shown at either end of a long axis
constexpr int64_t kLongAxis = 2 * kEdgeItems + 1;

void print_element(std::ostream& out, const Tensor& scalar) {
  if (is_floating(scalar.dtype()))
    out << std::setprecision(5) << scalar.item<double>();
  else
    out << scalar.item<int64_t>();
}

void print_nested(std::ostream& out, const Tensor& x, int depth) {
  if (x.rank() == 0) return print_element(out, x);
  out << '[';
  for (int64_t i = 0; i < x.size(0); ++i) {
    if (i > 0) out << (x.rank() == 1 ? ", " : ",\n" + std::string(static_cast<size_t>(depth) + 1, ' '));
    if (x.size(0) > kLongAxis && i == kEdgeItems) {
      out << "...";
      i = x.size(0) - kEdgeItems - 1;
      continue;
    }
    print_nested(out, x.select(0, i), depth + 1);
  }
  out << ']';
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  if (!tensor.defined()) return out << "tensor (undefined)";
  out << "tensor " << tensor.dtype() << ' ' << tensor.shape() << '\n';
  const auto flags = out.flags();
  const auto precision = out.precision();
  print_nested(out, tensor, 0);
  out.flags(flags);
  out.precision(precision);
  return out;
}

}  // namespace kindling
