#include <kindling/train/classifier.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>

#include <kindling/data/image.h>
#include <kindling/models/definition.h>
#include <kindling/tensor/constant_weights.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/softmax.h>

namespace kindling {
namespace {

/// u8 [H,W,3] to [H,W,1]: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), rounded.
Tensor to_grey(const Tensor& picture) {
  const Tensor colours = picture.contiguous();
  Tensor grey = Tensor::empty({colours.size(0), colours.size(1), 1}, DType::u8);
  const uint8_t* in = colours.data<uint8_t>();
  uint8_t* out = grey.data<uint8_t>();
  for (int64_t i = 0; i < grey.numel(); ++i, in += 3)
    out[i] = static_cast<uint8_t>(std::lround(0.299 * in[0] + 0.587 * in[1] + 0.114 * in[2]));
  return grey;
}

data::Transform make_transform(const Description& description) {
  const data::Transform fit = data::preprocess(*description.preprocessing);
  const int64_t channels = description.model.model.empty() ? 0 : channels_of(description.model);
  return [fit, channels](const Tensor& picture, Rng& rng) {
    check(picture.rank() == 3, "Classifier", "a picture is [H, W, C], not ", picture.shape());
    const bool to_be_grey = channels == 1 && picture.size(2) == 3 && picture.dtype() == DType::u8;
    const Tensor image = to_be_grey ? to_grey(picture) : picture;
    check(channels == 0 || image.size(2) == channels, "Classifier", "the model takes pictures of ", channels,
          " channels, got ", picture.shape());
    return fit(image, rng);
  };
}

Tensor join(const std::vector<Tensor>& inputs) {
  const Shape shape = inputs[0].shape();
  Tensor batch = Tensor::empty(shape.with_inserted(0, static_cast<int64_t>(inputs.size())), inputs[0].dtype());
  for (size_t i = 0; i < inputs.size(); ++i) {
    check(inputs[i].shape() == shape, "Classifier", "pictures of one call must become inputs of one shape, got ", shape,
          " and ", inputs[i].shape());
    batch.select(0, static_cast<int64_t>(i)).copy_(inputs[i]);
  }
  return batch;
}

}  // namespace

/// What calls at once share: the packed weights, and the last plan, since a plan costs a pass
/// through the network.
struct Classifier::Shared {
  PackedWeights packed;
  std::mutex mutex;
  Shape planned;  ///< of the batch that `plan` is for
  StepPlan plan;
};

Classifier::Classifier(const std::string& weights) {
  const WeightsFile file(weights);
  model_ = load_model(file);
  description_ = file.known->description;
  if (!description_.preprocessing)
    throw FileError(weights +
                    ": does not say how a picture becomes an input: train with TrainerOptions::preprocessing, or give "
                    "Classifier a model and a Description that has it");
  prepare();
}

Classifier::Classifier(std::unique_ptr<Module> model, Description description)
    : description_(std::move(description)), model_(std::move(model)) {
  check(model_ != nullptr, "Classifier", "no model");
  check(description_.preprocessing.has_value(), "Classifier", "the description has no preprocessing");
  prepare();
}

Classifier::~Classifier() = default;
Classifier::Classifier(Classifier&&) noexcept = default;
Classifier& Classifier::operator=(Classifier&&) noexcept = default;

void Classifier::prepare() {
  transform_ = make_transform(description_);
  model_->eval();
  model_->name_parts();  // a first call from several threads must not do it
  shared_ = std::make_unique<Shared>();
}

Predictions Classifier::operator()(const std::string& file, int64_t top) const {
  return (*this)(data::decode_image(file), top);
}

Predictions Classifier::operator()(const Tensor& picture, int64_t top) const {
  return (*this)(std::vector<Tensor>{picture}, top).front();
}

std::vector<Predictions> Classifier::operator()(const std::vector<Tensor>& pictures, int64_t top) const {
  if (pictures.empty()) return {};
  Rng unused(0);  // nothing in it is random
  std::vector<Tensor> inputs;
  for (const Tensor& picture : pictures) inputs.push_back(transform_(picture, unused));
  return predict(join(inputs), top);
}

StepPlan Classifier::plan_for(const Shape& batch) const {
  const std::lock_guard lock(shared_->mutex);
  if (batch != shared_->planned) {
    shared_->plan = plan_step(*model_, Tensor::zeros({batch[1], batch[2], batch[3]}), batch[0]);
    shared_->planned = batch;
  }
  return shared_->plan;
}

std::vector<Predictions> Classifier::predict(const Tensor& inputs, int64_t top) const {
  check(top > 0, "Classifier", "top must be above 0, got ", top);
  check(inputs.rank() == 4 && inputs.size(0) > 0, "Classifier", "inputs are [N, H, W, C], not ", inputs.shape());
  std::vector<Predictions> result(static_cast<size_t>(inputs.size(0)));
  const ConstantWeights constant(shared_->packed);
  for_each_part(plan_for(inputs.shape()), inputs.size(0), [&](const BatchPart& part) {
    std::vector<Predictions> answers = predict_part(part.of(inputs), top);
    std::move(answers.begin(), answers.end(), result.begin() + part.begin);
  });
  return result;
}

std::vector<Predictions> Classifier::predict_part(const Tensor& inputs, int64_t top) const {
  const NoGrad no_grad;
  const int64_t count = inputs.size(0);
  const Tensor logits = (*model_)(inputs).value();
  check(logits.rank() == 2 && logits.size(0) == count, "Classifier", "the model gives ", logits.shape(), " for ", count,
        " pictures: it is no classifier");
  const Tensor probabilities = softmax(logits.to(DType::f64));
  const int64_t classes = logits.size(1);
  std::vector<Predictions> result;
  for (int64_t i = 0; i < count; ++i)
    result.push_back(best_of(probabilities.data<double>() + i * classes, classes, top));
  return result;
}

std::vector<FileAnswer> Classifier::classify_files(const std::vector<std::string>& files, int64_t top) const {
  check(top > 0, "Classifier", "top must be above 0, got ", top);
  std::vector<FileAnswer> answers(files.size());
  const int64_t size = description_.preprocessing->size, count = std::ssize(files);
  const int64_t channels = description_.model.model.empty() ? 3 : channels_of(description_.model);
  // Pictures that keep their sizes are inputs of different shapes, so each is a part.
  StepPlan plan{.micro_batch = 1, .lanes = count};
  if (size > 0 && count > 1) plan = plan_for({count, size, size, channels});
  const ConstantWeights constant(shared_->packed);
  for_each_part(plan, count, [&](const BatchPart& part) { classify_part(files, part, top, answers); });
  return answers;
}

void Classifier::classify_part(const std::vector<std::string>& files, const BatchPart& part, int64_t top,
                               std::vector<FileAnswer>& answers) const {
  std::vector<Tensor> inputs(static_cast<size_t>(part.end - part.begin));
  parallel_for(std::ssize(inputs), 1, [&](int64_t i, int64_t) {  // in one thread where parts run side by side
    Rng unused(0);
    const auto number = static_cast<size_t>(part.begin + i);
    try {
      inputs[static_cast<size_t>(i)] = transform_(data::decode_image(files[number]), unused);
    } catch (const FileError& error) {
      answers[number].error = error.what();
    }
  });
  std::vector<size_t> numbers;
  for (auto number = static_cast<size_t>(part.begin); number < static_cast<size_t>(part.end); ++number)
    if (answers[number].error.empty()) numbers.push_back(number);
  std::erase_if(inputs, [](const Tensor& input) { return !input.defined(); });
  if (inputs.empty()) return;
  std::vector<Predictions> named = predict_part(join(inputs), top);
  for (size_t i = 0; i < numbers.size(); ++i) answers[numbers[i]].top = std::move(named[i]);
}

Predictions Classifier::best_of(const double* probabilities, int64_t classes, int64_t top) const {
  std::vector<int64_t> order(static_cast<size_t>(classes));
  std::iota(order.begin(), order.end(), 0);
  const auto before = [&](int64_t a, int64_t b) {  // a NaN comes last
    const double pa = std::isnan(probabilities[a]) ? -1 : probabilities[a];
    const double pb = std::isnan(probabilities[b]) ? -1 : probabilities[b];
    return pa != pb ? pa > pb : a < b;
  };
  const auto wanted = static_cast<std::ptrdiff_t>(std::min(top, classes));
  std::partial_sort(order.begin(), order.begin() + wanted, order.end(), before);
  Predictions result;
  for (auto index = order.begin(); index != order.begin() + wanted; ++index) {
    const auto named = static_cast<size_t>(*index) < description_.classes.size();
    result.push_back(
        {.index = *index,
         .label = named ? description_.classes[static_cast<size_t>(*index)] : "class " + std::to_string(*index),
         .probability = probabilities[*index]});
  }
  return result;
}

}  // namespace kindling
