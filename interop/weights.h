// Models from files of weights and back, in every format of io/ and with the names of every framework.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <kindling/interop/description.h>
#include <kindling/interop/names.h>
#include <kindling/interop/recognise.h>
#include <kindling/io/weights.h>
#include <kindling/nn/module.h>

namespace kindling {

/// A file of weights with what is known of it. Of a checkpoint, the state of the run is not read.
struct WeightsFile {
  /// Reads any format of read_tensor_file(). Formats that hold no notes have them beside: in
  /// `path`.json, if it exists. With a `prototxt`, `path` is a .caffemodel, and its layers are
  /// those of the definition, in its order (see arranged_as()).
  explicit WeightsFile(const std::string& path, const std::string& prototxt = "");

  TensorFile file;
  std::optional<Recognised> known;  ///< nothing: for no model of the registry
};

/// Fills the model's parameters and buffers from a file of weights or a checkpoint, whose other
/// state is ignored. Names of torchvision and Caffe, and their order of axes, are recognised.
/// Numbers are converted to the model's dtype, but integers never to floating point. Throws
/// FileError, with everything that does not fit, unless all names and shapes agree (see
/// LoadOptions). The model is unchanged then.
LoadReport load(Module& model, const std::string& path, const LoadOptions& options = {});
LoadReport load(Module& model, const WeightsFile& weights, const LoadOptions& options = {});

/// Makes of a whole model the smaller one whose weights the file holds: with as many filters
/// (models/filters.h), and with its factored layers (nn/factored.h). To be called before load().
/// Throws FileError if they are not those of such a model.
void shrink_as_in(Module& model, const WeightsFile& weights);

/// What a file says of itself; empty if it says nothing. Of safetensors the header alone is read.
Description read_description(const std::string& path);

/// The model that the file describes or that its names and shapes tell, with its weights, in
/// evaluation mode. It is as small as the file's (shrink_as_in()). Throws
/// FileError if no model is known, or if several may be meant: then make the right one and load()
/// it. Throws as load() does.
std::unique_ptr<Module> load_model(const std::string& path);
std::unique_ptr<Module> load_model(const WeightsFile& weights);

/// Writes every parameter and buffer of the model, and what is known of it, atomically. The format
/// is that of the name: .safetensors (and any other ending), .pth and .pt for PyTorch, .caffemodel,
/// .npz. The names are torchvision's in PyTorch's format, Caffe's in Caffe's, and Kindling's in the
/// others, unless `naming` says otherwise. Throws FileError if it cannot be written, and for a
/// .caffemodel of a model that is not in the registry.
void save(Module& model, const std::string& path, std::optional<Naming> naming = {});
/// As above, with a description of one's own.
void save(Module& model, const std::string& path, const Description& description, std::optional<Naming> naming = {});

}  // namespace kindling
