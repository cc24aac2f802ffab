#include <kindling/tensor/kernels/tile.h>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

constexpr double kUntouched = 12345;

// Calls f(rows, vectors, columns of the whole tile) for every tile of the instruction set in use.
template <class T, class F>
void for_each_tile(F f) {
  const kernels::Table<T>& kernel = kernels::table<T>();
  for (int vectors = 1; vectors <= kernels::kMaxTileVectors; ++vectors)
    for (int rows = 1; rows <= kernel.tile_rows[vectors]; ++rows) {
      INFO(rows << " rows, " << vectors << " vectors of " << kernel.lanes);
      f(rows, vectors, vectors * kernel.lanes);
    }
}

// Some ulps of the 39 products, which may cancel to a small sum where only one element is compared.
template <class T>
constexpr double kTolerance = sizeof(T) == 4 ? 1e-5 : 1e-13;

template <class T>
void check_product_tiles() {
  Rng rng(1);
  const std::vector<int64_t> segments{0, 50, 20};
  const int64_t depth = 13, lda = 17;
  const Tensor a = random({600}, rng, dtype_of<T>());
  for_each_tile<T>([&](int rows, int vectors, int columns) {
    const Tensor b = random({3 * depth, columns}, rng, dtype_of<T>()), bias = random({columns}, rng, dtype_of<T>());
    for (const int64_t used : {columns, columns - 1, 1})
      for (const bool with_bias : {true, false}) {
        const T* add = with_bias ? bias.data<T>() : nullptr;
        const bool relu = used % 2 == 0;
        const int64_t ldc = columns + 3;
        Tensor c = Tensor::full({rows, ldc}, kUntouched, dtype_of<T>()), expected = c.clone();
        kernels::ProductTile<T> tile{a.data<T>(), lda, segments.data(), 3, depth, b.data<T>(), add, c.data<T>(), ldc,
                                     used,        relu};
        kernels::table<T>().product_tile(rows, vectors, tile);
        tile.c = expected.data<T>();
        kernels::naive_product_tile(rows, columns, tile);
        check_close(c.slice(1, 0, used), expected.slice(1, 0, used), kTolerance<T>);
        CHECK(bitwise_equal(c.slice(1, used, ldc), expected.slice(1, used, ldc)));  // nothing written beside it
      }
  });
}

template <class T>
void check_outer_tiles() {
  Rng rng(2);
  const int64_t a_row = 200, lda = 30;
  const Tensor a = random({600}, rng, dtype_of<T>());
  for_each_tile<T>([&](int rows, int vectors, int columns) {
    const int64_t ldb = columns + 1, ldc = columns + 3;
    const Tensor b = random({3 * 6 * ldb}, rng, dtype_of<T>());
    Tensor c = random({rows, ldc}, rng, dtype_of<T>()), expected = c.clone();
    kernels::OuterTile<T> tile{a.data<T>(), a_row, lda, b.data<T>(), 6 * ldb, ldb, 3, 5, c.data<T>(), ldc};
    kernels::table<T>().outer_tile(rows, vectors, tile);
    tile.c = expected.data<T>();
    kernels::naive_outer_tile(rows, columns, tile);
    check_close(c, expected, kTolerance<T>);
    CHECK(bitwise_equal(c.slice(1, columns, ldc), expected.slice(1, columns, ldc)));
  });
}

}  // namespace

TEST_CASE("product tiles of every size are the loops, and write nothing beside their columns") {
  for_each_isa(check_product_tiles<float>);
  for_each_isa(check_product_tiles<double>);
}

TEST_CASE("outer tiles of every size are the loops, and add to what is there") {
  for_each_isa(check_outer_tiles<float>);
  for_each_isa(check_outer_tiles<double>);
}
