#include <algorithm>
#include <vector>

#include <kindling/tensor/conv/partial_sums.h>
#include <kindling/tensor/conv/paths.h>
#include <kindling/tensor/conv/window.h>
#include <kindling/tensor/gemm.h>
#include <kindling/tensor/kernels/blas.h>
#include <kindling/tensor/kernels/table.h>
#include <kindling/tensor/kernels/tasks.h>
#include <kindling/tensor/tensor.h>

namespace kindling::detail {
namespace {

using kernels::ConvShape;

// Bytes of an im2col buffer: it stays in L2 (1 MiB a core on the
// machines it was measured on) beside the weights and the output.
constexpr int64_t kTileBytes = 256 << 10;

// The output pixels of every image, cut into tiles of nearly equal size. A pointwise convolution needs no buffer, and
// its images are one long row of pixels.
struct Tiling {
  Tiling(const ConvShape& s, int64_t element_bytes)
      : images(s.is_pointwise() ? 1 : s.N), pixels(s.OH * s.OW * (s.is_pointwise() ? s.N : 1)) {
    constexpr int64_t kMinPixels = 16;  // below, GEMM has too few rows to reuse the weights
    const int64_t row_bytes = (s.is_pointwise() ? s.C + s.O : s.patch()) * element_bytes;
    const int64_t largest = std::max(kMinPixels, kTileBytes / row_bytes);
    per_image = ceil_div(pixels, largest);
  }
  int64_t count() const { return images * per_image; }
  int64_t image(int64_t tile) const { return tile / per_image; }
  // Of its image.
  Range range(int64_t tile) const { return part_of(pixels, tile % per_image, per_image); }
  // Of its first pixel, counted through all images.
  int64_t first_pixel(int64_t tile) const { return image(tile) * pixels + range(tile).begin; }

