// The kernels for avx2; see table.inc.
#define KINDLING_VECTOR_BYTES 32
#define KINDLING_TABLE_F32 table_f32_avx2
#define KINDLING_TABLE_F64 table_f64_avx2
#include <kindling/tensor/kernels/table.inc>
