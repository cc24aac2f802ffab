#include <kindling/train/training_loop.h>

#include <sys/resource.h>

#include <cmath>
#include <iomanip>
#include <sstream>

#include <kindling/nn/freeze.h>
#include <kindling/optim/gradients.h>
#include <kindling/tensor/kernels/parallel.h>

namespace kindling {
namespace {

data::LoaderOptions loader_options(const TrainerOptions& how, const FitOptions& options) {
  return {.batch_size = how.batch_size,
          .shuffle = true,
          .drop_last = how.drop_last,
          .seed = how.seed,
          .reading = options.reading};
}

TrainingState initial_state(Module& model, Optimizer& optimizer, const TrainerOptions& how, const FitOptions& options,
                            const data::Dataset& train) {
  const RunIdentity identity{.batch_size = how.batch_size,
                             .accumulate = how.accumulate,
                             .drop_last = how.drop_last,
                             .samples = train.size(),
                             .seed = how.seed};
  return {.model = model,
          .optimizer = optimizer,
          .identity = identity,
          .scheduler = Scheduler(how.schedule, identity.updates_per_epoch() * options.epochs)};
}

/// Returns the norm before clipping; 0 clips nothing.
double clip(const Variables& parameters, double most) {
  return most > 0 ? clip_grad_norm(parameters, most) : grad_norm(parameters);
}

Tensor as_it_is(const Tensor& features, Rng&) { return features; }

/// For people: what compute_features() has done.
std::string describe(const Features& features) {
  constexpr double kMega = 1e6;
  const int64_t samples = features.train->size() + (features.val ? features.val->size() : 0);
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << "the frozen layers have run once on each of " << samples
       << " samples, in " << features.seconds << " s; what they gave is kept (" << std::setprecision(0)
       << static_cast<double>(features.bytes) / kMega << " MB) and only the layers behind them run from here on";
  return text.str();
}

double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024e-6;
}

}  // namespace

TrainingLoop::TrainingLoop(Module& model, Optimizer& optimizer, const TrainerOptions& how, const FitOptions& options,
                           const data::DatasetPtr& train, const data::DatasetPtr& val, const Features* features)
    : how_(how),
      options_(options),
      features_(features),
      loader_(features ? features->train : train, loader_options(how, options)),
      state_(initial_state(model, optimizer, how, options, *train)),
      reporter_(state_, loader_, how, options, /*validates=*/val != nullptr),
      dead_layers_(model) {
  if (features && val) validator_.emplace(features->val, evaluate_options(as_it_is));
  if (!features && val) validator_.emplace(val, evaluate_options(or_default(how_.eval_transform)));
}

TrainResult TrainingLoop::run() {
  flush_denormals();  // as parallel_for does in every thread that it uses
  if (!state_.model.training()) state_.model.train();
  const FrozenLayers frozen(state_.model);
  reporter_.open();
  if (features_) reporter_.note(describe(*features_));
  reporter_.note_datasets({&loader_.dataset(), validator_ ? &validator_->dataset() : nullptr, options_.test.get()});
  TrainResult result{.run = options_.run};
  try {
    while (state_.run.epoch < options_.epochs && !out_of_patience()) {
      train_epoch();
      finish_epoch();
    }
    if (state_.run.epoch < options_.epochs) result.end = TrainEnd::early_stopped;
    if (validator_ && !validation_) validation_ = validator_->run(trained());  // a run that had ended is resumed
    if (options_.test)
      result.test = evaluate(state_.model, options_.test, evaluate_options(or_default(how_.eval_transform)));
  } catch (const Stopped&) {
    reporter_.note_skipped();
    reporter_.save_last();
    result.end = TrainEnd::stopped;
  }
  reporter_.finish();
  result.epochs = state_.run.epoch;
  result.steps = state_.run.step;
  result.train_loss = state_.run.train_loss;
  result.validation = validation_;
  result.best = state_.run.best.value;
  result.best_epoch = state_.run.best.epoch;
  result.images_per_second = reporter_.images_per_second();
  result.peak_rss_mb = peak_rss_mb();
  return result;
}

