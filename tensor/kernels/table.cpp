#include <kindling/tensor/kernels/table.h>

#include <type_traits>

namespace kindling::kernels {

extern const Table<float> table_f32_baseline, table_f32_avx2, table_f32_avx512;
extern const Table<double> table_f64_baseline, table_f64_avx2, table_f64_avx512;

template <class T>
const Table<T>& table() {
  if constexpr (std::is_same_v<T, float>) {
#if defined(__x86_64__)
    if (isa() == Isa::avx512) return table_f32_avx512;
    if (isa() == Isa::avx2) return table_f32_avx2;
#endif
    return table_f32_baseline;
  } else {
#if defined(__x86_64__)
    if (isa() == Isa::avx512) return table_f64_avx512;
    if (isa() == Isa::avx2) return table_f64_avx2;
#endif
    return table_f64_baseline;
  }
}

template const Table<float>& table<float>();
template const Table<double>& table<double>();

}  // namespace kindling::kernels
