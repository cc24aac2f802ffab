#include <kindling/data/preprocessing.h>

#include <algorithm>

namespace kindling::data {
namespace {

void check_numbers(const Preprocessing& p) {
  check(p.size >= 0 && (p.shorter == 0 || (p.size > 0 && p.shorter >= p.size)), "preprocess",
        "needs a size of at least 0 and shorter >= size (0 without a size), got size ", p.size, " and shorter ",
        p.shorter);
  check(!p.mean.empty() && p.mean.size() == p.std.size(), "preprocess", "needs as many means as stds, got ",
        p.mean.size(), " and ", p.std.size());
  check(!p.whole || p.size > 0, "preprocess", "resizes whole pictures, but to no size");
  for (const double value : p.std) check(value > 0, "preprocess", "needs stds above 0, got ", value);
}

/// One mean and deviation for pixels of all channels.
Tensor standardize(const Tensor& picture, float mean, float std) {
  const Tensor pixels = picture.contiguous();
  Tensor result = Tensor::empty(pixels.shape());
  std::transform(pixels.data<uint8_t>(), pixels.data<uint8_t>() + pixels.numel(), result.data<float>(),
                 [=](uint8_t x) { return (static_cast<float>(x) - mean) / std; });
  return result;
}

Transform pixels_to_numbers(const Preprocessing& p) {
  if (p.mean.size() > 1) return normalize({p.mean.begin(), p.mean.end()}, {p.std.begin(), p.std.end()});
  return [mean = static_cast<float>(p.mean[0]), std = static_cast<float>(p.std[0])](const Tensor& picture, Rng&) {
    return standardize(picture, mean, std);
  };
}

/// A piece of size x size pixels from anywhere in the picture, mirrored half the time.
Transform random_piece(int64_t size) {
  return compose({[size](const Tensor& picture, Rng& rng) {
                    check(picture.rank() == 3 && picture.size(0) >= size && picture.size(1) >= size, "preprocess",
                          "needs pictures of at least ", size, " pixels, got ", picture.shape());
                    const int64_t y = rng.next_below(picture.size(0) - size + 1);
                    const int64_t x = rng.next_below(picture.size(1) - size + 1);
                    return picture.slice(0, y, y + size).slice(1, x, x + size).contiguous();
                  },
                  random_flip()});
}

/// What `cut` leaves of a picture, as an input.
Transform inputs_of(const Preprocessing& p, const Transform& cut) {
  std::vector<Transform> steps;
  if (cut) steps.push_back(cut);
  if (p.bgr) steps.push_back(reverse_channels());
  steps.push_back(pixels_to_numbers(p));
  const Transform whole = compose(std::move(steps));
  return [whole](const Tensor& input, Rng& rng) { return input.dtype() == DType::u8 ? whole(input, rng) : input; };
}

int64_t shorter_of(const Preprocessing& p) { return p.shorter > 0 ? p.shorter : p.size; }

}  // namespace

Preprocessing torchvision_preprocessing() {
  return {.size = 224, .shorter = 256, .mean = {123.675, 116.28, 103.53}, .std = {58.395, 57.12, 57.375}};
}

Preprocessing caffe_preprocessing() {
  return {.size = 227, .shorter = 256, .mean = {104, 117, 123}, .std = {1, 1, 1}, .whole = true, .bgr = true};
}

Transform cut_out(const Preprocessing& p) {
  return p.whole ? compose({resize(shorter_of(p)), center_crop(p.size)}) : resize_and_crop(shorter_of(p), p.size);
}

Transform preprocess(const Preprocessing& p) {
  check_numbers(p);
  return inputs_of(p, p.size > 0 ? cut_out(p) : Transform());
}

Transform preprocess_at_random(const Preprocessing& p) {
  check_numbers(p);
  if (p.size == 0) return inputs_of(p, random_flip());
  return inputs_of(p, compose({p.whole ? resize(shorter_of(p)) : resize_shorter(shorter_of(p)), random_piece(p.size)}));
}

}  // namespace kindling::data
