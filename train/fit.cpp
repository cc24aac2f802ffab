#include <kindling/train/fit.h>

#include <cmath>
#include <filesystem>

#include <kindling/optim/gradients.h>
#include <kindling/tensor/kernels/parallel.h>

namespace kindling {
namespace {

int64_t groups(int64_t n, int64_t size) { return (n + size - 1) / size; }

data::LoaderOptions train_loader(const TrainerOptions& how, const FitOptions& options) {
  return {.batch_size = how.batch_size,
          .shuffle = true,
          .drop_last = how.drop_last,
          .seed = how.seed,
          .reading = options.reading};
}

}  // namespace

Fit::Fit(Module& model, Optimizer& optimizer, const TrainerOptions& how, const FitOptions& options,
         const data::DatasetPtr& train, const data::DatasetPtr& val)
    : model_(model),
      optimizer_(optimizer),
      how_(how),
      options_(options),
      identity_{.batch_size = how.batch_size,
                .accumulate = how.accumulate,
                .drop_last = how.drop_last,
                .samples = train->size(),
                .seed = how.seed},
      loader_(train, train_loader(how, options)),
      scheduler_(how.schedule, updates_per_epoch() * options.epochs),
      dead_layers_(model) {
  if (!options.run.empty()) about_ = to_metadata(describe(model, *train, how, options));
  if (options.progress) progress_.emplace();
  if (val) validator_.emplace(val, validation_options());
}

data::Transform Fit::or_default(const data::Transform& transform) const {
  return transform ? transform : data::preprocess(how_.preprocessing.value_or(data::Preprocessing{}));
}

int64_t Fit::updates_per_epoch() const { return groups(loader_.batches_per_epoch(), how_.accumulate); }

TrainResult Fit::run() {
  flush_denormals();  // as parallel_for does in every thread that it uses
  if (!model_.training()) model_.train();
  open_run();
  note_datasets();
  TrainEnd end = TrainEnd::finished;
  try {
    while (state_.epoch < options_.epochs && !out_of_patience()) {
      train_epoch();
      finish_epoch();
    }
    if (state_.epoch < options_.epochs) end = TrainEnd::early_stopped;
    if (validator_ && !validation_) validation_ = validator_->run(model_);  // a run that had ended is resumed
    if (options_.test) test_ = evaluate(model_, options_.test, validation_options());
  } catch (const Stopped&) {
    note_skipped(loader_.stats().skipped, known_train_skips_);
    save_last();
    end = TrainEnd::stopped;
  }
  draw(/*now=*/true);
  check_all_written();
  return result(end);
}

void Fit::train_epoch() {
  gradient_.reset();
  const bool early = state_.epoch < how_.early_epochs;
  loader_.set_transform(or_default(early ? how_.early_transform : how_.train_transform));
  loader_.start(state_.epoch, state_.batch);
  speed_.start_epoch();
  while (update()) {
    stop_if_asked();
    if (options_.checkpoint_every > 0 && state_.step % options_.checkpoint_every == 0) save_last();
  }
  note_skipped(loader_.stats().skipped, known_train_skips_);
}

/// Takes the next batches through the model and moves the parameters once. False at the end of the
/// epoch.
bool Fit::update() {
  const int64_t first_batch = state_.batch;
  const Totals totals = add_batches(first_batch);
  if (totals.samples == 0) return false;
  gradient_->finish();

  const Variables parameters = optimizer_.parameters();
  const double norm = how_.clip_norm > 0 ? clip_grad_norm(parameters, how_.clip_norm) : grad_norm(parameters);
  if (!std::isfinite(norm)) diverged("the gradient's norm is " + std::to_string(norm), first_batch);
  if (dead_layers_.look(totals.mean_loss(), gradient_->same_output())) died(first_batch);
  scheduler_.apply(optimizer_);
  optimizer_.step();

  ++state_.step;
  state_.epoch_totals.add(totals);
  state_.logged_totals.add(totals);
  speed_.add_update(totals.samples);
  report_step(totals, norm);
  return true;
}

Totals Fit::add_batches(int64_t first_batch) {
  Totals totals;
  for (int64_t i = 0; i < how_.accumulate; ++i) {
    const data::Batch batch = loader_.next();
    if (batch.size() == 0) break;
    if (!gradient_) {
      const StepPlan plan = plan_step(model_, batch.input.select(0, 0), how_.batch_size, how_.micro_batch);
      gradient_.emplace(model_, how_.loss, plan);
    }
    const int64_t number = state_.epoch * loader_.batches_per_epoch() + batch.number;
    const Totals part = gradient_->add(batch.input, batch.target, static_cast<uint64_t>(number));
    if (!std::isfinite(part.loss)) diverged("the loss is " + std::to_string(part.mean_loss()), first_batch);
    totals.add(part);
    state_.batch = batch.number + 1;
  }
  return totals;
}

/// Repeats the batches of this update, which the loader gives again
/// bit for bit, and looks where the first NaN or Inf comes from.
void Fit::diverged(const std::string& what, int64_t first_batch) {
  std::string cause = "no operation gave a NaN or Inf when repeated";
  loader_.start(state_.epoch, first_batch);
  try {
    for (int64_t i = 0; i < how_.accumulate; ++i) {
      const data::Batch batch = loader_.next();
      if (batch.size() == 0) break;
      const int64_t number = state_.epoch * loader_.batches_per_epoch() + batch.number;
      gradient_->find_nonfinite(batch.input, batch.target, static_cast<uint64_t>(number));
    }
  } catch (const Error& error) {
    cause = error.what();
  }
  gradient_->reset();
  throw DivergedError("update " + std::to_string(state_.step + 1) + ": " + what + ": " + cause);
}

/// Measures the model. If that fails, the epoch that has just been trained is not lost: resume()
/// begins here.
void Fit::validate() {
  try {
    validation_ = validator_->run(model_);
  } catch (const Stopped&) {
    throw;  // run() keeps it
  } catch (...) {
    save_last();
    throw;
  }
}

/// Looks at the update's first batch again for the layer to be named.
void Fit::died(int64_t first_batch) {
  loader_.start(state_.epoch, first_batch);
  const std::string death = dead_layers_.describe(model_, loader_.next().input);
  throw DeadNetworkError("update " + std::to_string(state_.step + 1) + ": " + death);
}

void Fit::finish_epoch() {
  // Before all else that tells of an epoch: a run that dies from here on goes on from it.
  if (folder_ && !std::filesystem::exists(folder_->last_checkpoint())) save_last();
  if (validator_) {
    validate();
    speed_.add_validation();
    note_skipped(validation_->skipped, known_val_skips_);
  }
  state_.train_loss = state_.epoch_totals.mean_loss();
  const std::optional<double> best_before = state_.best;
  const int64_t best_epoch_before = state_.best_epoch;
  const bool best = validation_ && is_best(*validation_);
  if (best) state_.best_epoch = state_.epoch + 1;
  log_epoch();
  report_epoch(best);

  ++state_.epoch;
  state_.batch = 0;
  state_.epoch_totals = state_.logged_totals = {};
  // What counts as the best is what best.ckpt holds; without validation that is the last.
  if ((best || !validator_) && !save_best()) {
    state_.best = best_before;
    state_.best_epoch = best_epoch_before;
  }
  save_last();
  draw(/*now=*/false);
}

EvaluateOptions Fit::validation_options() {
  const auto progress = [this](int64_t done, int64_t total) {
    tell([&](TrainListener& to) { to.on_validation(done, total); });
  };
  return {.loss = how_.loss,
          .metrics = how_.metrics,
          .batch_size = how_.batch_size,
          .transform = or_default(how_.eval_transform),
          .reading = options_.reading,
          .progress = progress,
          .stop = options_.stop};
}

/// Remembers the best value so far: the largest top-1 of a classifier, the smallest loss of others.
bool Fit::is_best(const Evaluation& validation) {
  const double value = validation.top1.value_or(validation.loss);
  if (!std::isfinite(value)) return false;
  const bool better = !state_.best || (validation.top1 ? value > *state_.best : value < *state_.best);
  if (better) state_.best = value;
  return better;
}

bool Fit::out_of_patience() const {
  return options_.patience > 0 && state_.best && state_.epoch - state_.best_epoch >= options_.patience;
}

void Fit::stop_if_asked() const {
  if (options_.stop != nullptr && options_.stop->load()) throw Stopped();
}

}  // namespace kindling
