// Trains LeNet on the built-in figures, in 30 lines: build it with find_package(kindling), see CMakeLists.txt.
#include <cstdio>

#include <kindling/kindling.h>

using namespace kindling;

struct Printer : TrainListener {
  void on_epoch(const EpochReport& report) override {
    std::printf("epoch %ld: loss %.3f, validation top-1 %.1f %%\n", static_cast<long>(report.epoch), report.train_loss,
                report.validation->top1.value_or(0));
  }
};

int main() {
  Rng rng(42);
  Sequential net = lenet({.channels = 3, .size = 32}, rng);
  const data::Splits shapes = data::shapes({.count = 4000, .val_count = 500});

  Printer printer;
  Trainer trainer(net, SGD(net.parameters(), {.lr = 0.02, .momentum = 0.9, .weight_decay = 5e-4}),
                  {.schedule = poly(1.0), .batch_size = 32});
  const TrainResult result = trainer.fit(shapes.train, shapes.val, {.epochs = 3, .listener = &printer});

  save(net, "lenet.safetensors");
  return result.train_loss < 2.2 ? 0 : 1;  // it has learned something: chance is log(10) = 2.30
}
