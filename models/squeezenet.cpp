#include <kindling/models/squeezenet.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>
#include <utility>

#include <kindling/models/definition.h>
#include <kindling/nn/dropout.h>
#include <kindling/nn/pool.h>

namespace kindling {
namespace {

/// Writes a network down row by row. It keeps count of the channels, and knows what the options say
/// of every row.
class Rows {
 public:
  Rows(const SqueezeNetOptions& options, Rng& rng) : options_(options), rng_(rng), channels_(options.channels) {
    // The authors' train_val.prototxt says "xavier", torchvision's squeezenet.py kaiming_uniform_; biases are 0 in
    // both.
    init_ = options.form == Form::caffe ? init::caffe_xavier() : init::kaiming_uniform();
  }

  /// With ReLU.
  void conv1(int64_t out, ConvOptions options) {
    options.relu = true;
    options.init = init_;
    net_.add(conv_and_norm("conv1", channels_, out, options, options_.norm, rng_));
    channels_ = out;
  }

  /// Every pool's window and stride (section 3.3). Sizes round up, as always in Caffe and by
  /// ceil_mode in torchvision.
  void max_pool(const std::string& name) { net_.add(name, MaxPool2d({.kernel = 3, .stride = 2, .ceil_mode = true})); }

  /// `shortcut` is that of Figure 2 and comes in where the options ask for it: identities with the
  /// simple bypass, convolutions too with the complex one.
  void fire(const std::string& name, const FireWidths& widths, Shortcut shortcut) {
    const Bypass least = shortcut == Shortcut::identity ? Bypass::simple : Bypass::complex;
    if (options_.bypass < least) shortcut = Shortcut::none;
    net_.add(name, Fire(channels_, widths, {.shortcut = shortcut, .norm = options_.norm, .init = init_}, rng_));
    channels_ = widths.out();
  }

  int64_t channels() const { return channels_; }

  void dropout9() { net_.add("dropout9", Dropout(options_.dropout, rng_)); }

  void conv10(int64_t classes, ConvOptions options) {
    if (options_.classes > 0) classes = options_.classes;
    options.init = init::normal(0.0, 0.01);  // in the authors' files and in torchvision alike
    options.bias_init = init::constant(options_.conv10_bias);
    net_.add("conv10", Conv2d(channels_, classes, options, rng_));
    channels_ = classes;
  }

  void avgpool10() { net_.add("avgpool10", GlobalAvgPool()); }

  /// A network that can say what it is.
  SqueezeNet finish(const std::string& name, const SqueezeNetMetaparameters& metaparameters = {}) {
    net_.set_definition(define(name, {.classes = channels_,
                                      .channels = options_.channels,
                                      .bypass = options_.bypass,
                                      .form = options_.form,
                                      .norm = options_.norm,
                                      .dropout = options_.dropout,
                                      .metaparameters = metaparameters}));
    return std::move(net_);
  }

