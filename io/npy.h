// NumPy's files: .npy holds one array, and .npz is a zip archive of entries NAME.npy.
//
//   93 'NUMPY'      then two bytes of version: 1.0, 2.0 or 3.0
//   u16 or u32      length of the header, 2 bytes in version 1.0, else 4, little-endian
//   header          a dict as Python writes it, padded with blanks and a newline:
//                   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
//   elements        row by row, or column by column if fortran_order
#pragma once

#include <string>
#include <vector>

#include <kindling/io/tensor_file.h>

namespace kindling {

/// One array, named by the file without folder and ".npy". Reads f2, f4, f8, i1 to i8, u1 to u8 and
/// b1 in both byte orders. u2, u4 and u8 become i64. Throws FileError with path and offset for
/// everything else (Python objects, structures, complex numbers), for a u8 that i64 does not hold,
/// and if the file is damaged. Only an .npz has checksums.
TensorFile read_npy(const std::string& path);

/// All arrays, named by their entries without ".npy". An entry of another kind is an error.
TensorFile read_npz(const std::string& path);

/// Version 1.0, row by row, atomically.
void write_npy(const std::string& path, const Tensor& tensor);

/// Not compressed, atomically. Throws FileError if a name repeats or is not UTF-8, if there are
/// more than 4 GB, or if the file cannot be written.
void write_npz(const std::string& path, const std::vector<NamedTensor>& tensors);

}  // namespace kindling
