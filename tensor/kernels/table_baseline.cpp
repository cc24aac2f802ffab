// The kernels for baseline; see table.inc.
#define KINDLING_VECTOR_BYTES 16
#define KINDLING_TABLE_F32 table_f32_baseline
#define KINDLING_TABLE_F64 table_f64_baseline
#include <kindling/tensor/kernels/table.inc>
