#include <kindling/models/fire.h>

#include <utility>

#include <kindling/nn/norm.h>

namespace kindling {

Chain conv_and_norm(const std::string& name, int64_t in, int64_t out, ConvOptions options, Norm norm, Rng& rng) {
  Chain layers;
  if (norm == Norm::none) {
    layers.add(name, Conv2d(in, out, options, rng));
  } else {
    const bool relu = std::exchange(options.relu, false);
    options.bias = false;
    layers.add(name, Conv2d(in, out, options, rng));
    layers.add(name + "_bn", BatchNorm2d(out, {.relu = relu}));
  }
  return layers;
}

Fire::Fire(int64_t in, const FireWidths& widths, const FireOptions& o, Rng& rng)
    : squeeze_(conv_and_norm("squeeze", in, widths.s1x1, {.kernel = 1, .relu = true, .init = o.init}, o.norm, rng)),
      expand1x1_(conv_and_norm("expand1x1", widths.s1x1, widths.e1x1, {.kernel = 1, .relu = true, .init = o.init},
                               o.norm, rng)),
      expand3x3_(conv_and_norm("expand3x3", widths.s1x1, widths.e3x3,
                               {.kernel = 3, .padding = 1, .relu = true, .init = o.init}, o.norm, rng)),
      shortcut_(o.shortcut) {
  check(o.shortcut != Shortcut::identity || in == widths.out(), "fire", "the identity does not fit around ", in, " -> ",
        widths.out(), " channels");
  if (o.shortcut == Shortcut::identity) bypass_ = Chain();
  if (o.shortcut == Shortcut::conv)
    bypass_ = conv_and_norm("bypass", in, widths.out(), {.kernel = 1, .init = o.init}, o.norm, rng);
}

Variable Fire::forward(const Variable& x) {
  const Variable s = squeeze_(x);
  Variable y = concat_channels(s, {&expand1x1_, &expand3x3_});
  return bypass_ ? bypass_->add_onto(std::move(y), x) : y;
}

void Fire::visit(Visitor& visitor) {
  squeeze_.visit(visitor);
  expand1x1_.visit(visitor);
  expand3x3_.visit(visitor);
  if (bypass_) bypass_->visit(visitor);
}

}  // namespace kindling
