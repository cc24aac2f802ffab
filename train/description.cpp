#include <kindling/train/description.h>

#include <nlohmann/json.hpp>

#include <kindling/data/open.h>
#include <kindling/train/trainer.h>

namespace kindling {
namespace {

/// The side of the first pictures of a data set if they are squares of one size, else 0. Nothing if
/// the samples are no pictures.
std::optional<int64_t> picture_size(const data::Dataset& dataset) {
  try {
    const data::InputInfo info = data::describe_inputs(dataset);
    if (info.dtype != DType::u8) return std::nullopt;
    return info.is_square() ? info.size->h : 0;
  } catch (const ShapeError&) {  // no pictures
  } catch (const FileError&) {   // all are damaged: the loader will name them
  }
  return std::nullopt;
}

/// As a checkpoint tells it.
std::optional<data::Preprocessing> preprocessing_of(const TrainerOptions& how, const data::Dataset& train) {
  if (!how.preprocessing && how.eval_transform) return std::nullopt;
  data::Preprocessing result = how.preprocessing.value_or(data::Preprocessing{});
  static_cast<void>(data::preprocess(result));  // throws if it makes no sense, also where own transforms are used
  if (result.size > 0) return result;
  const std::optional<int64_t> size = picture_size(train);
  if (size) result.size = *size;
  return size || how.preprocessing ? std::optional(result) : std::nullopt;
}

/// What the caller says of the data, or the data themselves; empty: nothing.
std::string about(const data::Dataset& train, const FitOptions& options) {
  if (!options.about_data.empty()) return options.about_data;
  const nlohmann::json about = train.about();
  return about.is_null() ? "" : to_text(about);
}

}  // namespace

Description describe(const Module& model, const data::Dataset& train, const TrainerOptions& how,
                     const FitOptions& options) {
  return {.model = model.definition(),
          .classes = train.classes(),
          .preprocessing = preprocessing_of(how, train),
          .data = about(train, options)};
}

}  // namespace kindling
