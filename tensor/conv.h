// Convolution and its two gradients: the three partial derivatives of the trilinear form <conv2d(x, w), g>.
#pragma once

#include <string>

#include <kindling/tensor/out.h>

namespace kindling {

struct Conv2dOptions {
  Size2 stride = 1;    ///< pixels
  Size2 padding = 0;   ///< pixels of zeros on each side
  Size2 dilation = 1;  ///< pixels between neighbouring taps
  int64_t groups = 1;  ///< output channels [g O/G, (g+1) O/G) see input channels [g C/G, (g+1) C/G)
};

/// Cross-correlation: y[n,i,j,o] = b[o] + sum_{p,q,c} w[o,p,q,c] x[n,i s+p d-pad,j s+q d-pad,c].
/// x [N,H,W,C], w [O,KH,KW,C/groups], bias [O] or undefined -> [N,H',W',O],
/// H' = (H + 2 pad - d (KH - 1) - 1) / s + 1, rounded down.
/// Throws ShapeError if channels, groups, bias or dtypes do not fit or the output would be empty.
Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias = {}, const Conv2dOptions& options = {},
              const Out& out = {});

/// relu(conv2d(...)), the negative results set to 0 before they leave the registers.
Tensor conv2d_relu(const Tensor& x, const Tensor& w, const Tensor& bias = {}, const Conv2dOptions& options = {},
                   const Out& out = {});

/// The part of the gradient of y = relu(z + bias) that ReLU lets through, and its sum for the bias,
/// in one pass. `grad` has the shape of y [..., C]: the given gradient where y > 0, else 0. `bias`
/// [C] is summed over all other axes. `out` is for the first and may be `grad` itself. Throws
/// ShapeError if shapes or dtypes differ.
struct ReluBiasGrad {
  Tensor grad, bias;
};
ReluBiasGrad relu_bias_grad(const Tensor& grad, const Tensor& y, const Out& out = {});

/// d<conv2d(x, w), grad>/dx: grad [N,H',W',O], w [O,KH,KW,C/groups] -> x_shape [N,H,W,C]. This and
/// the next throw ShapeError if shapes, options or dtypes do not fit, or `out.to` is not
/// contiguous.
Tensor conv2d_input_grad(const Tensor& grad, const Tensor& w, const Shape& x_shape, const Conv2dOptions& options = {},
                         const Out& out = {});

/// d<conv2d(x, w), grad>/dw: grad [N,H',W',O], x [N,H,W,C] -> w_shape [O,KH,KW,C/groups].
Tensor conv2d_weight_grad(const Tensor& grad, const Tensor& x, const Shape& w_shape, const Conv2dOptions& options = {},
                          const Out& out = {});

/// Shape of conv2d's result; throws what conv2d throws.
Shape conv2d_shape(const Shape& x, const Shape& w, const Conv2dOptions& options);

/// How convolutions are computed. `im2col`: patches gathered into a buffer, times the weights by
/// OpenBLAS; the reference. `naive`: the seven loops of the definition. `direct`: register tiles
/// straight on the image (kernels/tile.h), with im2col for the input gradient where it is strided,
/// its map is much smaller than the image, or the padding is larger than the kernel's reach.
/// `automatic`: the fastest there is, `direct` but for 3x3 and 5x5 kernels of stride 1 from 16
/// channels on, without dilation or groups, whose outputs and gradients are computed by Winograd's
/// minimal filtering (kernels/winograd.h): F(4x4, 3x3) or F(2x2, 3x3), F(4x4, 5x5) or F(2x2, 5x5),
/// whichever takes the fewest products. With 4x4 pixels the error is 2.3 (3x3 taps) and 4.5 times
/// (5x5) that of `direct` (1e-6 and 2e-6 instead of 4e-7 of the result's norm in f32); a NaN or Inf
/// in x spoils up to five or seven more pixels around it.
enum class ConvAlgorithm { automatic, direct, im2col, naive };
/// For the whole process; takes effect at the next convolution.
void set_conv_algorithm(ConvAlgorithm algorithm);
ConvAlgorithm conv_algorithm();
/// This algorithm while it lives, then the one before.
class ConvAlgorithmGuard {
 public:
  explicit ConvAlgorithmGuard(ConvAlgorithm algorithm) : before_(conv_algorithm()) { set_conv_algorithm(algorithm); }
  ~ConvAlgorithmGuard() { set_conv_algorithm(before_); }
  ConvAlgorithmGuard(const ConvAlgorithmGuard&) = delete;
  ConvAlgorithmGuard& operator=(const ConvAlgorithmGuard&) = delete;

 private:
  ConvAlgorithm before_;
};

/// How conv2d and its two gradients are computed, each as a function of its own: "winograd 4x4" (by
/// tiles of 4x4 outputs; or 2x2), "direct", "im2col" or "naive". It follows from the algorithm in
/// use and the sizes of one image alone, never from the batch, the threads or a timing, because
/// each way rounds differently. Behind a max pooling, see tensor/conv_pool.h.
struct ConvMethods {
  std::string output, input_grad, weight_grad;
};
/// Throws what conv2d throws.
ConvMethods conv2d_methods(const Shape& x, const Shape& w, const Conv2dOptions& options = {});

}  // namespace kindling
