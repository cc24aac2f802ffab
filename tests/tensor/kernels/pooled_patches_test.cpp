#include <kindling/tensor/kernels/pooled_patches.h>

#include <kindling/tensor/kernels/table.h>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

template <class T>
void check_pooled_patches() {
  const kernels::Table<T>& kernel = kernels::table<T>();
  Rng rng(3);
  const int64_t channels = 5, ld = 7;
  const std::vector<int64_t> taps{0, 3, 11, 40};
  for (int64_t vectors = 1; vectors <= 17; ++vectors)
    for (const int64_t pixels : {1, 2, 9}) {
      INFO(pixels << " pixels, patches of " << vectors << " vectors of " << kernel.lanes);
      const int64_t width = vectors * kernel.lanes, step = 13;
      const Tensor grad = random({pixels, ld}, rng, dtype_of<T>());
      const Tensor patches = random({(pixels - 1) * step + taps.back() + width}, rng, dtype_of<T>());
      Tensor argmax = Tensor::empty({pixels, ld}, DType::u8), sums = random({channels, width}, rng, dtype_of<T>());
      for (int64_t i = 0; i < pixels * ld; ++i) argmax.data<uint8_t>()[i] = static_cast<uint8_t>(i * i % 4);
      Tensor expected = sums.clone();
      const kernels::PooledPatches<T> p{
          pixels, channels, grad.data<T>(), argmax.data<uint8_t>(), ld, patches.data<T>(), step, taps.data(), width};
      kernel.add_pooled_patches(p, sums.data<T>());
      kernels::naive_add_pooled_patches(p, expected.data<T>());
      check_close(sums, expected, sizeof(T) == 4 ? 1e-5 : 1e-13);
    }
}

}  // namespace

TEST_CASE("sums over the pixels that a pooling took are those of the loops") {
  for_each_isa([] {
    check_pooled_patches<float>();
    check_pooled_patches<double>();
  });
}
