// LeNet made small in two ways: pruned, shared and retrained, or rounded by rate and distortion. docs/compression.md.
#include <cstdio>

#include <kindling/kindling.h>

using namespace kindling;

namespace {

/// What a file says of the model in it.
Metadata about(const Module& net) { return to_metadata({.model = net.definition(), .classes = {}}); }

double top1(Module& net, const data::Splits& shapes) { return *evaluate(net, shapes.val).top1; }

void train(Module& net, const data::Splits& shapes, double lr, int64_t epochs) {
  Trainer trainer(net, Adam(net.parameters(), {.lr = lr}), {.schedule = poly(1.0), .batch_size = 32});
  trainer.fit(shapes.train, nullptr, {.epochs = epochs});
}

void report(const char* what, Module& net, const data::Splits& shapes, int64_t bytes) {
  std::printf("%-34s %7ld bytes, top-1 %.1f %%\n", what, static_cast<long>(bytes), top1(net, shapes));
}

int64_t deep_compression(Module& net, const data::Splits& shapes) {
  prune(net, {.density = 0.33});
  train(net, shapes, 5e-4, 1);
  share(net, {.bits = 5});
  train(net, shapes, 5e-4, 1);
  return write_kndz("shared.kndz", pack(net), about(net), KndzCoder::huffman).bytes;
}

int64_t rate_distortion(Module& net, const data::DatasetPtr& pictures) {
  const std::unique_ptr<Module> rounded = fold_batch_norm(net);  // a copy, as LeNet has none
  const Calibration calibration = calibrate(*rounded, pictures);
  const QuantisedModel quantised = quantise(*rounded, calibration, {.lambda = 2e-8});
  return write_kndz("rounded.kndz", coded_tensors(*rounded, quantised), about(*rounded)).bytes;
}

}  // namespace

int main() {
  Rng rng(42);
  Sequential net = lenet({.channels = 3, .size = 32}, rng);
  const data::Splits shapes = data::shapes({.count = 4000, .val_count = 2000});
  train(net, shapes, 2e-3, 3);
  const double before = top1(net, shapes);
  report("as it was, in fp32", net, shapes, 4 * net.parameter_count());

  const data::Splits others = data::shapes({.count = 500, .seed = 7});  // their labels are not used
  const int64_t bytes = rate_distortion(net, others.train);
  const std::unique_ptr<Module> small = load_model("rounded.kndz");
  report("rounded by rate and distortion", *small, shapes, bytes);
  const bool is_good = top1(*small, shapes) > before - 3;

  report("pruned, shared, Huffman's codes", net, shapes, deep_compression(net, shapes));
  return is_good && top1(net, shapes) > before - 3 ? 0 : 1;
}
