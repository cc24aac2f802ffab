#include <kindling/autograd/gradcheck.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <sstream>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/shape.h>
#include <kindling/tensor/reduce.h>

namespace kindling {
namespace {

// Elements of an input that are compared one by one when its random direction disagrees.
constexpr int64_t kMaxElements = 1000;
// The step is divided by this, so often, to tell a kink inside it from a wrong gradient.
constexpr double kShrink = 8;
constexpr int kShrinkings = 4;
// Rounding errors of <v, f>: at least so many times the sum of the absolute values of what is added up in it, and so
// many standard deviations of the errors that are measured (five of the difference, which adds up four values).
constexpr double kRounding = 10 * std::numeric_limits<double>::epsilon(), kDeviations = 10;
// The points where they are measured, and how far apart, in steps of the differences.
constexpr size_t kNearPoints = 12;
constexpr double kNearStep = 1e-4;

Variables leaves_of(const std::vector<Tensor>& inputs) {
  Variables leaves;
  for (const Tensor& input : inputs) leaves.emplace_back(input, is_floating(input.dtype()));
  return leaves;
}

// Numbers of size about 1, away from 0, of both signs.
Tensor random_weights(const Shape& shape, Rng& rng) {
  Tensor weights = Tensor::uniform(shape, -1, 1, rng, DType::f64);
  return weights + sign(weights) * 0.5;
}

Tensor unit(const Shape& shape, int64_t element) {
  Tensor result = Tensor::zeros(shape, DType::f64);
  result.data<double>()[element] = 1;
  return result;
}

Shape index_of(int64_t element, const Shape& shape) {
  Shape index = shape;
  for (int64_t axis = shape.rank() - 1; axis >= 0; --axis) {
    index[axis] = element % shape[axis];
    element /= shape[axis];
  }
  return index;
}

// The function x, v -> v^T J(x), all gradients in one row; itself differentiable where recording is on.
Variable flat_gradients(const DifferentiableFunction& f, const Variables& arguments) {
  const CreateGraph create = is_recording() ? CreateGraph::yes : CreateGraph::no;
  const RecordingGuard guard(true);
  Variables inputs(arguments.begin(), arguments.end() - 1), targets;
  for (Variable& input : inputs) {
    if (!is_floating(input.dtype())) continue;
    if (!input.requires_grad()) input = Variable(input.value(), true);
    targets.push_back(input);
  }
  Variables rows = grad({f(inputs)}, targets, create, {arguments.back()}, /*allow_unused=*/true);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].defined()) rows[i] = Tensor::zeros(targets[i].shape(), DType::f64);
    rows[i] = reshape(rows[i], {rows[i].numel()});
  }
  return concat(rows, 0);
}

/// One function's first derivatives.
class Checker {
 public:
  Checker(const DifferentiableFunction& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options,
          int order, GradcheckResult& result)
      : f_(f), inputs_(inputs), options_(options), order_(order), rng_(options.seed, order), result_(result) {}

  /// The value of the function, for its shape.
  Tensor run();

 private:
  /// `converges`: not at the full step, but as it shrinks. `kink`: no step is small enough.
  enum class Verdict { agrees, converges, kink, disagrees };

  Tensor value_with(size_t input, const Tensor& x) const;
  double projected(size_t input, const Tensor& direction, double t) const;
  double rounding_error() const;
  void check_projection(const Tensor& seed);
  void check_direction(size_t input);
  void check_elements(size_t input);
  Verdict compare(size_t input, const Tensor& direction, const Shape& index);

  const DifferentiableFunction& f_;
  const std::vector<Tensor>& inputs_;
  const GradcheckOptions& options_;
  int order_;
  Rng rng_;
  GradcheckResult& result_;
  Tensor seed_;                    // v
  std::vector<Tensor> gradients_;  // of <v, f>
  double rounding_ = 0;            // how far a value of <v, f> may be off
};

Tensor Checker::value_with(size_t input, const Tensor& x) const {
  const NoGrad no_grad;
  Variables arguments(inputs_.begin(), inputs_.end());
  arguments[input] = x;
  return f_(arguments).value();
}

double Checker::projected(size_t input, const Tensor& direction, double t) const {
  Tensor x = inputs_[input].clone();
  x.add_(direction, t);
  return dot(seed_, value_with(input, x));
}

