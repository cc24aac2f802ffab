// The ways to compute a convolution, among which tensor/conv.cpp chooses. Internal to tensor/. All take contiguous
// operands, but for Pixels: x [N,H,W,C], w [O,KH,KW,C/G], y and grad [N,OH,OW,O]; T is float or double.
#pragma once

#include <optional>

#include <kindling/tensor/constant_weights.h>
#include <kindling/tensor/conv.h>
#include <kindling/tensor/kernels/conv.h>
#include <kindling/tensor/kernels/table.h>
#include <kindling/tensor/tensor.h>

namespace kindling::detail {

struct PoolGeometry;

/// Throws ShapeError, naming `op`, if shapes and options do not fit together or the output would be
/// empty.
kernels::ConvShape conv_shape(const char* op, const Shape& x, const Shape& w, const Conv2dOptions& options);
/// Throws ShapeError, naming `op`, if dtypes or the bias do not fit.
void check_conv_operands(const char* op, const kernels::ConvShape& s, const Tensor& x, const Tensor& w,
                         const Tensor& bias);
/// Whether convolutions run straight on the image, without a matrix of patches.
bool convolves_on_image();

/// im2col and OpenBLAS: the reference. Patches are gathered in tiles; pointwise convolutions need
/// none. The input's gradient is also what the fast algorithms leave some shapes to; it is then
/// multiplied by gemm().
template <class T>
void im2col_conv2d(const kernels::ConvShape& s, T* y, const T* x, const T* w, const T* bias);
/// dx must be zero, unless the convolution is pointwise.
template <class T>
void im2col_input_grad(const kernels::ConvShape& s, T* dx, const T* grad, const T* w);
template <class T>
void im2col_weight_grad(const kernels::ConvShape& s, T* dw, const T* grad, const T* x);

/// Pixels whose channels are contiguous, and which lie `ld` elements apart: a tensor, or a slice of
/// the channels of one.
template <class T>
struct Pixels {
  T* data;
  int64_t ld;
};

/// Weights as one operation needs them: contiguous, and packed once for all its parts. What is
/// packed of a copy goes with it, since no later call would find it.
class ContiguousWeight {
 public:
  explicit ContiguousWeight(const Tensor& weight) : weight_(weight.contiguous()) {
    if (!weight.is_contiguous() || !ConstantWeights::in_force()) scope_.emplace();
  }
  const Tensor& operator*() const { return weight_; }

 private:
  Tensor weight_;
  std::optional<ConstantWeights> scope_;
};

/// Register tiles on the rows of the image itself (kernels/tile.h), without im2col. Weights are
/// packed once for each call, or once under ConstantWeights. With `add`, gradients are added to
/// what is there.
template <class T>
void direct_conv2d(const kernels::ConvShape& s, Pixels<T> y, const T* x, const Tensor& w, const T* bias, bool relu);
/// Whether direct_input_grad works for this convolution and pays. The stride must be 1, and either
/// Winograd's adjoint applies, or the padding is at most dilation * (kernel - 1) pixels and the
/// output not much smaller than the input.
bool has_direct_input_grad(const kernels::ConvShape& s);
/// The Winograd scheme of the input's gradient, or nullopt.
std::optional<kernels::WinogradScheme> input_grad_scheme(const kernels::ConvShape& s);
template <class T>
void direct_input_grad(const kernels::ConvShape& s, T* dx, bool add, Pixels<const T> grad, const Tensor& w);
template <class T>
void direct_weight_grad(const kernels::ConvShape& s, T* dw, bool add, Pixels<const T> grad, const T* x);

/// Whether a max pooling of the map takes so few of its pixels that pooled_weight_grad pays.
bool has_pooled_weight_grad(const kernels::ConvShape& s, const PoolGeometry& g);
/// The weights' gradient behind a max pooling: `grad` and `argmax` [N,PH,PW,O], contiguous, are
/// those of the pooled map. Each pixel that was taken adds its patch of x, times its gradient.
template <class T>
void pooled_weight_grad(const kernels::ConvShape& s, const PoolGeometry& g, T* dw, bool add, const T* grad,
                        const uint8_t* argmax, const T* x);

/// The Winograd scheme to use for this convolution and the gradient of its weights, or nullopt. It
/// is for 3x3 and 5x5 taps of stride 1 without dilation or groups, with channels enough to pay.
std::optional<kernels::WinogradScheme> winograd_scheme(const kernels::ConvShape& s);
/// Whether there is a scheme for some size of the map.
bool may_use_winograd(const kernels::ConvShape& s);
/// y = [y +] [ReLU of] conv(x, w) [+ bias]. With `turned`, s is the turned convolution of the input
/// gradient, and w are the weights as they are: [C, K, K, O] in terms of s. Each filter is then
/// turned by half a turn.
template <class T>
void winograd_conv2d(kernels::WinogradScheme scheme, const kernels::ConvShape& s, Pixels<T> y, bool add,
                     Pixels<const T> x, const Tensor& w, bool turned, const T* bias, bool relu);
/// dx = [dx +] the input's gradient, by the adjoint. It cuts the map of the output into tiles. The
/// turned convolution would cut that of dx, which without padding is larger.
template <class T>
void winograd_input_grad(kernels::WinogradScheme scheme, const kernels::ConvShape& s, T* dx, bool add,
                         Pixels<const T> grad, const Tensor& w);
/// The weights' gradient by the adjoint.
template <class T>
void winograd_weight_grad(kernels::WinogradScheme scheme, const kernels::ConvShape& s, T* dw, bool add,
                          Pixels<const T> grad, const T* x);

}  // namespace kindling::detail
