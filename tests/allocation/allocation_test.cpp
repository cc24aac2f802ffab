// A training step that repeats asks the system for no memory: neither malloc nor operator new is called.
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>

#include <catch2/catch.hpp>

#include <kindling/models/registry.h>
#include <kindling/optim/gradients.h>
#include <kindling/optim/muon.h>
#include <kindling/optim/sgd.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/train/step.h>

// Sanitizers bring an allocator of their own, and only glibc can be asked for its own by another name.
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {
std::atomic<int64_t> calls{0};
}  // namespace

// The system's allocator, with a counter; operator new calls these.
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

void* malloc(size_t bytes) {
  ++calls;
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  ++calls;
  return __libc_calloc(count, bytes);
}
void* realloc(void* block, size_t bytes) {
  ++calls;
  return __libc_realloc(block, bytes);
}
void* memalign(size_t alignment, size_t bytes) {
  ++calls;
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  ++calls;
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** block, size_t alignment, size_t bytes) {
  ++calls;
  *block = __libc_memalign(alignment, bytes);
  return *block != nullptr ? 0 : ENOMEM;
}
}

using namespace kindling;

namespace {

struct Case {
  std::string model;
  int64_t batch, size;
  ModelOptions options = {};
  bool muon = false;
};

std::unique_ptr<Optimizer> make_optimizer(Module& model, bool muon) {
  if (muon) return std::make_unique<Muon>(model.parameters());
  return std::make_unique<SGD>(model.parameters(),
                               SGDOptions{.lr = 0.01, .momentum = 0.9, .weight_decay = 1e-4, .nesterov = true});
}

/// Calls of the allocator in each of steps 3 to 10.
std::vector<int64_t> calls_in_steps(const Case& c) {
  constexpr int kFirst = 3, kLast = 10;
  Rng rng(1);
  ModelOptions options = c.options;
  options.size = c.size;
  const auto model = make_model(c.model, options, rng);
  const ModelInfo info = model_info(c.model);
  const Tensor input = Tensor::normal({c.batch, c.size, c.size, info.channels}, 0.0, 1.0, rng);
  Tensor target = Tensor::zeros({c.batch}, DType::i64);
  for (int64_t i = 0; i < c.batch; ++i) target.at<int64_t>({i}) = i % info.classes;

  const auto optimizer = make_optimizer(*model, c.muon);
  GradientStep step(*model, classification(), plan_step(*model, input.select(0, 0), c.batch));
  const Variables parameters = optimizer->parameters();
  std::vector<int64_t> result;
  result.reserve(kLast);
  for (int i = 1; i <= kLast; ++i) {
    const int64_t before = calls.load();
    step.add(input, target, static_cast<uint64_t>(i));
    step.finish();
    clip_grad_norm(parameters, 1.0);
    optimizer->step();
    if (i >= kFirst) result.push_back(calls.load() - before);
  }
  return result;
}

}  // namespace

TEST_CASE("a steady training step calls no allocator") {
  const Case c = GENERATE(
      Case{.model = "squeezenet1_1", .batch = 10, .size = 64},
      Case{.model = "squeezenet1_0", .batch = 2, .size = 64, .options = {.bypass = Bypass::complex}},
      Case{.model = "squeezenet_cifar", .batch = 24, .size = 32, .options = {.bypass = Bypass::simple}},
      Case{.model = "squeezenet_cifar", .batch = 8, .size = 32, .options = {.norm = Norm::batch}, .muon = true},
      Case{.model = "lenet", .batch = 64, .size = 28}, Case{.model = "lenet", .batch = 1, .size = 28});
  const int threads = GENERATE(1, 2);
  const ThreadsGuard use(threads);
  INFO(c.model << ", batch " << c.batch << ", " << threads << " threads");
  const std::vector<int64_t> counts = calls_in_steps(c);
  CHECK(counts == std::vector<int64_t>(8, 0));
}

#endif