// Standard deviation of the rounding errors in <v, f>, whatever f does inside. At points on a line through all inputs
// that are so near to each other that f is a parabola between them, third differences are rounding alone, with 1 + 9 +
// 9 + 1 times its variance. Their median does not see the few that a kink spoils; that of a normal distribution's
// absolute values is 0.6745 deviations. No gradient takes part, so a wrong one cannot hide in this.
double Checker::rounding_error() const {
  Rng rng = rng_.fork(0);
  std::vector<Tensor> directions;
  for (const Tensor& input : inputs_) directions.push_back(random_weights(input.shape(), rng));
  std::vector<double> differences;
  for (size_t k = 0; k < kNearPoints; ++k) {
    const NoGrad no_grad;
    Variables arguments;
    const double t = static_cast<double>(k) * kNearStep * options_.eps;
    for (size_t i = 0; i < inputs_.size(); ++i)
      arguments.emplace_back(is_floating(inputs_[i].dtype()) ? inputs_[i] + directions[i] * t : inputs_[i]);
    differences.push_back(dot(seed_, f_(arguments).value()));
  }
  for (int order = 1; order <= 3; ++order) {
    std::adjacent_difference(differences.begin(), differences.end(), differences.begin());
    differences.erase(differences.begin());  // it has none before it
  }
  for (double& difference : differences) {
    difference = std::abs(difference);
    if (std::isnan(difference)) return difference;  // f is NaN, and the comparison says so
  }
  const auto median = differences.begin() + static_cast<int64_t>(differences.size() / 2);
  std::nth_element(differences.begin(), median, differences.end());
  return *median / (0.6745 * std::sqrt(20.0));
}

Tensor Checker::run() {
  const Tensor y = value_with(0, inputs_[0]);
  if (y.dtype() != DType::f64) throw Error("gradcheck: f computes in another dtype than f64, that of its inputs");
  if (!bitwise_equal(y, value_with(0, inputs_[0]))) throw Error("gradcheck: f gives another result when called again");
  if (options_.full_jacobian)
    for (int64_t i = 0; i < y.numel(); ++i) check_projection(unit(y.shape(), i));
  else
    check_projection(random_weights(y.shape(), rng_));
  return y;
}

void Checker::check_projection(const Tensor& seed) {
  seed_ = seed;
  const Variables leaves = leaves_of(inputs_);
  const Variable y = f_(leaves);
  rounding_ = std::max(kRounding * dot(abs(seed_), abs(y.value())), kDeviations * rounding_error());
  Variables targets;
  std::copy_if(leaves.begin(), leaves.end(), std::back_inserter(targets),
               [](const Variable& leaf) { return leaf.requires_grad(); });
  Variables gradients = grad({y}, targets, CreateGraph::no, {seed_}, /*allow_unused=*/true);

  gradients_.assign(inputs_.size(), Tensor());
  for (size_t i = 0, next = 0; i < inputs_.size(); ++i) {
    if (!leaves[i].requires_grad()) continue;
    const Variable& gradient = gradients[next++];
    gradients_[i] = gradient.defined() ? gradient.value() : Tensor::zeros(inputs_[i].shape(), DType::f64);
    options_.full_jacobian ? check_elements(i) : check_direction(i);
  }
}

void Checker::check_direction(size_t input) {
  const GradcheckResult before = result_;
  const Verdict verdict = compare(input, random_weights(inputs_[input].shape(), rng_), {});
  if (verdict == Verdict::agrees || verdict == Verdict::converges) return;
  if (!std::isfinite(result_.worst.analytic)) return;  // its elements would say no more
  const bool all_elements = inputs_[input].numel() <= kMaxElements;
  if (all_elements) result_ = before;  // the elements say it all
  check_elements(input);
}

void Checker::check_elements(size_t input) {
  const Shape& shape = inputs_[input].shape();
  const int64_t count = std::min(shape.numel(), kMaxElements);
  const std::vector<int64_t> order = permutation(shape.numel(), rng_.split());
  for (int64_t i = 0; i < count; ++i) {
    const int64_t element = order[static_cast<size_t>(i)];
    compare(input, unit(shape, element), index_of(element, shape));
  }
}

