// Caffe's files. A .caffemodel is a protobuf message, NetParameter (caffe.proto): the network's name, and one message
// for each layer with its name, its type and its tensors ("blobs"). A .prototxt is the definition of a network: the
// same message as text, with the layers' options and connections, but without tensors.
#pragma once

#include <string>
#include <vector>

#include <kindling/io/tensor_file.h>

namespace kindling {

struct CaffeLayer {
  std::string name;           ///< "fire2/squeeze1x1"
  std::string type;           ///< "Convolution", also if the file is older than these words
  std::vector<Tensor> blobs;  ///< f32 or f64, axes as in the file: a convolution's weight is [O, I, KH, KW]
};

struct CaffeNet {
  std::string path;  ///< of its file
  std::string name;  ///< "" if it has none
  std::vector<CaffeLayer> layers;
};

/// The layers with weights of a .caffemodel, in the file's order. Files of before 2015 are read
/// too. Their shapes have four axes; here an InnerProduct's weight is [O, I] and a bias [O]. Throws
/// FileError if no layer has weights, if two of these have one name, and if a blob's shape and its
/// elements disagree.
CaffeNet read_caffemodel(const std::string& path);

/// The tensors under names, in the same order: "conv1/weight" and "conv1/bias" of a Convolution,
/// Deconvolution, InnerProduct, Embed and Scale; "bn1/mean", "bn1/variance" and "bn1/count" of a
/// BatchNorm, where mean and variance are sums that are to be divided by the count; "LAYER/0",
/// "LAYER/1" and so on for others. The network's name is the note "name".
TensorFile to_tensor_file(const CaffeNet& net);

/// Writes `net`, whose path is not looked at, as a .caffemodel, atomically. The bytes depend on the
/// arguments alone. Throws FileError if two layers have one name, if a blob is not f32 or f64 or
/// has no elements, if all are more than the 2 GiB of protobuf, or if the file cannot be written.
void write_caffemodel(const std::string& path, const CaffeNet& net);

/// The layers of a .prototxt, in its order, without blobs: those of the phase TEST, which is that
/// of inference (level 0, no stages). Throws FileError if it is no text of protobuf.
CaffeNet read_prototxt(const std::string& path);

/// The layers of `net` that `definition` has too, in its order. The others are left out, as Caffe
/// does. Throws FileError, with all that does not fit, if a layer of the definition has another
/// type in `net`, or is missing there although layers of its type have weights.
CaffeNet arranged_as(const CaffeNet& definition, const CaffeNet& net);

}  // namespace kindling