 private:
  const SqueezeNetOptions& options_;
  Rng& rng_;
  int64_t channels_;  ///< behind the last row
  Initializer init_;
  SqueezeNet net_;
};

/// Pixels of zeros around conv10 of v1.0. SqueezeNet_v1.0/train_val.prototxt has 1: a 15x15 map,
/// whose border of ReLU(bias) counts in the average.
constexpr int64_t conv10_padding(Form form) { return form == Form::caffe ? 1 : 0; }

/// The middle of v1.1, which the form for CIFAR shares: v1.0's Fire modules, with pools earlier.
void add_fires_of_1_1(Rows& net) {
  net.max_pool("maxpool1");  // pixels, of 227 and of CIFAR's 32: 56, 16
  net.fire("fire2", {.s1x1 = 16, .e1x1 = 64, .e3x3 = 64}, Shortcut::conv);
  net.fire("fire3", {.s1x1 = 16, .e1x1 = 64, .e3x3 = 64}, Shortcut::identity);
  net.max_pool("maxpool3");  // in v1.0 behind fire4; 28, 8
  net.fire("fire4", {.s1x1 = 32, .e1x1 = 128, .e3x3 = 128}, Shortcut::conv);
  net.fire("fire5", {.s1x1 = 32, .e1x1 = 128, .e3x3 = 128}, Shortcut::identity);
  net.max_pool("maxpool5");  // in v1.0 behind fire8; 14, 4
  net.fire("fire6", {.s1x1 = 48, .e1x1 = 192, .e3x3 = 192}, Shortcut::conv);
  net.fire("fire7", {.s1x1 = 48, .e1x1 = 192, .e3x3 = 192}, Shortcut::identity);
  net.fire("fire8", {.s1x1 = 64, .e1x1 = 256, .e3x3 = 256}, Shortcut::conv);
  net.fire("fire9", {.s1x1 = 64, .e1x1 = 256, .e3x3 = 256}, Shortcut::identity);
  net.dropout9();
}

}  // namespace

// Table 1 of the paper, with the bypasses of Figure 2. It calls the image 224 pixels, but its 111 behind conv1 follow
// from 227 alone (224 gives 109).
SqueezeNet squeezenet1_0(const SqueezeNetOptions& options, Rng& rng) {
  Rows net(options, rng);
  net.conv1(96, {.kernel = 7, .stride = 2});  // 227 -> 111 pixels
  net.max_pool("maxpool1");                   // 111 -> 55
  net.fire("fire2", {.s1x1 = 16, .e1x1 = 64, .e3x3 = 64}, Shortcut::conv);
  net.fire("fire3", {.s1x1 = 16, .e1x1 = 64, .e3x3 = 64}, Shortcut::identity);
  net.fire("fire4", {.s1x1 = 32, .e1x1 = 128, .e3x3 = 128}, Shortcut::conv);
  net.max_pool("maxpool4");  // 55 -> 27
  net.fire("fire5", {.s1x1 = 32, .e1x1 = 128, .e3x3 = 128}, Shortcut::identity);
  net.fire("fire6", {.s1x1 = 48, .e1x1 = 192, .e3x3 = 192}, Shortcut::conv);
  net.fire("fire7", {.s1x1 = 48, .e1x1 = 192, .e3x3 = 192}, Shortcut::identity);
  net.fire("fire8", {.s1x1 = 64, .e1x1 = 256, .e3x3 = 256}, Shortcut::conv);
  net.max_pool("maxpool8");  // 27 -> 13
  net.fire("fire9", {.s1x1 = 64, .e1x1 = 256, .e3x3 = 256}, Shortcut::identity);
  net.dropout9();
  net.conv10(1000, {.kernel = 1, .padding = conv10_padding(options.form), .relu = true});
  net.avgpool10();
  return net.finish("squeezenet1_0");
}

// SqueezeNet_v1.1/train_val.prototxt: v1.0 with a smaller conv1, and pools two Fire modules earlier.
SqueezeNet squeezenet1_1(const SqueezeNetOptions& options, Rng& rng) {
  Rows net(options, rng);
  net.conv1(64, {.kernel = 3, .stride = 2});  // 227 -> 113 pixels
  add_fires_of_1_1(net);
  net.conv10(1000, {.kernel = 1, .relu = true});  // no padding, in Caffe's form either
  net.avgpool10();
  return net.finish("squeezenet1_1");
}

// v1.1, except for conv1, which keeps the size, and for conv10, whose map is averaged without ReLU: of ten maps none
// may be lost, and one that ReLU has cut to 0 everywhere learns no more.
SqueezeNet squeezenet_cifar(const SqueezeNetOptions& options, Rng& rng) {
  Rows net(options, rng);
  net.conv1(64, {.kernel = 3, .padding = 1});  // 32 -> 32 pixels
  add_fires_of_1_1(net);
  net.conv10(10, {.kernel = 1});
  net.avgpool10();
  return net.finish("squeezenet_cifar");
}

namespace {

/// What a member of the family takes from the published network that it is named after.
struct Stem {
  std::string_view name;
  int64_t filters, kernel, stride, padding;  // of conv1
  std::array<int64_t, 3> pools;
  int64_t classes;
  bool relu10;
  int64_t caffe_padding10;  // of conv10, in Caffe's form
};
constexpr Stem kStems[] = {
    {"squeezenet1_0", 96, 7, 2, 0, {1, 4, 8}, 1000, true, conv10_padding(Form::caffe)},
    {"squeezenet1_1", 64, 3, 2, 0, {1, 3, 5}, 1000, true, 0},
    {"squeezenet_cifar", 64, 3, 1, 1, {1, 3, 5}, 10, false, 0},
};
constexpr int64_t kLastFire = 9;

const Stem& stem_of(const std::string& name) {
  for (const Stem& stem : kStems)
    if (stem.name == name) return stem;
  throw ShapeError("squeezenet: no network \"" + name + "\" to begin with");
}

std::vector<int64_t> pools_of(const Stem& stem, const std::vector<int64_t>& pools) {
  if (pools.empty()) return {stem.pools.begin(), stem.pools.end()};
  for (size_t i = 0; i < pools.size(); ++i)
    check(pools[i] >= (i == 0 ? 1 : pools[i - 1] + 1) && pools[i] <= kLastFire, "squeezenet",
          "pools must be layers from 1 (conv1) to 9 (fire9) in ascending order, got ", pools[i],
          i == 0 ? "" : " after ", i == 0 ? "" : std::to_string(pools[i - 1]));
  return pools;
}

}  // namespace

FireTable fire_table(const SqueezeNetMetaparameters& m) {
  constexpr int64_t kMostFilters = 1'000'000;
  const auto require = [](bool holds, const char* name, const char* range, auto value) {
    check(holds, "squeezenet", name, " must be ", range, ", got ", value);
  };
  require(m.base_e >= 1 && m.base_e <= kMostFilters, "base_e", "from 1 to 1000000", m.base_e);
  require(m.incr_e >= 0 && m.incr_e <= kMostFilters, "incr_e", "from 0 to 1000000", m.incr_e);
  require(m.freq >= 1, "freq", "at least 1", m.freq);
  require(m.sr > 0 && m.sr <= 1, "squeeze_ratio", "above 0 and at most 1", m.sr);
  require(m.pct3x3 > 0 && m.pct3x3 < 1, "pct3x3", "between 0 and 1", m.pct3x3);
  FireTable table;
  for (int64_t i = 0; i < std::ssize(table); ++i) {
    FireWidths& fire = table[static_cast<size_t>(i)];
    const int64_t e = m.base_e + m.incr_e * (i / m.freq);
    fire.e3x3 = std::llround(m.pct3x3 * static_cast<double>(e));
    fire.e1x1 = e - fire.e3x3;
    fire.s1x1 = std::llround(m.sr * static_cast<double>(e));
    check(fire.s1x1 > 0 && fire.e1x1 > 0 && fire.e3x3 > 0, "squeezenet", "fire", i + 2, " would have ", fire.s1x1,
          " squeeze, ", fire.e1x1, " expand1x1 and ", fire.e3x3, " expand3x3 filters");
  }
  return table;
}

SqueezeNet squeezenet(const std::string& name, const SqueezeNetMetaparameters& metaparameters,
                      const SqueezeNetOptions& options, Rng& rng) {
  const Stem& stem = stem_of(name);
  const FireTable fires = fire_table(metaparameters);
  SqueezeNetMetaparameters own = metaparameters;
  const std::vector<int64_t> pools = pools_of(stem, own.pools);
  if (pools == pools_of(stem, {})) own.pools.clear();  // as a network that was not told of them
  Rows net(options, rng);
  net.conv1(stem.filters, {.kernel = stem.kernel, .stride = stem.stride, .padding = stem.padding});
  for (int64_t layer = 1; layer <= kLastFire; ++layer) {
    const std::string number = std::to_string(layer);
    if (layer > 1) {
      const FireWidths& widths = fires[static_cast<size_t>(layer - 2)];
      const bool fits = net.channels() == widths.out();
      net.fire("fire" + number, widths, fits ? Shortcut::identity : Shortcut::conv);
    }
    if (std::find(pools.begin(), pools.end(), layer) != pools.end()) net.max_pool("maxpool" + number);
  }
  net.dropout9();
  const int64_t padding = options.form == Form::caffe ? stem.caffe_padding10 : 0;
  net.conv10(stem.classes, {.kernel = 1, .padding = padding, .relu = stem.relu10});
  net.avgpool10();
  return net.finish(name, own);
}

// A pool of window 3 and stride 2 that rounds up makes n pixels of 2 n, and fewer of less.
int64_t smallest_image(const std::string& name, const std::vector<int64_t>& pools) {
  const Stem& stem = stem_of(name);
  const int64_t behind_conv1 = int64_t{1} << pools_of(stem, pools).size();
  return (behind_conv1 - 1) * stem.stride + stem.kernel - 2 * stem.padding;
}

}  // namespace kindling
