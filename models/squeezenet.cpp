#include <kindling/models/squeezenet.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/shape.h>
#include <kindling/models/definition.h>
#include <kindling/tensor/result_place.h>

namespace kindling {
namespace {

constexpr int64_t kChannels = 3;  // the axis

// Every pool's window and stride (section 3.3). Sizes round up, as always in Caffe and by ceil_mode in torchvision;
// in Table 1 from 111 pixels to 55, 27 and 13.
MaxPool2d max_pool() { return MaxPool2d({.kernel = 3, .stride = 2, .ceil_mode = true}); }

// The authors' train_val.prototxt says "xavier",
// torchvision/models/squeezenet.py kaiming_uniform_; biases are 0 in both.
Initializer initializer(Form form) { return form == Form::caffe ? init::caffe_xavier() : init::kaiming_uniform(); }

int64_t channels(const FireWidths& fire) { return fire.e1x1 + fire.e3x3; }

// With a normalisation, bias and ReLU are its own.
Conv2d conv_for_norm(int64_t in, int64_t out, ConvOptions options, Norm norm, Rng& rng) {
  options.bias = norm == Norm::none;
  options.relu &= norm == Norm::none;
  return Conv2d(in, out, options, rng);
}

}  // namespace

NormedConv::NormedConv(int64_t in, int64_t out, const ConvOptions& options, Norm norm, Rng& rng)
    : conv(conv_for_norm(in, out, options, norm, rng)) {
  if (norm == Norm::batch) bn.emplace(out, BatchNormOptions{.relu = options.relu});
}

Variable NormedConv::operator()(const Variable& x, const Tensor& place) {
  if (!bn) {
    const ResultPlace here(place);
    return conv(x);
  }
  const Variable z = conv(x);
  const ResultPlace here(place);
  return (*bn)(z);
}

Variable NormedConv::then(MaxPool2d& pool, const Variable& x) { return bn ? pool((*this)(x)) : conv.then(pool, x); }

void NormedConv::visit(Visitor& visitor, const std::string& name) {
  visitor(name, conv);
  if (bn) visitor(name + "_bn", *bn);
}

Fire::Fire(int64_t in, const FireWidths& widths, Rng& rng, const Initializer& init, Norm norm)
    : squeeze(in, widths.s1x1, {.kernel = 1, .relu = true, .init = init}, norm, rng),
      expand1x1(widths.s1x1, widths.e1x1, {.kernel = 1, .relu = true, .init = init}, norm, rng),
      expand3x3(widths.s1x1, widths.e3x3, {.kernel = 3, .padding = 1, .relu = true, .init = init}, norm, rng) {}

Variable Fire::forward(const Variable& x) {
  const Variable s = squeeze(x);
  // concat({expand1x1(s), expand3x3(s)}, kChannels), but each writes into its slice of y, so that nothing is copied.
  const int64_t e1x1 = expand1x1.conv.weight.size(0), all = e1x1 + expand3x3.conv.weight.size(0);
  const Tensor y = Tensor::empty({s.size(0), s.size(1), s.size(2), all}, s.dtype());
  return join_slices(y, {expand1x1(s, y.slice(kChannels, 0, e1x1)), expand3x3(s, y.slice(kChannels, e1x1, all))},
                     kChannels);
}

void Fire::visit(Visitor& visitor) {
  squeeze.visit(visitor, "squeeze");
  expand1x1.visit(visitor, "expand1x1");
  expand3x3.visit(visitor, "expand3x3");
}

SqueezeNet::SqueezeNet(const SqueezeNetLayout& layout, const SqueezeNetOptions& options, Rng& rng)
    : conv1_(options.channels, layout.conv1_channels,
             {.kernel = layout.conv1_kernel,
              .stride = layout.conv1_stride,
              .padding = layout.conv1_padding,
              .relu = true,
              .init = initializer(options.form)},
             options.norm, rng),
      maxpool1_(max_pool()),
      stages_(make_stages(layout, options, rng)),
      dropout9_(options.dropout, rng),
      conv10_(channels(layout.fires.back()), options.classes > 0 ? options.classes : layout.classes,
              // N(0, 0.01^2) in the authors' files and in torchvision alike.
              {.kernel = 1,
               .padding = layout.conv10_padding,
               .relu = layout.relu10,
               .init = init::normal(0.0, 0.01),
               .bias_init = init::constant(options.conv10_bias)},
              rng) {}

std::vector<SqueezeNet::Stage> SqueezeNet::make_stages(const SqueezeNetLayout& layout, const SqueezeNetOptions& options,
                                                       Rng& rng) {
  const Initializer init = initializer(options.form);
  std::vector<Stage> stages;
  int64_t in = layout.conv1_channels;
  for (int64_t number = 2; const FireWidths& widths : layout.fires) {
    const int64_t out = channels(widths);
    Stage stage{.number = number, .fire = Fire(in, widths, rng, init, options.norm)};
    // Figure 2: where a Fire module widens, an identity does not fit; only the complex bypass goes around it.
    stage.identity_bypass = options.bypass != Bypass::none && in == out;
    if (options.bypass == Bypass::complex && in != out)
      stage.conv_bypass.emplace(in, out, ConvOptions{.kernel = 1, .init = init}, options.norm, rng);
    if (std::ranges::count(layout.pools_after, number) > 0) stage.maxpool.emplace(max_pool());
    stages.push_back(std::move(stage));
    in = out;
    ++number;
  }
  return stages;
}

Variable SqueezeNet::forward(const Variable& image) {
  Variable x = conv1_.then(maxpool1_, image);
  for (Stage& stage : stages_) {  // fire2 ... fire9
    Variable y = stage.fire(x);
    if (stage.identity_bypass) y = y + x;                    // fire3, 5, 7, 9: Figure 2, middle; no ReLU after the sum
    if (stage.conv_bypass) y = y + (*stage.conv_bypass)(x);  // fire2, 4, 6, 8: Figure 2, right
    x = stage.maxpool ? (*stage.maxpool)(y) : y;
  }
  return avgpool10_(conv10_(dropout9_(x)));
}

void SqueezeNet::visit(Visitor& visitor) {
  conv1_.visit(visitor, "conv1");
  visitor("maxpool1", maxpool1_);
  for (Stage& stage : stages_) {
    const std::string number = std::to_string(stage.number);
    visitor("fire" + number, stage.fire);
    if (stage.conv_bypass) stage.conv_bypass->visit(visitor, "fire" + number + "/bypass");
    if (stage.maxpool) visitor("maxpool" + number, *stage.maxpool);
  }
  visitor("dropout9", dropout9_);
  visitor("conv10", conv10_);
  visitor("avgpool10", avgpool10_);
}

namespace {

// Table 1 of the paper. It calls the image 224 pixels, but its 111 after conv1 follow from 227 alone (224 gives 109).
SqueezeNetLayout layout1_0(Form form) {
  return {
      .conv1_channels = 96,
      .conv1_kernel = 7,  // pixels: 227 -> 111, maxpool1 111 -> 55
      .conv1_stride = 2,
      .conv1_padding = 0,
      .fires = {{{.s1x1 = 16, .e1x1 = 64, .e3x3 = 64},      // fire2
                 {.s1x1 = 16, .e1x1 = 64, .e3x3 = 64},      // fire3
                 {.s1x1 = 32, .e1x1 = 128, .e3x3 = 128},    // fire4; maxpool4 55 -> 27
                 {.s1x1 = 32, .e1x1 = 128, .e3x3 = 128},    // fire5
                 {.s1x1 = 48, .e1x1 = 192, .e3x3 = 192},    // fire6
                 {.s1x1 = 48, .e1x1 = 192, .e3x3 = 192},    // fire7
                 {.s1x1 = 64, .e1x1 = 256, .e3x3 = 256},    // fire8; maxpool8 27 -> 13
                 {.s1x1 = 64, .e1x1 = 256, .e3x3 = 256}}},  // fire9
      .pools_after = {4, 8},
      // SqueezeNet_v1.0/train_val.prototxt pads conv10: a 15x15 map, whose border of ReLU(bias) counts in the average.
      .conv10_padding = form == Form::caffe ? 1 : 0};
}

// SqueezeNet_v1.1/train_val.prototxt: a smaller conv1, and pools two Fire modules earlier.
SqueezeNetLayout layout1_1() {
  SqueezeNetLayout layout = layout1_0(Form::torchvision);  // conv10 without padding in both forms
  layout.conv1_channels = 64;
  layout.conv1_kernel = 3;      // pixels: 227 -> 113, maxpool1 -> 56
  layout.pools_after = {3, 5};  // 56 -> 28 -> 14
  return layout;
}

/// A network that can say what it is.
SqueezeNet make_named(const char* name, const SqueezeNetLayout& layout, const SqueezeNetOptions& options, Rng& rng) {
  SqueezeNet net(layout, options, rng);
  net.set_definition(define(name, {.classes = options.classes > 0 ? options.classes : layout.classes,
                                   .channels = options.channels,
                                   .bypass = options.bypass,
                                   .form = options.form,
                                   .norm = options.norm,
                                   .dropout = options.dropout}));
  return net;
}

}  // namespace

SqueezeNet squeezenet1_0(const SqueezeNetOptions& options, Rng& rng) {
  return make_named("squeezenet1_0", layout1_0(options.form), options, rng);
}

SqueezeNet squeezenet1_1(const SqueezeNetOptions& options, Rng& rng) {
  return make_named("squeezenet1_1", layout1_1(), options, rng);
}

SqueezeNet squeezenet_cifar(const SqueezeNetOptions& options, Rng& rng) {
  SqueezeNetLayout layout = layout1_1();  // pixels: 32, maxpool1 -> 16, maxpool3 -> 8, maxpool5 -> 4
  layout.conv1_stride = 1;
  layout.conv1_padding = 1;
  layout.relu10 = false;  // of ten maps none may be lost: one that ReLU has cut to 0 everywhere learns no more
  layout.classes = 10;
  return make_named("squeezenet_cifar", layout, options, rng);
}

FireTable fire_table(const SqueezeNetMetaparameters& m) {
  check(m.freq > 0, "squeezenet", "freq must be positive, got ", m.freq);
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

SqueezeNet squeezenet(const SqueezeNetMetaparameters& metaparameters, const SqueezeNetOptions& options, Rng& rng) {
  SqueezeNetLayout layout = layout1_0(options.form);
  layout.fires = fire_table(metaparameters);
  return SqueezeNet(layout, options, rng);
}

}  // namespace kindling
