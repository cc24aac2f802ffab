// What the parts of the op table are written with.
#pragma once

#include <functional>
#include <vector>

#include <kindling/autograd/op_table.h>
#include <kindling/tensor/pool.h>

namespace kindling::table {

using Inputs = std::vector<Tensor>;
using Args = Variables;

/// Draws one tensor of each shape, uniform in [low, high].
std::function<Inputs(Rng&)> uniform(std::vector<Shape> shapes, double low = -2, double high = 2);
/// Tensors whose elements are all at least 0.1 from each other and from 0, in random order.
std::function<Inputs(Rng&)> distinct(std::vector<Shape> shapes);

/// The element at `index`, where x is broadcast to index's rank.
double at(const Tensor& x, const Shape& index);
/// Calls `body` with every index of `shape`, row-major.
void for_each_index(const Shape& shape, const std::function<void(const Shape& index)>& body);
/// An f64 tensor, element by element.
Tensor build(const Shape& shape, const std::function<double(const Shape& index)>& element);

/// max_pool2d by its definition.
Tensor naive_max_pool(const Tensor& x, const Pool2dOptions& o);

/// "[2, 3]"
std::string to_string(const Shape& shape);

void add_elementwise(std::vector<OpCase>& cases);
void add_activations(std::vector<OpCase>& cases);
void add_reductions(std::vector<OpCase>& cases);
void add_shapes(std::vector<OpCase>& cases);
void add_matmuls(std::vector<OpCase>& cases);
void add_convolutions(std::vector<OpCase>& cases);
void add_pools(std::vector<OpCase>& cases);
void add_softmaxes(std::vector<OpCase>& cases);
void add_indexing(std::vector<OpCase>& cases);
void add_norms(std::vector<OpCase>& cases);

}  // namespace kindling::table
