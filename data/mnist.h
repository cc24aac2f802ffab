// MNIST and what else comes as IDX files.
#pragma once

#include <string>

#include <kindling/data/dataset.h>

namespace kindling::data {

/// An IDX file of unsigned bytes, plain or gzipped. It has a big-endian magic number 0x000008RR (RR
/// = number of axes), the sizes, and the elements in row-major order. Returns u8 of that shape.
/// Throws FileError with the byte offset if the magic number is another, or the file is too short
/// or too long.
Tensor read_idx(const std::string& path);

/// Reads train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
/// t10k-labels-idx1-ubyte in `path`; each may end in .gz. Inputs are u8 [H,W,1] (28x28 for MNIST).
/// Throws FileError if a file is missing, if images and labels differ in number, or if a label is
/// above 9.
Splits mnist(const std::string& path, const HoldOut& hold_out = {});
/// The part t10k alone.
DatasetPtr mnist_test(const std::string& path);

}  // namespace kindling::data
