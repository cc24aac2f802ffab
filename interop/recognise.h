// Which model a file of weights is for, by the names and shapes of its tensors.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <kindling/interop/description.h>
#include <kindling/interop/names.h>
#include <kindling/io/tensor_file.h>

namespace kindling {

/// Options of a model, each with the values to choose from.
using Choices = std::map<std::string, std::vector<std::string>>;
/// With the prefix "--": "--bypass none or simple, --model squeezenet1_1 or squeezenet_cifar".
std::string describe(const Choices& choices, const std::string& prefix = "");

struct Recognised {
  Description description = {};  ///< what is certain; its pixels by the names, if they are ImageNet's
  Naming naming = Naming::kindling;
  /// What names and shapes leave open, and the values to choose from: {"bypass", {"none",
  /// "simple"}}, as a simple bypass adds no tensor; {"model", {"squeezenet1_1",
  /// "squeezenet_cifar"}}, which have the same shapes; {"form", ...} of squeezenet1_0, as it
  /// changes the padding. The description then has the first of them.
  Choices open = {};
  bool by_names = false;  ///< the file says nothing of itself; all this is by its tensors
};

/// What the file says of itself (to_metadata()), or what its names and shapes tell. Nothing if it
/// is for no model of models/registry.h. Files with names of torchvision or Caffe are taken for the
/// published networks, without bypass, where nothing else is known; what they leave open then is
/// nothing. The last layer may have another name and another number of classes. Throws FileError
/// for a description that cannot be read, and for a model that is much larger than the file.
std::optional<Recognised> recognise(const TensorFile& file);

/// The shape, in Kindling's order of axes, of the file's tensor that is the model's `tensor`.
/// Nothing if the file has none of that name. `model` is a name of the registry.
std::optional<Shape> shape_in(const TensorFile& file, const std::string& model, const std::string& tensor,
                              Naming naming);

/// The file's tensors under Kindling's names and in its order of axes, where `model`, whose name in
/// the registry is `name`, has such a tensor; the others as they are. The inputs of a layer behind
/// a Flatten are reordered too: channels come first in the other frameworks, and last here.
TensorFile translated(const TensorFile& file, Module& model, const std::string& name, Naming naming);

/// The model's tensors with the names and the order of axes of `naming`: the inverse.
std::vector<NamedTensor> foreign_tensors(Module& model, const std::string& name, Naming naming);

}  // namespace kindling
