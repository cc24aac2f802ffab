// The kernels for avx512; see table.inc.
#define KINDLING_VECTOR_BYTES 64
#define KINDLING_TABLE_F32 table_f32_avx512
#define KINDLING_TABLE_F64 table_f64_avx512
#include <kindling/tensor/kernels/table.inc>
