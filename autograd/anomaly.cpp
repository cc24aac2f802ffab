#include <kindling/autograd/anomaly.h>

#include <cmath>
#include <sstream>

#include <kindling/autograd/record.h>

namespace kindling {
namespace {

thread_local bool anomaly = false;

// "nan at [0, 2]" of the first element that is not finite.
std::string first_bad(const Tensor& value) {
  const std::vector<double> elements = value.to_vector<double>();
  int64_t flat = 0;
  while (std::isfinite(elements[static_cast<size_t>(flat)])) ++flat;
  Shape index = value.shape();
  for (int64_t axis = value.rank() - 1, rest = flat; axis >= 0; rest /= value.size(axis--))
    index[axis] = rest % value.size(axis);
  std::ostringstream text;
  text << elements[static_cast<size_t>(flat)] << " at " << index;
  return text.str();
}

}  // namespace

AnomalyMode::AnomalyMode() : before_(anomaly) { anomaly = true; }
AnomalyMode::~AnomalyMode() { anomaly = before_; }

namespace detail {

bool anomaly_mode() { return anomaly; }

AnomalyPause::AnomalyPause() : before_(anomaly) { anomaly = false; }
AnomalyPause::~AnomalyPause() { anomaly = before_; }

void inspect_result(const char* name, const Tensor& value) {
  if (anomaly && !all_finite(value))
    fail(*Scope::path(), name, "first non-finite value: ", first_bad(value), " of the result ", value.shape());
}

void inspect_gradient(const Node& node, size_t i, const Tensor& gradient) {
  if (anomaly && !all_finite(gradient))
    fail(node, "first non-finite value: ", first_bad(gradient), " of the gradient of input ", i, ' ', gradient.shape());
}

}  // namespace detail
}  // namespace kindling