Checker::Verdict Checker::compare(size_t input, const Tensor& direction, const Shape& index) {
  const Tensor terms = gradients_[input] * direction;
  const double analytic = dot(terms, Tensor::ones(terms.shape(), DType::f64));
  const double scale = dot(abs(terms), Tensor::ones(terms.shape(), DType::f64));
  const double middle = projected(input, direction, 0);
  GradcheckResult::Worst first{order_, static_cast<int64_t>(input), index, analytic, 0, 0};
  double first_jump = 0, jump = 0, noise = 0, h = options_.eps;
  ++result_.checked;

  for (int shrinkings = 0; shrinkings <= kShrinkings; ++shrinkings, h /= kShrink) {
    // Where rounding may explain all of the first disagreement, agreement would be an accident.
    if (shrinkings > 0 && rounding_ / h > std::abs(analytic - first.numeric)) break;
    const double right = projected(input, direction, h), left = projected(input, direction, -h);
    const double near_right = projected(input, direction, h / 2), near_left = projected(input, direction, -h / 2);
    const double numeric = (8 * (near_right - near_left) - (right - left)) / (6 * h);
    noise = rounding_ / h;
    jump = std::abs(right - 2 * middle + left) / h;  // slope on the right minus slope on the left
    const double distance = std::abs(analytic - numeric);
    const double least = noise / options_.tolerance;  // below, the tolerance would be less than rounding
    const double larger = std::max({scale, std::abs(numeric), least});
    const double error = distance == 0 ? 0 : distance / larger;  // NaN if any of them is
    const bool agrees = error <= options_.tolerance;             // false for NaN
    if (shrinkings == 0) {
      first.numeric = numeric;
      first.error = error;
      first_jump = jump;
      if (!agrees) continue;
      if (result_.ok && error >= result_.worst.error) result_.worst = first;
      return Verdict::agrees;
    }
    if (agrees && distance <= 0.25 * std::abs(analytic - first.numeric)) {
      ++result_.kinks;
      return Verdict::converges;
    }
  }
  if (jump > 10 * noise && jump > 0.5 * first_jump) {
    ++result_.kinks;
    return Verdict::kink;
  }
  if (result_.ok || !(first.error <= result_.worst.error)) result_.worst = first;
  result_.ok = false;
  return Verdict::disagrees;
}

std::string describe(const GradcheckResult& result, double tolerance, size_t inputs) {
  const GradcheckResult::Worst& worst = result.worst;
  std::ostringstream text;
  text.precision(10);
  if (result.ok) {
    text.precision(2);
    text << result.checked << (result.checked == 1 ? " comparison" : " comparisons") << ", worst error " << worst.error;
    if (result.kinks > 0) text << ", " << result.kinks << (result.kinks == 1 ? " kink" : " kinks");
    return text.str();
  }
  if (worst.order > 1) text << "order " << worst.order << ": ";
  text << "gradient of input " << worst.input;
  if (worst.input >= static_cast<int64_t>(inputs)) text << " (the upstream gradient)";
  if (worst.index.rank() > 0) text << " at " << worst.index;
  text << ": analytic " << worst.analytic << ", numeric " << worst.numeric << ", error " << worst.error
       << " (tolerance " << tolerance << ')';
  return text.str();
}

}  // namespace

GradcheckResult gradcheck(const DifferentiableFunction& f, const Variables& inputs, const GradcheckOptions& options) {
  check(options.order >= 1 && options.eps > 0 && options.tolerance > 0, "gradcheck", "order ", options.order, ", eps ",
        options.eps, " and tolerance ", options.tolerance, " must be positive");
  std::vector<Tensor> arguments;
  for (const Variable& input : inputs)
    arguments.push_back(is_floating(input.dtype()) ? input.value().to(DType::f64) : input.value());
  check(std::any_of(arguments.begin(), arguments.end(), [](const Tensor& x) { return is_floating(x.dtype()); }),
        "gradcheck", "none of the ", inputs.size(), " inputs is of a floating type");

  GradcheckResult result;
  DifferentiableFunction function = f;
  for (int order = 1; order <= options.order; ++order) {
    const Tensor y = Checker(function, arguments, options, order, result).run();
    function = [inner = std::move(function)](const Variables& x) { return flat_gradients(inner, x); };
    Rng rng(options.seed, static_cast<uint64_t>(-order));
    arguments.push_back(random_weights(y.shape(), rng));
  }
  result.message = describe(result, options.tolerance, inputs.size());
  return result;
}

std::vector<Tensor> hessian_vector_product(const DifferentiableFunction& f, const std::vector<Tensor>& inputs,
                                           const std::vector<Tensor>& v) {
  check(v.size() == inputs.size(), "hessian_vector_product", v.size(), " vectors for ", inputs.size(), " inputs");
  const RecordingGuard guard(true);
  const Variables leaves = leaves_of(inputs);
  const Variables gradients = grad({f(leaves)}, leaves, CreateGraph::yes, {}, /*allow_unused=*/true);
  Variables outputs, seeds;
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) continue;
    outputs.push_back(gradients[i]);
    seeds.push_back(v[i]);
  }
  const Variables products = grad(outputs, leaves, CreateGraph::no, seeds, /*allow_unused=*/true);
  std::vector<Tensor> result;
  for (size_t i = 0; i < leaves.size(); ++i)
    result.push_back(products[i].defined() ? products[i].value() : Tensor::zeros(inputs[i].shape(), inputs[i].dtype()));
  return result;
}

}  // namespace kindling
