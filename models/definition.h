// Options of models as text, for command lines and checkpoints.
#pragma once

#include <string>
#include <vector>

#include <kindling/models/registry.h>
#include <kindling/nn/module.h>

namespace kindling {

/// Words for the values of an enumeration, in their order: "none", "simple", "complex".
const std::vector<std::string>& bypass_words();
/// "torchvision", "caffe".
const std::vector<std::string>& form_words();
/// "none", "batch".
const std::vector<std::string>& norm_words();

/// `options` under the names of the command line ("classes", "bypass", "squeeze_ratio", ...).
/// Numbers that are 0 are left out, metaparameters that are those of the published networks, and
/// conv10_bias, which matters at the start alone.
Definition define(const std::string& model, const ModelOptions& options);

/// The inverse of define(). "filters" is none of the options, see models/filters.h. Throws Error,
/// naming the option, for one that is not known or has no such value.
ModelOptions options_of(const Definition& definition);

/// Of the pictures that the model takes. Throws Error as options_of() and model_info() do.
int64_t channels_of(const Definition& definition);

/// The model so defined, with new parameters, and as many filters as "filters" says. Throws Error
/// as the above and the other make_model do.
std::unique_ptr<Module> make_model(const Definition& definition, Rng& rng);

}  // namespace kindling
