// A part of a Sequential as a module.
#pragma once

#include <kindling/nn/sequential.h>

namespace kindling {

/// The layers [begin, end) of a Sequential, by their number from 0, as a module. They stay those of
/// the Sequential, which must outlive this, and keep their names.
class LayerRange : public Module {
 public:
  /// Throws ShapeError unless 0 <= begin <= end <= whole.size().
  LayerRange(Sequential& whole, int64_t begin, int64_t end);

  void visit(Visitor& visitor) override { whole_.layers().visit(visitor, begin_, end_); }
  std::string kind() const override { return "LayerRange"; }

 protected:
  Variable forward(const Variable& x) override { return whole_.layers().run(x, begin_, end_); }

 private:
  Sequential& whole_;
  int64_t begin_, end_;
};

}  // namespace kindling
