// What a run writes and tells.
#include <sys/resource.h>

#include <set>

#include <nlohmann/json.hpp>

#include <kindling/io/checkpoint.h>
#include <kindling/train/curves.h>
#include <kindling/train/fit.h>

namespace kindling {
namespace {

using Json = nlohmann::ordered_json;

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024e-6;
}

double wait_share(const data::LoaderStats& stats) {
  return stats.total_seconds > 0 ? stats.wait_seconds / stats.total_seconds : 0;
}

}  // namespace

/// False, after a note, if it cannot be written.
bool Fit::save_to(const std::string& path) {
  write_events();
  try {
    state_.metrics_lines = folder_->metrics_lines();
    folder_->sync_metrics();
    if (events_) events_->sync();
    save_checkpoint(
        path, model_,
        {{"optimizer", optimizer_.state()}, {"schedule", scheduler_.state()}, {"run", to_state(state_, identity_)}},
        about_);
  } catch (const FileError& error) {
    save_error_ = error.what();
    note(save_error_ + "; tried again at the next checkpoint");
    return false;
  }
  return true;
}

void Fit::save_last() {
  if (folder_) last_saved_ = save_to(folder_->last_checkpoint());
}

/// False, after a note, if it cannot be written.
bool Fit::save_best() {
  if (folder_) best_saved_ = save_to(folder_->best_checkpoint());
  return best_saved_;
}

void Fit::write(const Json& line) {
  try {
    folder_->append_metrics(line);
    metrics_written_ = true;
  } catch (const FileError& error) {
    if (metrics_written_) note(std::string(error.what()) + "; tried again with the next line");
    metrics_written_ = false;
  }
}

void Fit::write_events() {
  if (!events_) return;
  try {
    events_->flush();
    events_written_ = true;
  } catch (const FileError& error) {
    if (events_written_) note(std::string(error.what()) + "; tried again at the next update");
    events_written_ = false;
  }
}

/// Throws FileError if something has not been written although it was tried again and again.
void Fit::check_all_written() {
  if (!folder_) return;
  if (!last_saved_) save_last();
  if (!last_saved_) throw FileError(save_error_ + "; what was trained since the last checkpoint is lost");
  // With validation the next best epoch writes it; without, it is what was trained.
  if (!validator_ && !best_saved_ && !save_best())
    throw FileError(save_error_ + "; what was trained is in " + folder_->last_checkpoint() + " alone");
  folder_->write_waiting_metrics();
  if (events_) events_->flush();
}

void Fit::report_step(const Totals& totals, double gradient_norm) {
  if (events_) {
    events_->add_scalar("train/loss", totals.mean_loss(), state_.step);
    events_->add_scalar("train/lr", optimizer_.lr(), state_.step);
    events_->add_scalar("train/gradient_norm", gradient_norm, state_.step);
    write_events();
  }
  if (folder_ && options_.log_every > 0 && state_.step % options_.log_every == 0) log_step();
  if (!is_told()) return;
  const int64_t steps = updates_per_epoch() * options_.epochs;
  const int64_t validations = validator_ ? options_.epochs - state_.epoch : 0;
  const StepReport report{.epoch = state_.epoch + 1,
                          .epochs = options_.epochs,
                          .step = state_.step,
                          .steps = steps,
                          .batch = state_.batch,
                          .batches = loader_.batches_per_epoch(),
                          .lr = optimizer_.lr(),
                          .loss = totals.mean_loss(),
                          .gradient_norm = gradient_norm,
                          .epoch_loss = state_.epoch_totals.mean_loss(),
                          .epoch_top1 = state_.epoch_totals.top1(),
                          .images_per_second = speed_.epoch_images_per_second(),
                          .wait_share = wait_share(loader_.stats()),
                          .seconds_left = speed_.seconds_left(steps - state_.step, validations)};
  tell([&](TrainListener& to) { to.on_step(report); });
}

