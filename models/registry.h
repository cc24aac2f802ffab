// Models by name, for command lines and checkpoints.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <kindling/models/form.h>
#include <kindling/models/squeezenet.h>

namespace kindling {

/// Numbers that are 0 stand for the model's own.
struct ModelOptions {
  int64_t classes = 0;
  int64_t channels = 0;  ///< of the images
  int64_t size = 0;      ///< pixels; matters to models with fully connected layers only
  Bypass bypass = Bypass::none;
  Form form = Form::torchvision;
  Norm norm = Norm::none;
  std::optional<double> dropout = {};      ///< probability; nothing: the model's own, 0.5
  std::optional<double> conv10_bias = {};  ///< of SqueezeNets, at the start; nothing: 0
  SqueezeNetMetaparameters metaparameters = {};
};

/// What a model was made for. A network with a single form has it under both names.
struct ModelInfo {
  int64_t classes;
  int64_t channels;
  int64_t size;           ///< pixels, of the input it was published with
  int64_t smallest_size;  ///< pixels; `size` if it can be made for no other
  bool any_size;          ///< once made, it takes images of all sizes from that on
};

/// "lenet", "alexnet", "alexnet_cifar", "squeezenet1_0", "squeezenet1_1", "squeezenet_cifar".
const std::vector<std::string>& model_names();

/// Throws Error, listing the names, for an unknown one.
ModelInfo model_info(const std::string& name, Form form = Form::torchvision);
/// Of a model with these options: with the pools of a SqueezeNet the smallest size changes. Throws
/// ShapeError for pools that do not make sense.
ModelInfo model_info(const std::string& name, const ModelOptions& options);

/// Images [N,size,size,channels] -> logits [N,classes]. Throws Error, listing the names, for an
/// unknown one, and for an option that the model does not have.
std::unique_ptr<Module> make_model(const std::string& name, const ModelOptions& options, Rng& rng);

}  // namespace kindling
