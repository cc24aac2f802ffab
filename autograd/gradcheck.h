// Proves gradients: rules against differences of the function itself, in double precision.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <kindling/autograd/variable.h>

namespace kindling {

using DifferentiableFunction = std::function<Variable(const Variables& inputs)>;

struct GradcheckOptions {
  int order = 1;               ///< 2 checks the gradient of the gradient as well, and so on
  double eps = 1e-4;           ///< step of the differences, in units of the inputs
  double tolerance = 1e-8;     ///< largest error: see GradcheckResult
  bool full_jacobian = false;  ///< every element of every input against every element of the result
  uint64_t seed = 0;           ///< of the random projections
};

struct GradcheckResult {
  bool ok = true;
  /// The comparison with the largest error: the slope of <v, f(inputs)> along one
  /// element of one input, or along a random direction (then `index` is empty).
  /// At order k > 1 the functions' inputs are followed by the upstream gradients.
  struct Worst {
    int order = 1;
    int64_t input = -1;  ///< -1: nothing was compared
    Shape index;
    double analytic = 0, numeric = 0;
    /// |analytic - numeric| relative to the larger of the two; along a direction, relative to the
    /// sum of the absolute values of its terms. If f's own rounding errors may explain more than
    /// `tolerance` of it (the gradient is 0 but for rounding), they are measured, and the error is
    /// relative to them. `tolerance` is then the most that they may explain.
    double error = 0;
  } worst;
  int64_t checked = 0;  ///< comparisons
  int64_t kinks = 0;    ///< of these, at kinks or where the function is too curved: see gradcheck
  std::string message;  ///< one line for people
};

/// Compares the gradients of f by its inputs with differences. f32 inputs are converted to f64, and
/// integers are passed as they are. f must compute in the dtype of its inputs and be deterministic
/// (Error otherwise).
///
/// For a random v, the scalar <v, f(x)> is differentiated along one random direction u of each
/// input: <v, J u>, by central differences of 4th order. If the two disagree, the elements of that
/// input are compared one by one, to find the worst (1000 random ones if there are more).
///
/// A kink, such as a ReLU that crosses 0 inside the step, is no failure. As the step shrinks,
/// differences approach a right gradient, and stay away from a wrong one. At a kink itself the
/// slopes left and right differ at every step, and nothing can be compared. `kinks` counts both.
GradcheckResult gradcheck(const DifferentiableFunction& f, const Variables& inputs,
                          const GradcheckOptions& options = {});

/// H v, where H is the Hessian of a scalar function at `inputs`, and v has one tensor for each
/// input. The result has the shapes of the inputs. It is the gradient of <grad f, v>, and costs a
/// few times as much as f, however many elements there are.
std::vector<Tensor> hessian_vector_product(const DifferentiableFunction& f, const std::vector<Tensor>& inputs,
                                           const std::vector<Tensor>& v);

}  // namespace kindling
