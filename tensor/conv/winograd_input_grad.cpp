// The gradient of a convolution with respect to its input, by the adjoint of Winograd's minimal filtering: with z of a
// tile's gradient (kernels/winograd.h: grad) and u of the weights (filter), its patch of dx gets
//   input_grad(u^T . z).
// Over channels each point is a matrix product [tiles, O] x [O, C]. Patches overlap, so images are the tasks.
#include <algorithm>

#include <kindling/tensor/conv/winograd.h>

namespace kindling::detail {

using kernels::ConvShape;
using kernels::WinogradScheme;
using kernels::WinogradTransforms;

template <class T>
void winograd_input_grad(WinogradScheme scheme, const ConvShape& s, T* dx, bool add, Pixels<const T> grad,
                         const Tensor& weight) {
  const WinogradTransforms<T>& winograd = transforms<T>(scheme);
  const Panels panels(kernels::table<T>(), s.C);
  const T* w = weight.data<T>();
  const Tensor packed =
      packed_filters<T>(scheme, WeightPacking::Product::adjoint, weight, s.O, panels, [&](int64_t tap) {
        return Matrix<T>{w + tap * s.C, s.patch()};
      });
  const Tiles tiles(s, winograd);
  const int64_t tiles_an_image = tiles.down * tiles.across, points = tiles.points;
  const int64_t capacity = std::min(tiles.largest_block(s.O), tiles.count);
  parallel_for(s.N, ceil_div(s.N, kMinTasks), [&](int64_t first_image, int64_t last_image) {
    if (!add) std::fill(dx + first_image * s.H * s.W * s.C, dx + last_image * s.H * s.W * s.C, T(0));
    const int64_t z_plane = plane_of<T>(capacity * s.O), v_plane = plane_of<T>(capacity * panels.columns);
    Tensor buffer = Tensor::empty({points * (z_plane + v_plane)}, dtype_of<T>());
    T* const z = buffer.data<T>();
    T* const v = z + points * z_plane;
    const int64_t first_tile = first_image * tiles_an_image, all = (last_image - first_image) * tiles_an_image;
    for_each_piece(all, capacity, [&](int64_t done, int64_t count) {
      const int64_t first = first_tile + done;
      for (int64_t t = 0; t < count; ++t) {
        const TilePlace at = tiles.place(s, first + t);
        winograd.grad(s.O, z + t * s.O, z_plane, grad.data + at.pixel * grad.ld, s.OW * grad.ld, grad.ld, at.rows,
                      at.columns);
      }
      for (int64_t panel = 0; panel < panels.count; ++panel) {
        const int64_t channel = panel * panels.columns;
        multiply_points<T>(panels, tiles, count, {z, s.O, z_plane}, packed.data<T>(), panel, v, v_plane);
        for (int64_t t = 0; t < count; ++t) {
          winograd.input_grad(panels.used_columns(panel),
                              patch_of(s, tiles.side, tiles.place(s, first + t), Pixels<T>{dx + channel, s.C}),
                              v + t * panels.columns, v_plane);
        }
      }
    });
  });
}

template void winograd_input_grad(WinogradScheme, const ConvShape&, float*, bool, Pixels<const float>, const Tensor&);
template void winograd_input_grad(WinogradScheme, const ConvShape&, double*, bool, Pixels<const double>, const Tensor&);

}  // namespace kindling::detail
