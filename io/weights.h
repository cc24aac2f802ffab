// A model's parameters and buffers as tensors of a file, each under its name.
#pragma once

#include <string>
#include <vector>

#include <kindling/io/safetensors.h>
#include <kindling/io/tensor_file.h>
#include <kindling/nn/module.h>

namespace kindling {

struct LoadOptions {
  /// If true, throws if anything does not fit. Otherwise loads what fits by name, shape and type,
  /// and reports the rest.
  bool strict = true;
  /// The path of a layer that may differ all the same, as "conv10": of it, what fits is loaded
  /// only if all of it fits. The report says what did not. Empty: no layer.
  std::string except = {};
};

/// What did not fit; each entry is ready to be shown, as in "conv10/weight [10, 1, 1, 512]".
struct LoadReport {
  std::vector<std::string> missing;     ///< in the model, not in the file
  std::vector<std::string> unexpected;  ///< in the file, not in the model
  std::vector<std::string> misshaped;   ///< in both: "conv10/weight: file [1000, 1, 1, 512], model [10, 1, 1, 512]"
  std::vector<std::string> mistyped;    ///< integers for weights: "fc1/weight: file has U8, the model needs ..."
  bool empty() const { return missing.empty() && unexpected.empty() && misshaped.empty() && mistyped.empty(); }
};

/// The report as text of several lines, which begins with `path`.
std::string describe(const std::string& path, const LoadReport& report);

/// Fills parameters and buffers from a file of weights or a checkpoint, whose other state is
/// ignored. Numbers are converted to the model's dtype, but integers never to floating point.
/// Throws FileError, with everything that does not fit, unless all names and shapes agree. The
/// model is unchanged then.
LoadReport load(Module& module, const TensorFile& file, const LoadOptions& options = {});

/// Names that begin with this are state of a training run, not weights.
inline constexpr char kStatePrefix[] = "@";
/// All parameters, then all buffers. The tensors are the module's own, not copies. Throws Error if
/// a name begins with kStatePrefix.
std::vector<NamedTensor> named_tensors(Module& module);

}  // namespace kindling