/// Trains on what is left of the epoch.
void TrainingLoop::train_epoch() {
  RunState& run = state_.run;
  Optimizer& optimizer = state_.optimizer;
  loader_.set_transform(train_transform());
  loader_.start(run.epoch, run.batch);
  reporter_.start_epoch();
  if (loader_.peek().size() == 0) return;  // the run was stopped after the epoch's last batch
  const StepPlan plan = plan_step(trained(), loader_.peek().input.select(0, 0), how_.batch_size, how_.micro_batch);
  GradientStep gradient(trained(), how_.loss, plan);

  while (loader_.peek().size() > 0) {
    Totals totals;
    const int64_t first = run.batch;  // of this update, which has `accumulate` batches
    for (int64_t i = 0; i < how_.accumulate && loader_.peek().size() > 0; ++i) {
      const data::Batch batch = loader_.next();
      totals.add(gradient.add(batch.input, batch.target, number_in_run(batch)));  // forward, loss, backward
      if (!std::isfinite(totals.loss)) diverged(gradient, first, "the loss is " + std::to_string(totals.mean_loss()));
      run.batch = batch.number + 1;
    }
    gradient.finish();
    const double norm = clip(optimizer.parameters(), how_.clip_norm);
    check_alive(gradient, totals, norm, first);
    state_.scheduler.apply(optimizer);  // the learning rate
    optimizer.step();

    run.count_update(totals);
    if (how_.after_update) how_.after_update(run.step);
    reporter_.report_step(totals, norm);
    stop_if_asked();
    if (options_.checkpoint_every > 0 && run.step % options_.checkpoint_every == 0) reporter_.save_last();
  }
}

void TrainingLoop::finish_epoch() {
  RunState& run = state_.run;
  reporter_.note_skipped();
  reporter_.save_first();  // before all else that tells of an epoch: a run that dies from here on goes on from it
  if (validator_) validate();
  run.train_loss = run.epoch_totals.mean_loss();
  const BestEpoch best_before = run.best;
  const bool best = validator_ && run.take_if_best(*validation_);
  reporter_.report_epoch(validation_, best);

  run.begin_next_epoch();
  // What counts as the best is what best.ckpt holds; without validation that is the last.
  if ((best || !validator_) && !reporter_.save_best()) run.best = best_before;
  reporter_.save_last();
  reporter_.draw();
}

/// Measures the model. If that fails, the epoch that has just been trained is not lost: a resumed
/// run begins here.
void TrainingLoop::validate() {
  try {
    validation_ = validator_->run(trained());
  } catch (const Stopped&) {
    throw;  // run() keeps it
  } catch (...) {
    reporter_.save_last();
    throw;
  }
}

/// Throws if the update must not be made.
void TrainingLoop::check_alive(GradientStep& gradient, const Totals& totals, double gradient_norm,
                               int64_t first_batch) {
  if (!std::isfinite(gradient_norm))
    diverged(gradient, first_batch, "the gradient's norm is " + std::to_string(gradient_norm));
  if (!dead_layers_.look(totals.mean_loss(), gradient.same_output())) return;
  loader_.start(state_.run.epoch, first_batch);  // the same batch again, for the layer to be named
  throw DeadNetworkError(next_update() + ": " + dead_layers_.describe(trained(), loader_.next().input));
}

/// Repeats the batches of this update, which the loader gives again
/// bit for bit, and looks where the first NaN or Inf comes from.
void TrainingLoop::diverged(GradientStep& gradient, int64_t first_batch, const std::string& what) {
  std::string cause = "no operation gave a NaN or Inf when repeated";
  loader_.start(state_.run.epoch, first_batch);
  try {
    for (int64_t i = 0; i < how_.accumulate && loader_.peek().size() > 0; ++i) {
      const data::Batch batch = loader_.next();
      gradient.find_nonfinite(batch.input, batch.target, number_in_run(batch));
    }
  } catch (const Error& error) {
    cause = error.what();
  }
  throw DivergedError(next_update() + ": " + what + ": " + cause);
}

std::string TrainingLoop::next_update() const { return "update " + std::to_string(state_.run.step + 1); }

uint64_t TrainingLoop::number_in_run(const data::Batch& batch) const {
  return static_cast<uint64_t>(state_.run.epoch * loader_.batches_per_epoch() + batch.number);
}

data::Transform TrainingLoop::or_default(const data::Transform& transform) const {
  return transform ? transform : data::preprocess(how_.preprocessing.value_or(data::Preprocessing{}));
}

data::Transform TrainingLoop::train_transform() const {
  if (features_) return as_it_is;
  return or_default(state_.run.epoch < how_.early_epochs ? how_.early_transform : how_.train_transform);
}

EvaluateOptions TrainingLoop::evaluate_options(const data::Transform& transform) {
  return {.loss = how_.loss,
          .metrics = how_.metrics,
          .batch_size = how_.batch_size,
          .transform = transform,
          .reading = options_.reading,
          .mistakes = options_.mistakes,
          .progress = [this](int64_t done, int64_t total) { reporter_.report_validation(done, total); },
          .stop = options_.stop};
}

bool TrainingLoop::out_of_patience() const {
  const RunState& run = state_.run;
  return options_.patience > 0 && run.best.value && run.epoch - run.best.epoch >= options_.patience;
}

void TrainingLoop::stop_if_asked() const {
  if (options_.stop != nullptr && options_.stop->load()) throw Stopped();
}

}  // namespace kindling
