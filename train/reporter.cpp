#include <kindling/train/reporter.h>

#include <filesystem>
#include <set>

#include <nlohmann/json.hpp>

#include <kindling/optim/gradients.h>
#include <kindling/train/curves.h>
#include <kindling/train/description.h>
#include <kindling/train/open_run.h>

namespace kindling {
namespace {

using Json = nlohmann::ordered_json;

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

double wait_share(const data::LoaderStats& stats) {
  return stats.total_seconds > 0 ? stats.wait_seconds / stats.total_seconds : 0;
}

}  // namespace

Reporter::Reporter(TrainingState& state, const data::Loader& loader, const TrainerOptions& how,
                   const FitOptions& options, bool validates)
    : state_(state), run_(state.run), loader_(loader), how_(how), options_(options), validates_(validates) {
  if (!options.run.empty()) about_ = to_metadata(describe(state.model, loader.dataset(), how, options));
  if (options.progress) progress_.emplace();
}

void Reporter::open() {
  if (!options_.run.empty()) {
    OpenRun run = open_run(state_, how_, options_, [this](const std::string& text) { note(text); });
    folder_ = std::move(run.folder);
    events_ = std::move(run.events);
  }
  const int64_t steps = state_.identity.updates_per_epoch() * options_.epochs;
  tell([&](TrainListener& to) { to.on_start(run_.epoch, options_.epochs, run_.step, steps); });
}

/// False, after a note, if it cannot be written.
bool Reporter::save_to(const std::string& path) {
  write_events();
  try {
    run_.metrics_lines = folder_->metrics_lines();
    folder_->sync_metrics();
    if (events_) events_->sync();
    state_.save(path, about_);
  } catch (const FileError& error) {
    save_error_ = error.what();
    note(save_error_ + "; tried again at the next checkpoint");
    return false;
  }
  return true;
}

void Reporter::save_first() {
  if (folder_ && !std::filesystem::exists(folder_->last_checkpoint())) save_last();
}

void Reporter::save_last() {
  if (folder_) last_saved_ = save_to(folder_->last_checkpoint());
}

bool Reporter::save_best() {
  if (folder_) best_saved_ = save_to(folder_->best_checkpoint());
  return best_saved_;
}

void Reporter::write(const Json& line) {
  try {
    folder_->append_metrics(line);
    metrics_written_ = true;
  } catch (const FileError& error) {
    if (metrics_written_) note(std::string(error.what()) + "; tried again with the next line");
    metrics_written_ = false;
  }
}

void Reporter::write_events() {
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
void Reporter::check_all_written() {
  if (!folder_) return;
  if (!last_saved_) save_last();
  if (!last_saved_) throw FileError(save_error_ + "; what was trained since the last checkpoint is lost");
  // With validation the next best epoch writes it; without, it is what was trained.
  if (!validates_ && !best_saved_ && !save_best())
    throw FileError(save_error_ + "; what was trained is in " + folder_->last_checkpoint() + " alone");
  folder_->write_waiting_metrics();
  if (events_) events_->flush();
}

void Reporter::report_step(const Totals& totals, double gradient_norm) {
  speed_.add_update(totals.samples);
  if (events_) {
    events_->add_scalar("train/loss", totals.mean_loss(), run_.step);
    events_->add_scalar("train/lr", state_.optimizer.lr(), run_.step);
    events_->add_scalar("train/gradient_norm", gradient_norm, run_.step);
    write_events();
  }
  if (folder_ && options_.log_every > 0 && run_.step % options_.log_every == 0) log_step();
  if (!progress_ && options_.listener == nullptr) return;
  const int64_t steps = state_.identity.updates_per_epoch() * options_.epochs;
  const int64_t validations = validates_ ? options_.epochs - run_.epoch : 0;
  const StepReport report{.epoch = run_.epoch + 1,
                          .epochs = options_.epochs,
                          .step = run_.step,
                          .steps = steps,
                          .batch = run_.batch,
                          .batches = loader_.batches_per_epoch(),
                          .lr = state_.optimizer.lr(),
                          .loss = totals.mean_loss(),
                          .gradient_norm = gradient_norm,
                          .epoch_loss = run_.epoch_totals.mean_loss(),
                          .epoch_top1 = run_.epoch_totals.top1(),
                          .images_per_second = speed_.epoch_images_per_second(),
                          .wait_share = wait_share(loader_.stats()),
                          .seconds_left = speed_.seconds_left(steps - run_.step, validations)};
  tell([&](TrainListener& to) { to.on_step(report); });
}

void Reporter::log_step() {
  write({{"epoch", run_.epoch + 1},
         {"step", run_.step},
         {"lr", state_.optimizer.lr()},
         {"train_loss", run_.logged_totals.mean_loss()},
         {"train_top1", or_null(run_.logged_totals.top1())},
         {"images_per_second", speed_.epoch_images_per_second()}});
  run_.logged_totals = {};
}

void Reporter::log_epoch(const std::optional<Evaluation>& validation) {
  Json line{{"epoch", run_.epoch + 1},
            {"step", run_.step},
            {"lr", state_.optimizer.lr()},
            {"train_loss", run_.train_loss},
            {"train_top1", or_null(run_.epoch_totals.top1())},
            {"val_loss", nullptr},
            {"val_top1", nullptr},
            {"val_top5", nullptr},
            {"images_per_second", speed_.epoch_images_per_second()}};
  if (validation) {
    line["val_loss"] = validation->loss;
    line["val_top1"] = or_null(validation->top1);
    line["val_top5"] = or_null(validation->top5);
    for (const auto& [name, value] : validation->metrics) line["val_" + name] = value;
  }
  if (folder_) write(line);
  if (events_) {
    for (const auto& [key, value] : line.items())
      if (key.starts_with("val_") && value.is_number()) events_->add_scalar("val/" + key.substr(4), value, run_.step);
    write_histograms();
  }
}

void Reporter::write_histograms() {
  if (options_.histograms_every == 0 || (run_.epoch + 1) % options_.histograms_every != 0) return;
  for (const auto& [name, parameter] : state_.model.named_parameters()) {
    events_->add_histogram("weights/" + name, parameter.value(), run_.step);
    if (has_grad(parameter)) events_->add_histogram("gradients/" + name, parameter.grad(), run_.step);
  }
}

void Reporter::report_epoch(const std::optional<Evaluation>& validation, bool best) {
  if (validation) {
    speed_.add_validation();
    note_skipped(validation->skipped, known_val_skips_);
  }
  log_epoch(validation);
  const EpochReport report{.epoch = run_.epoch + 1,
                           .epochs = options_.epochs,
                           .step = run_.step,
                           .lr = state_.optimizer.lr(),
                           .train_loss = run_.train_loss,
                           .train_top1 = run_.epoch_totals.top1(),
                           .validation = validation,
                           .best = best,
                           .images_per_second = speed_.epoch_images_per_second(),
                           .wait_share = wait_share(loader_.stats()),
                           .seconds = speed_.epoch_seconds()};
  tell([&](TrainListener& to) { to.on_epoch(report); });
}

void Reporter::report_validation(int64_t done, int64_t total) {
  tell([&](TrainListener& to) { to.on_validation(done, total); });
}

void Reporter::draw() {
  constexpr std::chrono::seconds kPause{10};
  if (Clock::now() - drawn_ >= kPause) draw_curves_or_note(/*note_failure=*/false);
}

void Reporter::finish() {
  draw_curves_or_note(/*note_failure=*/true);  // once is enough
  check_all_written();
}

void Reporter::draw_curves_or_note(bool note_failure) {
  if (!folder_ || !options_.curves) return;
  drawn_ = Clock::now();
  try {
    draw_curves(folder_->path());
  } catch (const FileError& error) {
    if (note_failure) note(error.what());
  }
}

void Reporter::note(const std::string& text) {
  tell([&](TrainListener& to) { to.on_note(text); });
}

void Reporter::note_datasets(const std::vector<const data::Dataset*>& sets) {
  std::set<std::string> told;
  for (const data::Dataset* set : sets)
    for (const std::string& text : set != nullptr ? set->notes() : std::vector<std::string>())
      if (told.insert(text).second) note(text);
}

void Reporter::note_skipped() { note_skipped(loader_.stats().skipped, known_train_skips_); }

void Reporter::note_skipped(const std::vector<std::string>& messages, size_t& known) {
  for (; known < messages.size(); ++known) note("skipped: " + messages[known]);
}

}  // namespace kindling
