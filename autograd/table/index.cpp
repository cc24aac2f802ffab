#include <kindling/autograd/ops/index.h>

#include <kindling/autograd/table/cases.h>

namespace kindling::table {
namespace {

struct Config {
  Shape x;
  int64_t axis;
  Shape index;
  const char* variant;
};

const std::vector<Config>& configs() {
  static const std::vector<Config> all = {{{4, 3}, 0, {6, 3}, "axis 0, repeated"},
                                          {{2, 5, 3}, 1, {2, 4, 2}, "axis 1, index smaller off the axis"},
                                          {{3, 7}, -1, {3, 1}, "one of each row"},
                                          {{1}, 0, {1}, "size 1"}};
  return all;
}

// A tensor of `shape` and indices into axis `axis` of c.x.
std::function<Inputs(Rng&)> with_index(const Config& c, const Shape& shape) {
  return [&c, shape](Rng& rng) {
    const int64_t size = c.x[normalize_axis("index", c.axis, c.x.rank())];
    std::vector<int64_t> index;
    for (int64_t i = 0; i < c.index.numel(); ++i) index.push_back(rng.next_below(size));
    return Inputs{Tensor::uniform(shape, -2, 2, rng, DType::f64), Tensor::from(index, c.index)};
  };
}

// Position i with its `axis` replaced by what the index tensor says there.
Shape pointed_to(const Config& c, const Tensor& index, const Shape& i) {
  Shape to = i;
  to[normalize_axis("index", c.axis, c.x.rank())] = index.at<int64_t>(i);
  return to;
}

}  // namespace

void add_indexing(std::vector<OpCase>& cases) {
  for (const Config& c : configs()) {
    cases.push_back({"gather", c.variant, with_index(c, c.x),
                     [&c](const Args& a) { return gather(a[0], c.axis, a[1]); },
                     [&c](const Inputs& a) {
                       return build(c.index, [&](const Shape& i) { return at(a[0], pointed_to(c, a[1], i)); });
                     }});
    cases.push_back({"scatter_add", c.variant, with_index(c, c.index),
                     [&c](const Args& a) { return scatter_add(a[0], c.axis, a[1], c.x); },
                     [&c](const Inputs& a) {
                       Tensor y = Tensor::zeros(c.x, DType::f64);
                       for_each_index(c.index,
                                      [&](const Shape& i) { y.at<double>(pointed_to(c, a[1], i)) += at(a[0], i); });
                       return y;
                     }});
  }
}

}  // namespace kindling::table
