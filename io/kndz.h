// Files of compressed networks, .kndz: weights as small integers, coded by Huffman's codes or by a range coder that
// learns. docs/kndz.md is the format.
#pragma once

#include <string>
#include <vector>

#include <kindling/io/coded_tensor.h>
#include <kindling/io/tensor_file.h>

namespace kindling {

enum class KndzCoder : uint8_t {
  huffman,  ///< canonical Huffman codes and relative indices, as in arXiv:1510.00149; fast
  range     ///< adaptive range coder with learned predictions; small
};

/// Everything in a file.
struct KndzFile {
  std::string path;
  std::vector<CodedTensor> tensors;
  Metadata notes;
};

/// What a tensor takes of a file, in bytes. The parts may have fractions.
struct KndzSize {
  std::string name;
  int64_t elements = 0, nonzero = 0;
  int64_t bytes = 0;    ///< all of it, with its checksum
  double places = 0;    ///< which elements are not 0: relative indices, or one adaptive bit each
  double codes = 0;     ///< the numbers of these elements; all of a plain tensor
  double codebook = 0;  ///< its values, and code lengths
  double entropy = 0;   ///< what all numbers, zeros too, would take if each was independent of the others (order 0);
                        ///< 0 of a plain tensor, which has no numbers
};

struct KndzSizes {
  std::vector<KndzSize> tensors;
  int64_t head = 0;   ///< names, shapes, methods
  int64_t notes = 0;  ///< class names and the like
  int64_t bytes = 0;  ///< the whole file
};

/// Writes a file, atomically, and says what takes how much of it. Values of a codebook that no
/// element has are left out, and the others are sorted. Throws Error if a tensor's parts do not fit
/// each other (check_coded), FileError if two have the same name, if a number is too large
/// (1,048,575; with Huffman's codes the span of a tensor's numbers is at most 65,536), or if the
/// file cannot be written.
KndzSizes write_kndz(const std::string& path, const std::vector<CodedTensor>& tensors, const Metadata& notes = {},
                     KndzCoder coder = KndzCoder::range);
/// What write_kndz() would say.
KndzSizes kndz_sizes(const std::vector<CodedTensor>& tensors, const Metadata& notes = {},
                     KndzCoder coder = KndzCoder::range);

/// Reads a file piece by piece. Throws FileError with path and byte if it is damaged: all of it is
/// under checksums. A tensor has at most 1024 elements for each byte that it takes of the file, so
/// a short file never takes much memory.
KndzFile read_kndz(const std::string& path);
/// The same with weights instead of codes.
TensorFile read_kndz_weights(const std::string& path);

}  // namespace kindling
