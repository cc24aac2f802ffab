#include <kindling/nn/replace.h>

#include <optional>
#include <string_view>
#include <vector>

#include <kindling/nn/observer.h>

namespace kindling {
namespace {

/// Looks for a part of a module by its name.
class PartSearch final : public Visitor {
 public:
  PartSearch(Module& owner, std::string_view name) : name_(name) { owner.visit(*this); }

  void operator()(std::string_view, Variable&) override {}
  void operator()(std::string_view, Tensor&) override {}
  void operator()(std::string_view name, Module& part) override {
    names.append(" ").append(name);
    if (name == name_) found = &part;
  }
  void operator()(std::string_view name, std::unique_ptr<Module>& part) override {
    (*this)(name, *part);
    if (name == name_) holder = &part;
  }

  Module* found = nullptr;
  std::unique_ptr<Module>* holder = nullptr;  ///< null where the part is a plain member
  std::string names;                          ///< of all parts, each behind a space

 private:
  std::string_view name_;
};

struct Place {
  std::unique_ptr<Module>* part;
  std::vector<Module*> owners;  ///< from the model down
};

Place find(Module& model, const std::string& path) {
  Place place{nullptr, {&model}};
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const PartSearch search(*place.owners.back(), std::string_view(path).substr(begin, end - begin));
    if (search.found == nullptr)
      throw Error("replace: the model has no part '" + path + "'; " + (begin == 0 ? "it" : path.substr(0, begin - 1)) +
                  " has" + (search.names.empty() ? " none" : ":" + search.names));
    place.part = search.holder;
    place.owners.push_back(search.found);
    begin = end + 1;
  }
  if (place.part == nullptr)
    throw Error("replace: '" + path + "' is a plain member of its module and cannot be exchanged");
  place.owners.pop_back();
  return place;
}

struct Shapes {
  Shape input, output;
};

/// What `part` of the model is given and puts out for an input of that shape.
std::optional<Shapes> shapes_around(Module& model, const Module& part, const Shape& input) {
  std::optional<Shapes> shapes;
  const CallObserver observer([&](Module& module, const std::string&, const Variable& x, const Variable& y) {
    if (&module == &part) shapes = {x.shape(), y.shape()};
  });
  const EvaluationMode evaluation(model);
  const NoGrad no_grad;
  model(Tensor::zeros(input, model.dtype()));
  return shapes;
}

Module& exchange(Module& model, const Place& place, std::unique_ptr<Module> layer) {
  layer->train((*place.part)->training());
  *place.part = std::move(layer);
  for (Module* owner : place.owners) owner->set_definition({});
  model.name_parts();
  return **place.part;
}

}  // namespace

Module& replace(Module& model, const std::string& path, std::unique_ptr<Module> layer, const Shape& input) {
  const Place place = find(model, path);
  Module& old = **place.part;
  const std::optional<Shapes> shapes = shapes_around(model, old, input);
  if (!shapes) throw Error("replace: the model does not call '" + path + "'");
  {
    const Scope scope(path);
    const EvaluationMode evaluation(*layer);
    const NoGrad no_grad;
    const Shape output = (*layer)(Tensor::zeros(shapes->input, model.dtype())).shape();
    check(output == shapes->output, "replace", "the new layer makes ", output, " of ", shapes->input,
          ", the old one makes ", shapes->output);
  }
  return exchange(model, place, std::move(layer));
}

Module& replace(Module& model, const std::string& path, FunctionRef<std::unique_ptr<Module>(Module& old_layer)> make) {
  const Place place = find(model, path);
  return exchange(model, place, make(**place.part));
}

}  // namespace kindling
