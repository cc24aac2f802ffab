#include <kindling/autograd/table/cases.h>

#include <algorithm>
#include <limits>
#include <sstream>

namespace kindling {

GradcheckResult gradcheck(const OpCase& op_case, int order, uint64_t seed) {
  Rng rng(seed);
  const std::vector<Tensor> inputs = op_case.inputs(rng);
  return gradcheck(op_case.function, {inputs.begin(), inputs.end()},
                   {.order = order, .tolerance = op_case.tolerance, .seed = seed});
}

namespace table {

std::function<Inputs(Rng&)> uniform(std::vector<Shape> shapes, double low, double high) {
  return [=](Rng& rng) {
    Inputs inputs;
    for (const Shape& shape : shapes) inputs.push_back(Tensor::uniform(shape, low, high, rng, DType::f64));
    return inputs;
  };
}

std::function<Inputs(Rng&)> distinct(std::vector<Shape> shapes) {
  return [=](Rng& rng) {
    Inputs inputs;
    for (const Shape& shape : shapes) {
      const int64_t n = shape.numel();
      std::vector<double> values;
      for (const int64_t rank : permutation(n, rng.split()))
        values.push_back(0.1 * static_cast<double>(2 * rank - n) + 0.05);
      inputs.push_back(Tensor::from(values, shape));
    }
    return inputs;
  };
}

double at(const Tensor& x, const Shape& index) {
  Shape own;
  const int64_t added = index.rank() - x.rank();
  for (int64_t axis = 0; axis < x.rank(); ++axis) own.push_back(x.size(axis) == 1 ? 0 : index[axis + added]);
  return visit(x.dtype(), [&](auto t) { return static_cast<double>(x.at<decltype(t)>(own)); });
}

void for_each_index(const Shape& shape, const std::function<void(const Shape& index)>& body) {
  Shape index = Shape::filled(shape.rank(), 0);
  for (int64_t count = shape.numel(); count > 0; --count) {
    body(index);
    for (int64_t axis = shape.rank() - 1; axis >= 0 && ++index[axis] == shape[axis]; --axis) index[axis] = 0;
  }
}

Tensor build(const Shape& shape, const std::function<double(const Shape& index)>& element) {
  std::vector<double> values;
  for_each_index(shape, [&](const Shape& index) { values.push_back(element(index)); });
  return Tensor::from(values, shape);
}

Tensor naive_max_pool(const Tensor& x, const Pool2dOptions& o) {
  const Size2 stride = o.stride.h == 0 ? o.kernel : o.stride;
  return build(pool2d_shape("pool", x.shape(), o), [&](const Shape& i) {
    double largest = -std::numeric_limits<double>::infinity();
    for (int64_t p = 0; p < o.kernel.h; ++p)
      for (int64_t q = 0; q < o.kernel.w; ++q) {
        const int64_t row = i[1] * stride.h - o.padding.h + p, column = i[2] * stride.w - o.padding.w + q;
        if (row >= 0 && row < x.size(1) && column >= 0 && column < x.size(2))
          largest = std::max(largest, at(x, {i[0], row, column, i[3]}));
      }
    return largest;
  });
}

std::string to_string(const Shape& shape) {
  std::ostringstream text;
  text << shape;
  return text.str();
}

}  // namespace table
}  // namespace kindling
