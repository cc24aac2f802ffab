// SqueezeNet: v1.0, v1.1, a form for CIFAR, and the family of the paper's section 5. Iandola et al., arXiv:1602.07360.
#pragma once

#include <array>
#include <string>
#include <vector>

#include <kindling/models/fire.h>
#include <kindling/models/form.h>
#include <kindling/nn/sequential.h>

namespace kindling {

/// Figure 2: shortcuts around Fire modules. `simple`: the input is added where it
/// has as many channels as the output (fire3, 5, 7, 9). `complex`: also, through a
/// 1x1 convolution, where it has not (fire2, 4, 6, 8). Published networks have none.
enum class Bypass : uint8_t { none, simple, complex };

struct SqueezeNetOptions {
  int64_t classes = 0;  ///< 0: of the data the network was made for, 1000 (ImageNet) or 10 (CIFAR)
  Bypass bypass = Bypass::none;
  Form form = Form::torchvision;
  Norm norm = Norm::none;
  int64_t channels = 3;  ///< of the image
  double dropout = 0.5;  ///< before conv10
  /// Where conv10's bias starts; 0 in the paper. Softmax does not see a constant in all logits, but
  /// the ReLU behind conv10 does: from 0 its maps often fall below 0 in the first updates and never
  /// learn again; from 1 they stay in its range (as Krizhevsky et al. 2012, section 5, started
  /// biases at 1).
  double conv10_bias = 0.0;
};

/// The layers conv1, maxpool1, fire2 ... fire9 with a max pool behind some, dropout9, conv10,
/// avgpool10: images [N,H,W,channels] -> logits [N,classes], for any size that leaves a pixel
/// behind the last pool. The average of conv10's map is the logit; there is no fully connected
/// layer. Any layer can be exchanged for another: see nn/replace.h.
class SqueezeNet : public Sequential {
 public:
  std::string kind() const override { return "SqueezeNet"; }
};

/// Table 1 of the paper: 1,248,424 parameters; smallest image 21 pixels.
SqueezeNet squeezenet1_0(const SqueezeNetOptions& options, Rng& rng);
/// The authors' second release: v1.0's accuracy for 2.4 times less
/// computing. 1,235,496 parameters; smallest image 17 pixels.
SqueezeNet squeezenet1_1(const SqueezeNetOptions& options, Rng& rng);
/// v1.1 for images of 32 pixels: conv1 keeps the size, and
/// conv10's map is averaged without ReLU. Smallest image 8 pixels.
SqueezeNet squeezenet_cifar(const SqueezeNetOptions& options, Rng& rng);

/// Sections 3 and 5.1: what the members of the family differ in. With i = 0 for fire2, a Fire
/// module has e_i = base_e + incr_e floor(i / freq) expand filters, of which the share pct3x3 is
/// 3x3, and SR e_i squeeze filters. The defaults are those of all three networks above.
struct SqueezeNetMetaparameters {
  int64_t base_e = 128;  ///< 1 to 1,000,000
  int64_t incr_e = 128;  ///< 0 to 1,000,000
  int64_t freq = 2;      ///< 1 or more
  double sr = 0.125;     ///< squeeze ratio, in (0, 1]
  double pct3x3 = 0.5;   ///< in (0, 1)
  /// Layers with a max pool behind them, ascending: 1 is conv1, 2 to 9 are fire2 to fire9. Empty:
  /// where the published network has them.
  std::vector<int64_t> pools = {};
  bool operator==(const SqueezeNetMetaparameters&) const = default;
};
/// fire2 ... fire9.
using FireTable = std::array<FireWidths, 8>;
/// 3x3 and squeeze counts are rounded to nearest. Throws ShapeError if a number is out of its range
/// or a layer would have no filters.
FireTable fire_table(const SqueezeNetMetaparameters& metaparameters);

/// The network `name` (squeezenet1_0, squeezenet1_1 or squeezenet_cifar) with these Fire modules
/// and pools. A shortcut is an identity where the channels fit, else a convolution. Throws
/// ShapeError as fire_table() does, if the pools are not ascending, and for another name.
SqueezeNet squeezenet(const std::string& name, const SqueezeNetMetaparameters& metaparameters,
                      const SqueezeNetOptions& options, Rng& rng);
/// Height and width, in pixels, of the smallest image of which that network with these pools leaves
/// a pixel. Throws ShapeError as squeezenet() does.
int64_t smallest_image(const std::string& name, const std::vector<int64_t>& pools = {});

}  // namespace kindling
