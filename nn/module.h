// Module: a part of a model. Plain members and one `visit`;
// parameters, modes, names, saving and summaries follow from it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <kindling/autograd/variable.h>
#include <kindling/tensor/out.h>

namespace kindling {

class Module;

/// The argument of Module::visit, which calls it once for each member, in the order of the forward
/// pass.
class Visitor {
 public:
  virtual ~Visitor() = default;
  /// A parameter. Undefined ones (a bias that is switched off) are passed over.
  virtual void operator()(std::string_view name, Variable& parameter) = 0;
  /// State that is saved with the parameters but not trained (running statistics).
  virtual void operator()(std::string_view name, Tensor& buffer) = 0;
  /// A part. The default descends into it.
  virtual void operator()(std::string_view name, Module& child);
  /// A part that may be exchanged for another (see nn/replace.h). The default goes on as above.
  virtual void operator()(std::string_view name, std::unique_ptr<Module>& child);
};

struct NamedParameter {
  std::string name;  ///< path of its module and own name: "fire2/squeeze/weight"
  Variable value;
};
struct NamedBuffer {
  std::string name;
  Tensor value;
};

/// What a model was made from, as text, for files that keep it: {"lenet", {{"classes", "10"},
/// ...}}.
struct Definition {
  std::string model;  ///< its name (see models/registry.h); empty: not known
  std::map<std::string, std::string> options = {};
  friend bool operator==(const Definition&, const Definition&) = default;
};

/// The base of layers and models. A derived class has its parameters and parts as plain members,
/// names them in `visit`, and computes in `forward`. Call the module, not forward: `y = layer(x)`
/// puts the layer's name on errors and graph nodes. Modules can be moved but not copied, because a
/// copy would share its parameters with the original.
class Module {
 public:
  Module() = default;
  Module(Module&&) = default;
  Module& operator=(Module&&) = default;
  virtual ~Module() = default;

  Variable operator()(const Variable& x) { return (*this)(x, {}); }
  /// With an offer of a place for the result, which the layer takes if it can: see forward_to.
  Variable operator()(const Variable& x, const Out& out);
  virtual void visit(Visitor& /*visitor*/) {}
  /// The kind of layer, as in "Conv2d"; for summaries.
  virtual std::string kind() const = 0;
  /// Multiply-accumulates of one call with these shapes, those of parts not counted (they count
  /// their own).
  virtual int64_t macs(const Shape& /*input*/, const Shape& /*output*/) const { return 0; }
  /// Shape of the result for an input of this shape, where the layer can tell without running.
  /// Throws ShapeError, as a call would, if the input does not fit.
  virtual std::optional<Shape> output_shape(const Shape& /*input*/) const { return std::nullopt; }

  /// Training mode (the default: dropout drops, batch norm uses the batch's statistics), for this
  /// and all parts.
  void train(bool on = true);
  void eval() { train(false); }
  bool training() const { return training_; }

  std::vector<NamedParameter> named_parameters();
  /// All of them, frozen ones too, in the order of visit.
  Variables parameters();
  std::vector<NamedBuffer> named_buffers();
  int64_t parameter_count();
  /// Of the first parameter; f32 if there is none.
  DType dtype();
  /// Whether it has parts, or is a layer by itself.
  bool has_parts();
  void zero_grad();
  /// Converts parameters and buffers (f64 for checking gradients). Make optimisers after it, not
  /// before.
  void to(DType dtype);

  /// What it was made from. Known for the models of models/, until a Sequential gets another layer.
  const Definition& definition() const { return definition_; }
  void set_definition(Definition definition) { definition_ = std::move(definition); }

  /// The name its owner gave it in visit; "" for a root.
  const std::string& name() const { return name_; }
  /// Gives the parts their names. operator() does this at its first call. Call it yourself before
  /// several threads call the module.
  void name_parts();

 protected:
  virtual Variable forward(const Variable& x) = 0;
  /// forward(x), written to `out`. Layers that cannot do that leave `out` alone; what they return
  /// then lies elsewhere.
  virtual Variable forward_to(const Variable& x, const Out& /*out*/) { return forward(x); }
  /// For containers: the next call names the parts again, and the definition holds no longer.
  void parts_changed() {
    parts_named_ = false;
    definition_ = {};
  }

 private:
  Definition definition_;
  std::string name_;
  bool training_ = true;
  bool parts_named_ = false;
};

/// Puts a model into evaluation mode while it lives, then each of its parts back into its own.
class EvaluationMode {
 public:
  explicit EvaluationMode(Module& model);
  ~EvaluationMode();
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;

 private:
  std::vector<std::pair<Module*, bool>> modes_;
};

}  // namespace kindling
