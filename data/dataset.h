// What training reads from.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <kindling/tensor/tensor.h>

namespace kindling::data {

/// One example. An image is [H,W,C], u8 in 0..255 or f32. A target is a class number (i64 scalar)
/// or any tensor.
struct Sample {
  Tensor input;
  Tensor target;
};

/// A finite set of samples with numbers. Implement size() and get(). get() is called from several
/// threads at once, and throws FileError for a sample that cannot be read. The loader then skips
/// the sample and names it, or stops (ReadOptions::strict).
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  virtual Sample get(int64_t index) const = 0;
  /// The class of sample `index`, where targets are class numbers. Derived classes that know it
  /// without reading the sample say so; by default it is read.
  virtual int64_t label(int64_t index) const;
  /// The number that sample `index` has in the data set that it was taken from: see Subset.
  virtual int64_t origin(int64_t index) const { return index; }
  /// Where sample `index` comes from, for messages: a file's path, or "#17".
  virtual std::string describe(int64_t index) const;
  /// Names of the classes, in the order of their numbers; empty if there are none.
  virtual std::vector<std::string> classes() const { return {}; }
  /// What the user should know about the data, one sentence each: for example, files that were
  /// skipped.
  virtual std::vector<std::string> notes() const { return {}; }
  /// What a checkpoint keeps of the data that it was trained on, so that they can be recognised;
  /// null: nothing.
  virtual nlohmann::json about() const;
};

using DatasetPtr = std::shared_ptr<const Dataset>;

/// Passes everything on to `base`. Derive from it to change a part.
class Wrapped : public Dataset {
 public:
  explicit Wrapped(DatasetPtr base) : base_(std::move(base)) {}
  int64_t size() const override { return base_->size(); }
  Sample get(int64_t index) const override { return base_->get(index); }
  int64_t label(int64_t index) const override { return base_->label(index); }
  int64_t origin(int64_t index) const override { return base_->origin(index); }
  std::string describe(int64_t index) const override { return base_->describe(index); }
  std::vector<std::string> classes() const override { return base_->classes(); }
  std::vector<std::string> notes() const override { return base_->notes(); }
  nlohmann::json about() const override;

 private:
  DatasetPtr base_;
};

/// Samples in memory: sample i is element i of `inputs` [N, ...] and of `targets` [N, ...].
class TensorDataset : public Dataset {
 public:
  /// Throws ShapeError if the first sizes differ. `classes` may be empty.
  TensorDataset(Tensor inputs, Tensor targets, std::vector<std::string> classes = {});
  int64_t size() const override { return inputs_.size(0); }
  Sample get(int64_t index) const override;
  std::vector<std::string> classes() const override { return classes_; }

 private:
  Tensor inputs_, targets_;
  std::vector<std::string> classes_;
};

/// The samples of `base` with the numbers `indices`, in that order. Throws ShapeError if a number
/// is out of range.
class Subset : public Wrapped {
 public:
  Subset(DatasetPtr base, std::vector<int64_t> indices);
  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  Sample get(int64_t index) const override;
  int64_t label(int64_t index) const override;
  int64_t origin(int64_t index) const override;
  std::string describe(int64_t index) const override;

 private:
  int64_t base_index(int64_t index) const;

  std::vector<int64_t> indices_;
};

/// `count` of the samples, as many of each class as possible, in the order of `dataset`. Classes
/// take turns, in the order of their numbers; one whose samples are used up is passed over. Each
/// class gives its samples in a fixed random order of their origin(). So no seed has a part in it:
/// the same samples come out however the others were held out, fewer samples are among more of
/// them, and only what was held out is replaced. Throws ShapeError unless 0 <= count <= size.
DatasetPtr draw(const DatasetPtr& dataset, int64_t count);

/// The parts of one data set. `val` is null if nothing is held out, `test` if there is none.
struct Splits {
  DatasetPtr train, val, test;
};

/// The data to measure a trained model on, and which part of the data set they are, in words:
/// "val/", "all images".
struct EvalSet {
  DatasetPtr images;
  std::string part;
};

/// What to hold out of the training samples, for validation.
struct HoldOut {
  double share = 0.05;  ///< 0: nothing
  uint64_t seed = 0;
};
/// Holds out round(share * size) samples for `val`, at least one. They are spread evenly over the
/// data set; the seed chooses them. Both parts keep the order of `dataset`. A share of 0 holds out
/// none. Throws ShapeError unless 0 <= share < 1 and both parts get at least one sample.
Splits split(const DatasetPtr& dataset, const HoldOut& hold_out);

}  // namespace kindling::data
