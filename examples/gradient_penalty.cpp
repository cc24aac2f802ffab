// A Wasserstein GAN with gradient penalty (WGAN-GP, arXiv:1704.00028), which learns to draw points on a circle. The
// penalty is a function of a gradient, so training it takes second derivatives. docs/own_loop.md explains it.
#include <cmath>
#include <cstdio>

#include <kindling/kindling.h>

using namespace kindling;

namespace {

constexpr int64_t kBatch = 64, kNoise = 2;

Sequential perceptron(int64_t in, int64_t out, Rng& rng) {
  Sequential net;
  net.add("fc1", Linear(in, 64, rng));
  net.add("tanh1", Tanh());
  net.add("fc2", Linear(64, 64, rng));
  net.add("tanh2", Tanh());
  net.add("fc3", Linear(64, out, rng));
  return net;
}

// What is to be learned: points [kBatch, 2] at distance 1 from the middle.
Tensor real_points(Rng& rng) {
  Tensor points = Tensor::empty({kBatch, 2});
  for (int64_t i = 0; i < kBatch; ++i) {
    const double angle = 2 * M_PI * rng.next_uniform();
    points.at<float>({i, 0}) = static_cast<float>(std::cos(angle));
    points.at<float>({i, 1}) = static_cast<float>(std::sin(angle));
  }
  return points;
}

Variable fake_points(Module& generator, Rng& rng) { return generator(Tensor::normal({kBatch, kNoise}, 0.0, 1.0, rng)); }

// The mean over the batch of (|d critic / dx| - 1)^2, at random places x between real and fake points.
Variable gradient_penalty(Module& critic, const Tensor& real, const Tensor& fake, Rng& rng) {
  const Tensor share = Tensor::uniform({kBatch, 1}, 0, 1, rng);
  const Variable x(fake + share * (real - fake), /*requires_grad=*/true);
  const Variable slope = grad({sum(critic(x))}, {x}, CreateGraph::yes)[0];
  const Variable length = sqrt(sum(square(slope), {1}) + 1e-12);
  return mean(square(length - 1.0));
}

// How far the generator's points are from the circle, on average.
double distance_from_circle(Module& generator, Rng& rng) {
  const NoGrad no_grad;
  const Variable points = fake_points(generator, rng);
  return mean(abs(sqrt(sum(square(points), {1})) - 1.0)).item();
}

}  // namespace

int main() {
  Rng rng(1);
  Sequential generator = perceptron(kNoise, 2, rng), critic = perceptron(2, 1, rng);
  Adam generator_step(generator.parameters(), {.lr = 1e-3, .beta1 = 0.5, .beta2 = 0.9});
  Adam critic_step(critic.parameters(), {.lr = 1e-3, .beta1 = 0.5, .beta2 = 0.9});
  std::printf("distance from the circle: %.3f before\n", distance_from_circle(generator, rng));

  for (int64_t step = 0; step < 500; ++step) {
    for (int i = 0; i < 5; ++i) {  // the critic is trained more often, so that its slope tells the way
      const Tensor real = real_points(rng), fake = fake_points(generator, rng).value();
      const Variable penalty = gradient_penalty(critic, real, fake, rng);
      const Variable loss = mean(critic(fake)) - mean(critic(real)) + 10.0 * penalty;
      critic_step.zero_grad();
      loss.backward();
      critic_step.step();
    }
    const Variable loss = -mean(critic(fake_points(generator, rng)));
    generator_step.zero_grad();
    loss.backward();
    generator_step.step();
  }

  const double distance = distance_from_circle(generator, rng);
  std::printf("distance from the circle: %.3f after training\n", distance);
  return distance < 0.2 ? 0 : 1;
}
