#include <kindling/tensor/kernels/tile.h>

#include <kindling/tensor/elementwise.h>

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
        const bool to_sum = rows % 2 == 0;
        const int64_t ldc = columns + 3;
        Tensor c =
            to_sum ? random({rows, ldc}, rng, dtype_of<T>()) : Tensor::full({rows, ldc}, kUntouched, dtype_of<T>());
        Tensor expected = c.clone();
        kernels::ProductTile<T> tile{a.data<T>(), lda,  segments.data(), 3, depth, b.data<T>(), add, c.data<T>(), ldc,
                                     used,        relu, to_sum};
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
  const int64_t lda = 30, pixels = 15;
  // All positive: a sum that nearly cancels would be compared with itself alone where the tile has one element.
  const Tensor a = abs(random({pixels * lda}, rng, dtype_of<T>()));
  for_each_tile<T>([&](int rows, int vectors, int columns) {
    const int64_t ldb = columns + 1, ldc = columns + 3;
    const Tensor b = abs(random({pixels * ldb}, rng, dtype_of<T>()));
    for (const int64_t used : {columns, columns - 1, 1})
      for (const bool add : {true, false}) {
        Tensor c =
            add ? abs(random({rows, ldc}, rng, dtype_of<T>())) : Tensor::full({rows, ldc}, kUntouched, dtype_of<T>());
        Tensor expected = c.clone();
        kernels::OuterTile<T> tile{a.data<T>(), lda, b.data<T>(), ldb, pixels, c.data<T>(), ldc, used, add};
        kernels::table<T>().outer_tile(rows, vectors, tile);
        tile.c = expected.data<T>();
        kernels::naive_outer_tile(rows, columns, tile);
        check_close(c.slice(1, 0, used), expected.slice(1, 0, used), kTolerance<T>);
        CHECK(bitwise_equal(c.slice(1, used, ldc), expected.slice(1, used, ldc)));

        tile.lines = 4;
        tile.pixels = 3;
        tile.line_a = lda + 1;
        tile.line_b = 3 * ldb;
        kernels::naive_outer_tile(rows, columns, tile);
        tile.c = c.data<T>();
        kernels::table<T>().outer_tile(rows, vectors, tile);
        check_close(c.slice(1, 0, used), expected.slice(1, 0, used), kTolerance<T>);
      }
  });
}

template <class T>
void check_copy_rows() {
  Rng rng(3);
  const Tensor from = random({7, 50}, rng, dtype_of<T>());
  for (int64_t n = 0; n <= 37; ++n) {
    Tensor to = Tensor::full({7, 41}, kUntouched, dtype_of<T>());
    const Tensor untouched = to.clone();
    kernels::table<T>().copy_rows(7, n, to.data<T>(), 41, from.data<T>(), 50);
    CHECK(bitwise_equal(to.slice(1, 0, n), from.slice(1, 0, n)));
    CHECK(bitwise_equal(to.slice(1, n, 41), untouched.slice(1, n, 41)));
  }
}

template <class T>
void check_transpose_rows() {
  Rng rng(4);
  const Tensor from = random({37, 40}, rng, dtype_of<T>());
  for (const int64_t rows : {0, 1, 3, 8, 16, 17, 37})
    for (const int64_t n : {0, 1, 2, 7, 8, 16, 19, 35}) {
      Tensor to = Tensor::full({35, 41}, kUntouched, dtype_of<T>());
      const Tensor untouched = to.clone();
      kernels::table<T>().transpose_rows(rows, n, to.data<T>(), 41, from.data<T>(), 40);
      CHECK(bitwise_equal(to.slice(0, 0, n).slice(1, 0, rows), from.slice(0, 0, rows).slice(1, 0, n).transpose()));
      CHECK(bitwise_equal(to.slice(0, n, 35), untouched.slice(0, n, 35)));
      CHECK(bitwise_equal(to.slice(1, rows, 41), untouched.slice(1, rows, 41)));
    }
}

}  // namespace

TEST_CASE("product tiles of every size are the loops, and write nothing beside their columns") {
  for_each_isa(check_product_tiles<float>);
  for_each_isa(check_product_tiles<double>);
}

TEST_CASE("outer tiles of every size are the loops, and write nothing beside their columns") {
  for_each_isa(check_outer_tiles<float>);
  for_each_isa(check_outer_tiles<double>);
}

TEST_CASE("rows of any length are copied, and nothing beside them") {
  for_each_isa(check_copy_rows<float>);
  for_each_isa(check_copy_rows<double>);
}

TEST_CASE("blocks of any size are transposed, and nothing beside them is written") {
  for_each_isa(check_transpose_rows<float>);
  for_each_isa(check_transpose_rows<double>);
}
