// The Wasserstein distance between two clouds of points, by the critic of WGAN-GP (arXiv:1704.00028). Its loss contains
// a gradient, so training it takes second derivatives. docs/own_loop.md explains it.
#include <cmath>
#include <cstdio>

#include <kindling/kindling.h>

using namespace kindling;

namespace {

constexpr int64_t kBatch = 64;

// Points [kBatch, 2] on a circle.
Tensor circle(double radius, Rng& rng) {
  Tensor points = Tensor::empty({kBatch, 2});
  for (int64_t i = 0; i < kBatch; ++i) {
    const double angle = 2 * M_PI * rng.next_uniform();
    points.at<float>({i, 0}) = static_cast<float>(radius * std::cos(angle));
    points.at<float>({i, 1}) = static_cast<float>(radius * std::sin(angle));
  }
  return points;
}

// The mean over the batch of (|d critic / dx| - 1)^2, at random places x between real and fake points.
Variable gradient_penalty(Module& critic, const Tensor& real, const Tensor& fake, Rng& rng) {
  const Tensor share = Tensor::uniform({kBatch, 1}, 0, 1, rng);
  const Variable x(fake + share * (real - fake), /*requires_grad=*/true);
  const Variable slope = grad({sum(critic(x))}, {x}, CreateGraph::yes)[0];
  const Variable length = sqrt(sum(square(slope), {1}) + 1e-12);
  return mean(square(length - 1.0));
}

}  // namespace

int main() {
  Rng rng(1);
  Sequential critic;
  critic.add("fc1", Linear(2, 64, rng));
  critic.add("tanh1", Tanh());
  critic.add("fc2", Linear(64, 64, rng));
  critic.add("tanh2", Tanh());
  critic.add("fc3", Linear(64, 1, rng));
  Adam optimizer(critic.parameters(), {.lr = 2e-3});

  for (int step = 0; step < 600; ++step) {
    const Tensor real = circle(3, rng), fake = circle(1, rng);
    const Variable distance = mean(critic(real)) - mean(critic(fake));
    const Variable loss = 10.0 * gradient_penalty(critic, real, fake, rng) - distance;
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    if (step % 100 == 0) std::printf("step %3d: %.3f\n", step, distance.item());
  }

  // Every point has to move by 2 to get from the one circle to the other. What the
  // critic says is a little more, as a slope slightly above 1 costs it little.
  const NoGrad no_grad;
  const double distance = (mean(critic(circle(3, rng))) - mean(critic(circle(1, rng)))).item();
  std::printf("distance between the circles: %.3f\n", distance);
  return distance > 1.8 && distance < 2.5 ? 0 : 1;
}
