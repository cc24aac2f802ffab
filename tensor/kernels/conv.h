// Convolution on pointers: its sizes, and the definition as loops.
#pragma once

#include <cstdint>

namespace kindling::kernels {

/// Sizes of one convolution: x [N,H,W,C], w [O,KH,KW,C/G], y [N,OH,OW,O].
struct ConvShape {
  int64_t N, H, W, C, O, KH, KW, OH, OW;
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;

  int64_t group_in() const { return C / groups; }
  int64_t group_out() const { return O / groups; }
  /// Elements of one patch: a row of the im2col matrix.
  int64_t patch() const { return KH * KW * group_in(); }
  /// Whether it is a 1x1 convolution over every pixel, which is a matrix product as it stands.
  bool is_pointwise() const {
    return KH == 1 && KW == 1 && stride_h == 1 && stride_w == 1 && pad_h == 0 && pad_w == 0 && OH == H && OW == W &&
           groups == 1;
  }
};

/// Calls f(x_index, w_index, y_index) for every product of the definition that belongs to image n.
/// The output and both gradients are sums over these products.
template <class F>
void for_each_product(const ConvShape& s, int64_t n, F f) {
  for (int64_t i = 0; i < s.OH; ++i)
    for (int64_t j = 0; j < s.OW; ++j)
      for (int64_t o = 0; o < s.O; ++o)
        for (int64_t p = 0; p < s.KH; ++p)
          for (int64_t q = 0; q < s.KW; ++q) {
            const int64_t h = i * s.stride_h + p * s.dilation_h - s.pad_h,
                          w = j * s.stride_w + q * s.dilation_w - s.pad_w;
            if (h < 0 || h >= s.H || w < 0 || w >= s.W) continue;
            const int64_t first_channel = o / s.group_out() * s.group_in();
            for (int64_t c = 0; c < s.group_in(); ++c)
              f(((n * s.H + h) * s.W + w) * s.C + first_channel + c, ((o * s.KH + p) * s.KW + q) * s.group_in() + c,
                ((n * s.OH + i) * s.OW + j) * s.O + o);
          }
}

/// y += conv(x, w) for image n.
template <class T>
void naive_conv2d(const ConvShape& s, int64_t n, T* y, const T* x, const T* w) {
  for_each_product(s, n, [&](int64_t ix, int64_t iw, int64_t iy) { y[iy] += x[ix] * w[iw]; });
}
/// dx += the gradient with respect to x, for image n.
template <class T>
void naive_conv2d_input_grad(const ConvShape& s, int64_t n, T* dx, const T* grad, const T* w) {
  for_each_product(s, n, [&](int64_t ix, int64_t iw, int64_t iy) { dx[ix] += grad[iy] * w[iw]; });
}
/// dw += the gradient with respect to w, from image n.
template <class T>
void naive_conv2d_weight_grad(const ConvShape& s, int64_t n, T* dw, const T* grad, const T* x) {
  for_each_product(s, n, [&](int64_t ix, int64_t iw, int64_t iy) { dw[iw] += grad[iy] * x[ix]; });
}

}  // namespace kindling::kernels
