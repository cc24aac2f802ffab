// How long every layer of a model takes, pass by pass.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <kindling/cli/bench.h>
#include <kindling/nn/conv.h>
#include <kindling/nn/module.h>
#include <kindling/train/step_plan.h>

namespace kindling::cli {

/// A module without parts, with the shapes of one call.
struct LayerCall {
  std::string name;
  Module* module;
  Shape input, output;  ///< for one image
  bool first;           ///< its input is the image, of which no gradient is needed
  int64_t macs = 0;     ///< for one image
};
/// The layers in the order of their calls, from one call of `model` on [1, size, size, channels] in
/// evaluation mode.
std::vector<LayerCall> layer_calls(Module& model, const Shape& image);

/// How every convolution is computed: {"conv2": {"forward": "direct", "input_grad": "im2col",
/// "weight_grad": "direct"}, ...}, without the gradient of the image, which nobody needs. As
/// config.json of a run holds it.
nlohmann::json conv_methods(Module& model, const Shape& image);

struct PassTime {
  std::string pass;  ///< "forward", "input gradient", "weight gradient"; or "backward", of layers without products
  double ms = 0;     ///< for the batch, the median of the repetitions
  double gflop = 0;  ///< 0 of layers without products
  std::string method = {};  ///< of convolutions: how they are computed (ConvMethods)
};
struct LayerTime {
  std::string name, kind;
  std::vector<PassTime> passes;
};
/// Runs each layer alone, `repetitions` times, on random inputs. The batch is cut as `plan` says,
/// and all threads are used. Gradients are computed only if the model is in training mode. What
/// lies between layers (activations, concatenation, sums) is left out.
std::vector<LayerTime> time_layers(Module& model, const Shape& image, int64_t batch_size, const StepPlan& plan,
                                   int64_t repetitions, PeakMeter& peak);

}  // namespace kindling::cli