  int64_t images, pixels, per_image;
};

// The matrix of patches for one tile: gathered into `buffer`, or the image itself where a patch is one pixel.
template <class T>
const T* patches(const ConvShape& s, const Tiling& tiling, int64_t tile, int64_t group, Tensor& buffer, const T* x) {
  if (s.is_pointwise()) return x + tiling.range(tile).begin * s.C;
  if (!buffer.defined()) buffer = Tensor::empty({tiling.pixels / tiling.per_image + 1, s.patch()}, dtype_of<T>());
  const int64_t first = tiling.first_pixel(tile);
  gather_patches<T>(s, x, group, {0, s.patch()}, {first, first + tiling.range(tile).size()}, buffer.data<T>(),
                    s.patch());
  return buffer.data<T>();
}

// The adjoint (col2im): adds the patches of some output pixels of one image back to where they were gathered from.
template <class T>
void scatter_patches(const ConvShape& s, int64_t group, Range pixels, T* image, const T* cols) {
  std::vector<PatchRun> runs;
  for_each_patch_run(s, {0, s.patch()}, [&](const PatchRun& run) { runs.push_back(run); });
  for (int64_t pixel = pixels.begin; pixel < pixels.end; ++pixel, cols += s.patch()) {
    const int64_t h0 = pixel / s.OW * s.stride_h - s.pad_h, w0 = pixel % s.OW * s.stride_w - s.pad_w;
    for (const PatchRun& run : runs) {
      const PaddedRow<T> row = padded_row<T>(s, {image, s.C}, 0, h0 + run.dh);
      const int64_t first = (w0 + run.dw) * s.C + group * s.group_in() + run.first;
      const auto [begin, end] = row.covered(first, run.length);
      for (int64_t k = begin; k < end; ++k) row.data[first + k] += cols[run.column + k];
    }
  }
}

}  // namespace

// y[pixels, O] = patches[pixels, K] w[O, K]^T, on top of the bias.
template <class T>
void im2col_conv2d(const ConvShape& s, T* y, const T* x, const T* w, const T* bias) {
  const Tiling tiling(s, sizeof(T));
  parallel_for(tiling.count(), 1, [&](int64_t first, int64_t last) {
    Tensor buffer;
    for (int64_t tile = first; tile < last; ++tile) {
      const int64_t rows = tiling.range(tile).size();
      T* out = y + tiling.first_pixel(tile) * s.O;
      if (bias != nullptr)
        for (int64_t r = 0; r < rows; ++r) std::copy_n(bias, s.O, out + r * s.O);
      for (int64_t g = 0; g < s.groups; ++g) {
        const T* cols = patches(s, tiling, tile, g, buffer, x);
        kernels::blas_gemm<T>(false, true, rows, s.group_out(), s.patch(), T(1), cols, s.patch(),
                              w + g * s.group_out() * s.patch(), s.patch(), T(bias != nullptr), out + g * s.group_out(),
                              s.O);
      }
    }
  });
}

// d patches[pixels, K] = grad[pixels, O] w[O, K], added back to the pixels they came from. Patches of one image
// overlap, so its tiles are one task.
template <class T>
void im2col_input_grad(const ConvShape& s, T* dx, const T* grad, const T* w) {
  const Tiling tiling(s, sizeof(T));
  const int64_t tiles_per_task = s.is_pointwise() ? 1 : tiling.per_image;
  parallel_for(tiling.count(), tiles_per_task, [&](int64_t first, int64_t last) {
    Tensor buffer;
    if (!s.is_pointwise()) buffer = Tensor::empty({tiling.pixels / tiling.per_image + 1, s.patch()}, dtype_of<T>());
    for (int64_t tile = first; tile < last; ++tile) {
      const int64_t rows = tiling.range(tile).size();
      const T* from = grad + tiling.first_pixel(tile) * s.O;
      for (int64_t g = 0; g < s.groups; ++g) {
        T* cols = s.is_pointwise() ? dx + tiling.range(tile).begin * s.C : buffer.data<T>();
        const T *grad_of_group = from + g * s.group_out(), *w_of_group = w + g * s.group_out() * s.patch();
        if (convolves_on_image())  // the fast algorithms leave some shapes to this one
          gemm<T>(rows, s.patch(), s.group_out(), {grad_of_group, s.O}, {w_of_group, s.patch()}, cols, s.patch(),
                  /*add=*/false);
        else
          kernels::blas_gemm<T>(false, false, rows, s.patch(), s.group_out(), T(1), grad_of_group, s.O, w_of_group,
                                s.patch(), T(0), cols, s.patch());
        if (!s.is_pointwise())
          scatter_patches(s, g, tiling.range(tile), dx + tiling.image(tile) * s.H * s.W * s.C, cols);
      }
    }
  });
}

// dw[O, K] = sum over tiles of grad[pixels, O]^T patches[pixels, K].
template <class T>
void im2col_weight_grad(const ConvShape& s, T* dw, const T* grad, const T* x) {
  const Tiling tiling(s, sizeof(T));
  const int64_t parts = std::min(kMaxParts, tiling.count()), size = s.O * s.patch();
  PartialSums<T> partial(parts, size, dw);
  parallel_for(parts, 1, [&](int64_t part, int64_t) {
    T* const sums = partial.part(part);
    std::fill_n(sums, size, T(0));
    Tensor buffer;
    const Range tiles = part_of(tiling.count(), part, parts);
    for (int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
      const T* from = grad + tiling.first_pixel(tile) * s.O;
      for (int64_t g = 0; g < s.groups; ++g) {
        const T* cols = patches(s, tiling, tile, g, buffer, x);
        kernels::blas_gemm<T>(true, false, s.group_out(), s.patch(), tiling.range(tile).size(), T(1),
                              from + g * s.group_out(), s.O, cols, s.patch(), T(1),
                              sums + g * s.group_out() * s.patch(), s.patch());
      }
    }
  });
  partial.finish();
}

template void im2col_conv2d(const ConvShape&, float*, const float*, const float*, const float*);
template void im2col_conv2d(const ConvShape&, double*, const double*, const double*, const double*);
template void im2col_input_grad(const ConvShape&, float*, const float*, const float*);
template void im2col_input_grad(const ConvShape&, double*, const double*, const double*);
template void im2col_weight_grad(const ConvShape&, float*, const float*, const float*);
template void im2col_weight_grad(const ConvShape&, double*, const double*, const double*);

}  // namespace kindling::detail
