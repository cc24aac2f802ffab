// The Fire module, which SqueezeNets are made of. Iandola et al., arXiv:1602.07360.
#pragma once

#include <optional>
#include <string>

#include <kindling/nn/chain.h>
#include <kindling/nn/conv.h>

namespace kindling {

/// `batch`: batch normalisation after every convolution but conv10 (not in the paper). Those
/// convolutions then have no bias, which the normalisation would take away again.
enum class Norm : uint8_t { none, batch };

/// A convolution, for Norm::batch with its normalisation behind it: layers `name` and `name`_bn.
/// The ReLU, where the options ask for one, comes last.
Chain conv_and_norm(const std::string& name, int64_t in, int64_t out, ConvOptions options, Norm norm, Rng& rng);

/// Channels of a Fire module, by their names in Table 1: of the squeeze layer, and of the two
/// halves of the expand layer.
struct FireWidths {
  int64_t s1x1, e1x1, e3x3;
  int64_t out() const { return e1x1 + e3x3; }
  friend bool operator==(const FireWidths&, const FireWidths&) = default;
};

/// Figure 2: what is added to a Fire module's result. Its input, or a 1x1 convolution of its input.
enum class Shortcut : uint8_t { none, identity, conv };

struct FireOptions {
  Shortcut shortcut = Shortcut::none;
  Norm norm = Norm::none;
  Initializer init = init::kaiming_uniform();
};

/// The Fire module (section 3.2, Figure 1): a 1x1 convolution squeezes the channels, then a 1x1 and
/// a 3x3 convolution side by side expand them. ReLU follows each of the three.
///   s = squeeze(x)                                         [N,H,W,in] -> [N,H,W,s1x1]
///   y = concat({expand1x1(s), expand3x3(s)}, channels)     -> [N,H,W,e1x1 + e3x3]
/// With a shortcut the result is y + x, or y + bypass(x), without a ReLU after the sum. Layers:
/// squeeze, expand1x1, expand3x3, bypass.
class Fire : public Module {
 public:
  /// Throws ShapeError if an identity does not fit: if `in` is not e1x1 + e3x3.
  Fire(int64_t in, const FireWidths& widths, const FireOptions& options, Rng& rng);

  void visit(Visitor& visitor) override;
  std::string kind() const override { return "Fire"; }
  Shortcut shortcut() const { return shortcut_; }

 protected:
  Variable forward(const Variable& x) override;

 private:
  Chain squeeze_, expand1x1_, expand3x3_;
  Shortcut shortcut_;
  std::optional<Chain> bypass_;  ///< without layers: the identity
};

}  // namespace kindling
