// A differentiable operation and a model that Kindling does not have: how to add your own.
#include <cstdio>

#include <kindling/kindling.h>

using namespace kindling;

// softsign(x) = x / (1 + |x|), with its gradient beside it: dL/dx = grad / (1 + |x|)^2. The rule is written in
// operations on Variables, so second derivatives follow from it.
Variable softsign(const Variable& x) {
  const Tensor value = x.value() / (abs(x.value()) + 1.0);
  return record("softsign", value, {x}, Keep::inputs,
                [](const Step& s) { return s.grad / square(abs(s.input(0)) + 1.0); });
}

// A small network with a shortcut around its second convolution: plain members, named once in visit().
class ShortcutNet : public Module {
 public:
  explicit ShortcutNet(Rng& rng)
      : conv1_(3, 16, {.kernel = 5, .stride = 2, .padding = 2}, rng),
        conv2_(16, 16, {.kernel = 3, .padding = 1}, rng),
        pool_({.kernel = 3, .stride = 2}),
        conv3_(16, 32, {.kernel = 3, .padding = 1, .relu = true}, rng),
        fc_(32 * 7 * 7, 10, rng) {}

  std::string kind() const override { return "ShortcutNet"; }
  void visit(Visitor& v) override {
    v("conv1", conv1_);
    v("conv2", conv2_);
    v("pool", pool_);
    v("conv3", conv3_);
    v("fc", fc_);
  }

 protected:
  Variable forward(const Variable& image) override {
    const Variable x = softsign(conv1_(image));  // [N, 16, 16, 16]
    const Variable y = x + softsign(conv2_(x));
    const Variable z = conv3_(pool_(y));  // [N, 7, 7, 32]
    return fc_(flatten(z));               // [N, 10]
  }

 private:
  Conv2d conv1_, conv2_;
  MaxPool2d pool_;
  Conv2d conv3_;
  Linear fc_;
};

int main() {
  Rng rng(7);

  // Prove the new rule, and the rule's own derivative, against finite differences.
  const auto f = [](const Variables& inputs) { return softsign(inputs[0]); };
  const GradcheckResult proof = gradcheck(f, {Tensor::uniform({3, 5}, -2, 2, rng, DType::f64)}, {.order = 2});
  std::printf("softsign: gradient and second derivative %s\n", proof.ok ? "are right" : proof.message.c_str());
  if (!proof.ok) return 1;

  ShortcutNet net(rng);
  const data::Splits shapes = data::shapes({.count = 4000, .val_count = 500});
  Trainer trainer(net, Adam(net.parameters(), {.lr = 3e-3}), {.batch_size = 32});
  const TrainResult result = trainer.fit(shapes.train, shapes.val, {.epochs = 3});
  std::printf("ShortcutNet: loss %.3f after %ld steps, validation top-1 %.1f %%\n", result.train_loss,
              static_cast<long>(result.steps), *result.validation->top1);
  return result.train_loss < 2.2 ? 0 : 1;
}
