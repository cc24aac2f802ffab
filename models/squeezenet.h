// SqueezeNet: v1.0, v1.1, a form for CIFAR, and the family of the paper's section 5. Iandola et al., arXiv:1602.07360.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include <kindling/models/form.h>
#include <kindling/nn/conv.h>
#include <kindling/nn/dropout.h>
#include <kindling/nn/norm.h>
#include <kindling/nn/pool.h>

namespace kindling {

/// Figure 2: shortcuts around Fire modules. `simple`: the input is added where it
/// has as many channels as the output (fire3, 5, 7, 9). `complex`: also, through a
/// 1x1 convolution, where it has not (fire2, 4, 6, 8). Published networks have none.
enum class Bypass : uint8_t { none, simple, complex };

/// `batch`: batch normalisation after every convolution but conv10 (not in the paper); those convolutions then have no
/// bias, which the normalisation would take away again.
enum class Norm : uint8_t { none, batch };

struct SqueezeNetOptions {
  int64_t classes = 0;  ///< 0: of the data the network was made for, 1000 (ImageNet) or 10 (CIFAR)
  Bypass bypass = Bypass::none;
  Form form = Form::torchvision;
  Norm norm = Norm::none;
  int64_t channels = 3;  ///< of the image
  double dropout = 0.5;  ///< before conv10
  /// Where conv10's bias starts; 0 in the paper. Softmax does not see a constant in all logits, but the ReLU behind
  /// conv10 does: from 0 its maps often fall below 0 in the first updates and never learn again; from 1 they stay in
  /// its range (as Krizhevsky et al. 2012, section 5, started biases at 1).
  double conv10_bias = 0.0;
};

/// Channels of a Fire module: of the squeeze layer, and of the two halves of the expand layer.
struct FireWidths {
  int64_t s1x1, e1x1, e3x3;
  friend bool operator==(const FireWidths&, const FireWidths&) = default;
};
/// fire2 ... fire9.
using FireTable = std::array<FireWidths, 8>;

/// A convolution, perhaps with ReLU, and for Norm::batch its normalisation, which ReLU then follows: parts `name` and
/// `name`_bn of the module that owns it.
struct NormedConv {
  Conv2d conv;
  std::optional<BatchNorm2d> bn;

  NormedConv(int64_t in, int64_t out, const ConvOptions& options, Norm norm, Rng& rng);
  /// The result may be written to `place`, if that is defined (see ResultPlace).
  Variable operator()(const Variable& x, const Tensor& place = {});
  /// pool of that, in one operation if nothing lies between convolution and pool (Conv2d::then).
  Variable then(MaxPool2d& pool, const Variable& x);
  void visit(Visitor& visitor, const std::string& name);
};

/// The Fire module (section 3.2, Figure 1): a 1x1 convolution squeezes the channels, then 1x1 and 3x3 convolutions side
/// by side expand them: [N,H,W,in] -> [N,H,W,e1x1+e3x3]. ReLU follows each of the three.
class Fire : public Module {
 public:
  Fire(int64_t in, const FireWidths& widths, Rng& rng, const Initializer& init = init::kaiming_uniform(),
       Norm norm = Norm::none);

  NormedConv squeeze, expand1x1, expand3x3;

  void visit(Visitor& visitor) override;
  std::string kind() const override { return "Fire"; }

 protected:
  Variable forward(const Variable& x) override;
};

/// What the members of the family differ in.
struct SqueezeNetLayout {
  int64_t conv1_channels;
  Size2 conv1_kernel, conv1_stride, conv1_padding;  ///< pixels
  FireTable fires;
  std::vector<int64_t> pools_after;  ///< numbers of the Fire modules that a max pool follows; one always follows conv1
  int64_t conv10_padding = 0;        ///< pixels
  bool relu10 = true;                ///< whether conv10's map goes through ReLU before it is averaged
  int64_t classes = 1000;            ///< where the options leave them open
};

/// conv1, maxpool1, fire2 ... fire9 with a max pool after some, dropout9, conv10, avgpool10: images [N,H,W,channels] ->
/// logits [N,classes] for any size that leaves a pixel after the last pool. The average of conv10's map is the logit;
/// there is no fully connected layer.
class SqueezeNet : public Module {
 public:
  SqueezeNet(const SqueezeNetLayout& layout, const SqueezeNetOptions& options, Rng& rng);

  void visit(Visitor& visitor) override;
  std::string kind() const override { return "SqueezeNet"; }

 protected:
  Variable forward(const Variable& image) override;

 private:
  /// A Fire module, the bypass around it and the pool after both, where there are any.
  struct Stage {
    int64_t number;  ///< 4 of "fire4"
    Fire fire;
    bool identity_bypass = false;
    std::optional<NormedConv> conv_bypass = {};
    std::optional<MaxPool2d> maxpool = {};
  };
  static std::vector<Stage> make_stages(const SqueezeNetLayout& layout, const SqueezeNetOptions& options, Rng& rng);

  NormedConv conv1_;
  MaxPool2d maxpool1_;
  std::vector<Stage> stages_;
  Dropout dropout9_;
  Conv2d conv10_;
  GlobalAvgPool avgpool10_;
};

/// Table 1 of the paper: 1,248,424 parameters; smallest image 21 pixels.
SqueezeNet squeezenet1_0(const SqueezeNetOptions& options, Rng& rng);
/// The authors' second release: v1.0's accuracy for 2.4 times less
/// computing. 1,235,496 parameters; smallest image 17 pixels.
SqueezeNet squeezenet1_1(const SqueezeNetOptions& options, Rng& rng);
/// v1.1 for images of 32 pixels: conv1 keeps the size, and
/// conv10's map is averaged without ReLU. Smallest image 8 pixels.
SqueezeNet squeezenet_cifar(const SqueezeNetOptions& options, Rng& rng);

/// Section 5.1: all Fire modules from five numbers. With i = 0 for fire2: e_i = base_e + incr_e floor(i / freq) expand
/// filters, of which the share pct3x3 is 3x3, and SR e_i squeeze filters. The defaults are v1.0's.
struct SqueezeNetMetaparameters {
  int64_t base_e = 128;
  int64_t incr_e = 128;
  int64_t freq = 2;
  double sr = 0.125;    ///< squeeze ratio, in (0, 1]
  double pct3x3 = 0.5;  ///< in (0, 1)
};
/// 3x3 and squeeze counts are rounded to nearest. Throws ShapeError if a count is not positive.
FireTable fire_table(const SqueezeNetMetaparameters& metaparameters);
/// v1.0 with these Fire modules.
SqueezeNet squeezenet(const SqueezeNetMetaparameters& metaparameters, const SqueezeNetOptions& options, Rng& rng);

}  // namespace kindling
