// PyTorch's files of weights (.pth, .pt): what torch.save writes of a state_dict.
//
// Since version 1.6 such a file is a zip archive:
//
//   NAME/data.pkl           a pickle of the state_dict. Instead of its numbers, a tensor has the
//                           number of a storage, an offset, a shape and strides in elements
//   NAME/data/0, 1, ...     the storages: nothing but elements
//   NAME/byteorder          "little" or "big"; little if missing
//   NAME/version            "3"
//   NAME/extra/kindling.json   only in our files: the metadata, as a JSON object of texts. PyTorch
//                           ignores it
//
// Before, it was the same in one stream ("legacy"): pickles of a magic number, of the version 1001
// and of facts on the machine; the pickle of the state_dict; a pickle of the list of the storages'
// numbers; then for each storage the number of its elements (8 bytes) and the elements, little-endian.
#pragma once

#include <string>
#include <vector>

#include <kindling/io/tensor_file.h>

namespace kindling {

/// Reads either form, and runs nothing of the file (see pickle.h).
///
/// The names are the keys of the state_dict. Keys of nested dicts (and indices of lists) are joined
/// by dots. If the file is a checkpoint with an entry "state_dict", "model_state_dict" or "model"
/// that is a dict, the tensors of that alone are read, under their names in it. Texts, numbers and
/// booleans at the top become metadata, as text; what else is no tensor is passed over. A file that
/// holds one tensor and no dict gives it the name "".
///
/// Tensors are contiguous. Those that share a storage in the file may share memory here. Throws
/// FileError with path and offset if anything is wrong, if a tensor has another dtype than those of
/// StoredTensor, or if a deflated entry has more bytes than its tensor needs.
TensorFile read_pytorch(const std::string& path);

/// Writes the zip form, atomically, so that `torch.load(path, weights_only=True)` gives an
/// OrderedDict of the tensors in their order, and `model.load_state_dict` takes that. The metadata
/// go into the archive's entry "extra/kindling.json". The bytes depend on the arguments alone.
/// Throws FileError if a name repeats, if a text is not UTF-8, if there are more than 4 GB, or if
/// the file cannot be written.
void write_pytorch(const std::string& path, const std::vector<NamedTensor>& tensors, const Metadata& metadata = {});

}  // namespace kindling