void Fit::log_step() {
  write({{"epoch", state_.epoch + 1},
         {"step", state_.step},
         {"lr", optimizer_.lr()},
         {"train_loss", state_.logged_totals.mean_loss()},
         {"train_top1", or_null(state_.logged_totals.top1())},
         {"images_per_second", speed_.epoch_images_per_second()}});
  state_.logged_totals = {};
}

void Fit::log_epoch() {
  Json line{{"epoch", state_.epoch + 1},
            {"step", state_.step},
            {"lr", optimizer_.lr()},
            {"train_loss", state_.train_loss},
            {"train_top1", or_null(state_.epoch_totals.top1())},
            {"val_loss", nullptr},
            {"val_top1", nullptr},
            {"val_top5", nullptr},
            {"images_per_second", speed_.epoch_images_per_second()}};
  if (validation_) {
    line["val_loss"] = validation_->loss;
    line["val_top1"] = or_null(validation_->top1);
    line["val_top5"] = or_null(validation_->top5);
    for (const auto& [name, value] : validation_->metrics) line["val_" + name] = value;
  }
  if (folder_) write(line);
  if (events_) {
    for (const auto& [key, value] : line.items())
      if (key.starts_with("val_") && value.is_number()) events_->add_scalar("val/" + key.substr(4), value, state_.step);
    write_histograms();
  }
}

void Fit::write_histograms() {
  if (options_.histograms_every == 0 || (state_.epoch + 1) % options_.histograms_every != 0) return;
  for (const auto& [name, parameter] : model_.named_parameters()) {
    events_->add_histogram("weights/" + name, parameter.value(), state_.step);
    if (parameter.requires_grad() && parameter.grad().defined())
      events_->add_histogram("gradients/" + name, parameter.grad(), state_.step);
  }
}

void Fit::report_epoch(bool best) {
  const EpochReport report{.epoch = state_.epoch + 1,
                           .epochs = options_.epochs,
                           .step = state_.step,
                           .lr = optimizer_.lr(),
                           .train_loss = state_.train_loss,
                           .train_top1 = state_.epoch_totals.top1(),
                           .validation = validation_,
                           .best = best,
                           .images_per_second = speed_.epoch_images_per_second(),
                           .wait_share = wait_share(loader_.stats()),
                           .seconds = speed_.epoch_seconds()};
  tell([&](TrainListener& to) { to.on_epoch(report); });
}

/// Draws the curves, but not so often that it costs anything, unless it must be `now`.
void Fit::draw(bool now) {
  constexpr std::chrono::seconds kPause{10};
  if (!folder_ || !options_.curves || (!now && std::chrono::steady_clock::now() - drawn_ < kPause)) return;
  drawn_ = std::chrono::steady_clock::now();
  try {
    draw_curves(folder_->path());
  } catch (const FileError& error) {
    if (now) note(error.what());  // once is enough
  }
}

void Fit::note(const std::string& text) {
  tell([&](TrainListener& to) { to.on_note(text); });
}

/// Tells the notes of the data sets. Parts of one set have the same notes, which are told once.
void Fit::note_datasets() {
  std::set<std::string> told;
  const data::Dataset* sets[] = {&loader_.dataset(), validator_ ? &validator_->dataset() : nullptr,
                                 options_.test.get()};
  for (const data::Dataset* set : sets)
    for (const std::string& text : set ? set->notes() : std::vector<std::string>())
      if (told.insert(text).second) note(text);
}

void Fit::note_skipped(const std::vector<std::string>& messages, size_t& known) {
  for (; known < messages.size(); ++known) note("skipped: " + messages[known]);
}

TrainResult Fit::result(TrainEnd end) const {
  return {.end = end,
          .run = options_.run,
          .epochs = state_.epoch,
          .steps = state_.step,
          .train_loss = state_.train_loss,
          .validation = validation_,
          .test = test_,
          .best = state_.best,
          .best_epoch = state_.best_epoch,
          .images_per_second = speed_.images_per_second(),
          .peak_rss_mb = peak_rss_mb()};
}

}  // namespace kindling
