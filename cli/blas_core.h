// Which of its kernels OpenBLAS computes with.
#pragma once

#include <string>

namespace kindling::cli {

/// The kernels of OpenBLAS, by their OPENBLAS_CORETYPE, for what this processor can do, if those in use are for less:
/// OpenBLAS goes by a list of models, and one that is not in it gets kernels of 2004. Null if there is nothing to gain.
const char* better_blas_core();

/// If there is: what to do about it, in one line. Else "".
std::string blas_advice();

}  // namespace kindling::cli
