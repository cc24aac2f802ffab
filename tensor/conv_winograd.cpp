// 3x3 convolutions by Winograd's F(2x2, 3x3) (kernels/winograd.h): 4 products for each 9 of the definition. Tiles are
// taken some at a time, so that their transforms stay in L2: patches are transformed, then for every panel of output
// channels 16 matrix products by the micro-kernel, and the panel's tiles transformed back.
#include <algorithm>

#include <kindling/tensor/constant_weights.h>
#include <kindling/tensor/conv.h>
#include <kindling/tensor/conv_winograd.h>
#include <kindling/tensor/kernels/tile.h>
#include <kindling/tensor/kernels/winograd.h>

namespace kindling::detail {
namespace {

using kernels::ConvShape;

// Below, the transforms cost what the products save.
constexpr int64_t kMinChannels = 16;

// G g G^T for the filters of input channel k and output channels [first, first + used), as rows of a panel.
template <class T, class Element>
void pack_row(int64_t used, int64_t columns, T* to, int64_t plane, Element element) {
  constexpr int64_t kMaxColumns = kernels::kMaxTileVectors * 16;
  T g[9][kMaxColumns], t[4][3][kMaxColumns];
  for (int64_t tap = 0; tap < 9; ++tap) {
    for (int64_t j = 0; j < used; ++j) g[tap][j] = element(tap, j);
    std::fill(g[tap] + used, g[tap] + columns, T(0));
  }
  const auto transform = [columns](const T* a, const T* b, const T* c, T* t0, T* t1, T* t2, T* t3) {
    for (int64_t j = 0; j < columns; ++j) {
      const T outer = T(0.5) * (a[j] + c[j]), inner = T(0.5) * b[j];
      t0[j] = a[j];
      t1[j] = outer + inner;
      t2[j] = outer - inner;
      t3[j] = c[j];
    }
  };
  for (int64_t q = 0; q < 3; ++q) transform(g[q], g[3 + q], g[6 + q], t[0][q], t[1][q], t[2][q], t[3][q]);
  for (int64_t i = 0; i < 4; ++i) {
    T* row = to + 4 * i * plane;
    transform(t[i][0], t[i][1], t[i][2], row, row + plane, row + 2 * plane, row + 3 * plane);
  }
}

// [panel][point][input channel][column].
template <class T>
Tensor pack(const ConvShape& s, const Panels& panels, const T* w, bool turned) {
  const int64_t plane = s.C * panels.columns;
  Tensor packed = Tensor::empty({panels.count, kPoints, s.C, panels.columns}, dtype_of<T>());
  parallel_for(panels.count * s.C, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t panel = i / s.C, k = i % s.C, first = panel * panels.columns;
      pack_row(panels.used_columns(panel), panels.columns,
               packed.data<T>() + panel * kPoints * plane + k * panels.columns, plane, [&](int64_t tap, int64_t j) {
                 return turned ? w[(k * 9 + 8 - tap) * s.O + first + j] : w[((first + j) * 9 + tap) * s.C + k];
               });
    }
  });
  return packed;
}

}  // namespace

bool uses_winograd(const ConvShape& s) {
  return conv_algorithm() == ConvAlgorithm::automatic && s.KH == 3 && s.KW == 3 && s.stride_h == 1 && s.stride_w == 1 &&
         s.dilation_h == 1 && s.dilation_w == 1 && s.groups == 1 && s.C >= kMinChannels && s.O >= kMinChannels;
}

template <class T>
void winograd_conv2d(const ConvShape& s, Pixels<T> y, bool add, Pixels<const T> x, const Tensor& weight, bool turned,
                     const T* bias, bool relu) {
  const kernels::Table<T>& kernel = kernels::table<T>();
  const Panels panels(kernel, s.O);
  const Tensor packed =
      ConstantWeights::packed(weight, turned ? -2 : -1, [&] { return pack<T>(s, panels, weight.data<T>(), turned); });
  const Tiles tiles(s);
  const int64_t largest = largest_block(s);
  const int64_t tasks = in_parallel() ? 1 : std::clamp<int64_t>(tiles.count / kMinTaskTiles, 1, kMinTasks);
  const int64_t blocks = std::max(ceil_div(tiles.count, largest), tasks);
  const int64_t capacity = ceil_div(tiles.count, blocks), panel_size = kPoints * s.C * panels.columns;
  parallel_for(blocks, 1, [&](int64_t block, int64_t) {
    const int64_t first = block * tiles.count / blocks, count = (block + 1) * tiles.count / blocks - first;
    Tensor buffer = Tensor::empty({kPoints * capacity * (s.C + panels.columns) + kPoints * s.C}, dtype_of<T>());
    T* const v = buffer.data<T>();
    T* const m = v + kPoints * capacity * s.C;
    T* const patch_buffer = m + kPoints * capacity * panels.columns;
    const int64_t v_plane = capacity * s.C, m_plane = capacity * panels.columns;
    transform_patches(s, tiles, first, count, x, v, v_plane, patch_buffer);
    constexpr int64_t kOneSegment = 0;
    for (int64_t panel = 0; panel < panels.count; ++panel) {
      const int64_t channel = panel * panels.columns, used = panels.used_columns(panel);
      for (int64_t point = 0; point < kPoints; ++point) {
        const T* weights = packed.data<T>() + panel * panel_size + point * s.C * panels.columns;
        for_each_piece(count, panels.max_rows, [&](int64_t begin, int64_t rows) {
          kernel.product_tile(static_cast<int>(rows), panels.vectors,
                              {v + point * v_plane + begin * s.C, s.C, &kOneSegment, 1, s.C, weights, nullptr,
                               m + point * m_plane + begin * panels.columns, panels.columns, panels.columns,
                               /*relu=*/false, /*add=*/false});
        });
      }
      for (int64_t t = 0; t < count; ++t) {
        const TilePlace at = tiles.place(s, first + t);
        kernel.winograd_output(used,
                               {y.data + at.pixel * y.ld + channel, s.OW * y.ld, y.ld, at.rows, at.columns,
                                bias != nullptr ? bias + channel : nullptr, relu, add},
                               m + t * panels.columns, m_plane);
      }
    }
  });
}

template void winograd_conv2d(const ConvShape&, Pixels<float>, bool, Pixels<const float>, const Tensor&, bool,
                              const float*, bool);
template void winograd_conv2d(const ConvShape&, Pixels<double>, bool, Pixels<const double>, const Tensor&, bool,
                              const double*, bool);

}  // namespace kindling::detail
