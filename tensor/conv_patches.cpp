#include <kindling/tensor/conv_patches.h>

#include <kindling/tensor/conv/window.h>

namespace kindling {
namespace {

template <class T>
Tensor gather(const kernels::ConvShape& s, const Tensor& x, int64_t group) {
  Tensor result = Tensor::empty({s.N * s.OH * s.OW, s.patch()}, x.dtype());
  T* const to = result.data<T>();
  const T* const from = x.data<T>();
  parallel_for(result.size(0), s.OW, [&](int64_t begin, int64_t end) {
    detail::gather_patches(s, from, group, {0, s.patch()}, {begin, end}, to + begin * s.patch(), s.patch());
  });
  return result;
}

}  // namespace

Tensor conv2d_patches(const Tensor& x, const Shape& w_shape, const Conv2dOptions& options, int64_t group) {
  const kernels::ConvShape s = detail::conv_shape("conv2d_patches", x.shape(), w_shape, options);
  check(group >= 0 && group < options.groups, "conv2d_patches", "there is no group ", group, " of ", options.groups);
  check(x.dtype() == DType::f32 || x.dtype() == DType::f64, "conv2d_patches", "needs f32 or f64, got ", x.dtype());
  const Tensor whole = x.contiguous();
  return x.dtype() == DType::f32 ? gather<float>(s, whole, group) : gather<double>(s, whole, group);
}

}  // namespace kindling
