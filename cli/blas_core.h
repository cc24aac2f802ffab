// Which of its kernels OpenBLAS computes with.
#pragma once

#include <string>

namespace kindling::cli {

/// The OPENBLAS_CORETYPE of better kernels for this processor, or null if those in use are the
/// best. OpenBLAS goes by a list of models. A model that is not in it gets kernels of 2004.
const char* better_blas_core();

/// The name of the kernels in use, and whether the user's environment chose them: "Haswell (by
/// OPENBLAS_CORETYPE)".
std::string blas_core_text();

/// What to do if there are better kernels, in one line; else "".
std::string blas_advice();

}  // namespace kindling::cli
