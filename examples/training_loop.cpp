// A training loop of one's own: forward, loss, backward, step. docs/own_loop.md goes on from here.
#include <cstdio>

#include <kindling/kindling.h>

using namespace kindling;

int main() {
  Rng rng(42);
  const auto [train, val, test] = data::shapes({.count = 4000, .val_count = 500});
  data::Loader loader(train, {.batch_size = 32, .shuffle = true, .transform = standardize_pixels});
  Sequential net = lenet({.channels = 3, .size = 32}, rng);
  Adam optimizer(net.parameters(), {.lr = 2e-3});

  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    for (const data::Batch& batch : loader.epoch(epoch)) {
      const Variable loss = cross_entropy(net(batch.input), batch.target);
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
    }
    std::printf("validation top-1: %.1f %%\n", *evaluate(net, val).top1);
  }
  return *evaluate(net, val).top1 > 20 ? 0 : 1;  // it has learned something: chance is 10 %
}
