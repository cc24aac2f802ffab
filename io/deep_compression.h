// The compressed SqueezeNet v1.0 that its authors published (https://github.com/songhan/SqueezeNet-Deep-Compression):
// pruned, and the weights that are left share 256 values a layer (arXiv:1510.00149). Little-endian:
//   26 x u32    number of entries of each layer: conv1; squeeze1x1, expand1x1, expand3x3 of fire2 to fire9; conv10
//   then for each layer, with n entries and O output channels:
//   256 x f32   the codebook; value 0 is 0.0
//   O x f32     the biases
//   n x u8      the code of each entry: its number in the codebook
//   n x 4 bit   the zeros before each entry, two in a byte, the first in the lower half
// An entry's place in the weight [O, I, KH, KW] is that of the entry before it, plus one, plus the zeros between them.
// Where more than 15 zeros lie between two weights, entries of code 0 stand among them.
#pragma once

#include <string>
#include <vector>

#include <kindling/io/coded_tensor.h>
#include <kindling/io/tensor_file.h>

namespace kindling {

/// "conv1/weight" [96, 3, 7, 7], "conv1/bias" [96], "fire2/squeeze1x1/weight" and so on, with the
/// names that Caffe gives them. Notes: "entries" and "nonzero_weights" are numbers of the whole
/// file. Throws FileError if its length is not that of its counts, if a codebook's value 0 is not
/// 0, or if an entry lies outside of its weight.
TensorFile read_deep_compression(const std::string& path);
/// The same with codes instead of weights: each weight has the codebook of the file. Biases are
/// plain.
std::vector<CodedTensor> read_deep_compression_codes(const std::string& path);
/// The inverse. Entries of code 0 stand only where the file needs them, so a file of the authors
/// that was read is written again byte for byte. Codebooks of fewer than 256 values are filled up
/// with zeros. Throws FileError unless names, shapes and order are those above, if a weight has no
/// codebook or one of more than 256 values, or if the file cannot be written.
void write_deep_compression(const std::string& path, const std::vector<CodedTensor>& tensors);

}  // namespace kindling
