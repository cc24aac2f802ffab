// Convolution on pointers: the definition as loops, and the gathering (im2col) and scattering (col2im) of patches.
#pragma once

#include <algorithm>
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

/// For the patch of output pixel (i, j) and group `group`: calls f(patch_offset, x_offset, length)
/// for each run of elements that is contiguous in the patch and in the image, and g(patch_offset,
/// length) for each run in the padding.
template <class F, class G>
void for_each_run(const ConvShape& s, int64_t i, int64_t j, int64_t group, F f, G g) {
  const int64_t channels = s.group_in(), tap_row = s.KW * channels;
  const int64_t h0 = i * s.stride_h - s.pad_h, w0 = j * s.stride_w - s.pad_w;
  const bool rows_are_runs = s.groups == 1 && s.dilation_w == 1;
  for (int64_t p = 0; p < s.KH; ++p) {
    const int64_t h = h0 + p * s.dilation_h;
    if (h < 0 || h >= s.H) {
      g(p * tap_row, tap_row);
    } else if (rows_are_runs) {
      const int64_t q0 = std::clamp<int64_t>(-w0, 0, s.KW), q1 = std::clamp<int64_t>(s.W - w0, q0, s.KW);
      if (q0 > 0) g(p * tap_row, q0 * channels);
      if (q1 > q0) f(p * tap_row + q0 * channels, (h * s.W + w0 + q0) * s.C, (q1 - q0) * channels);
      if (q1 < s.KW) g(p * tap_row + q1 * channels, (s.KW - q1) * channels);
    } else {
      for (int64_t q = 0; q < s.KW; ++q) {
        const int64_t w = w0 + q * s.dilation_w, tap = p * tap_row + q * channels;
        if (w < 0 || w >= s.W)
          g(tap, channels);
        else
          f(tap, (h * s.W + w) * s.C + group * channels, channels);
      }
    }
  }
}

/// The rows of the im2col matrix for output pixels begin <= i * OW + j < end of one image: cols
/// [end - begin, patch()].
template <class T>
void im2col(const ConvShape& s, int64_t begin, int64_t end, int64_t group, T* cols, const T* image) {
  for (int64_t pixel = begin; pixel < end; ++pixel, cols += s.patch())
    for_each_run(
        s, pixel / s.OW, pixel % s.OW, group,
        [&](int64_t to, int64_t from, int64_t length) { std::copy_n(image + from, length, cols + to); },
        [&](int64_t to, int64_t length) { std::fill_n(cols + to, length, T(0)); });
}

/// The adjoint: adds the rows of `cols` back to the pixels they were gathered from.
template <class T>
void col2im(const ConvShape& s, int64_t begin, int64_t end, int64_t group, T* image, const T* cols) {
  for (int64_t pixel = begin; pixel < end; ++pixel, cols += s.patch())
    for_each_run(
        s, pixel / s.OW, pixel % s.OW, group,
        [&](int64_t from, int64_t to, int64_t length) {
          for (int64_t k = 0; k < length; ++k) image[to + k] += cols[from + k];
        },
        [](int64_t, int64_t) {});
}

}  // namespace kindling::kernels
