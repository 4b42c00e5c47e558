#include "recorder.h"

#include "vtr/core/log.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace vtr::train {
namespace {

constexpr const char* kNonFinite = "nonfinite.jsonl";

std::vector<double> to_vector(const Tensor& values) {  // [n]
  const Tensor host = values.to(torch::kCPU, torch::kDouble).contiguous();
  return {host.data_ptr<double>(), host.data_ptr<double>() + host.numel()};
}

bool has_duplicates(const Tensor& videos) {
  auto index = to_vector(videos);
  std::sort(index.begin(), index.end());
  return std::adjacent_find(index.begin(), index.end()) != index.end();
}

// Of the finite values, NaN when there are none.
double mean_of(const std::vector<Figures>& all, auto value) {
  double sum = 0, count = 0;
  for (const auto& figures : all) {
    if (!std::isfinite(value(figures))) continue;
    sum += value(figures);
    ++count;
  }
  return sum / count;
}

void add_scalars(report::EventLog& events, const std::string& prefix,
                 const report::Record& record) {
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto& [name, value] : record) {
    if (const auto* number = std::get_if<double>(&value)) {
      scalars.emplace_back(prefix + name, *number);
    } else if (const auto* whole = std::get_if<int64_t>(&value); whole && name != "step") {
      scalars.emplace_back(prefix + name, static_cast<double>(*whole));
    }
  }
  events.add(std::get<int64_t>(record.front().second), scalars);
}

bool masks_duplicates(const config::Choice& loss) {
  const config::Node mask = loss.options["mask_duplicates"];
  return !mask || mask.as<bool>();
}

}  // namespace

Recorder::Recorder(const fs::path& run, const data::Manifest& train, const TrainOptions& options,
                   int64_t step, const RunLength& length, int64_t pairs, bool writes)
    : run_(run),
      train_(train),
      options_(options),
      first_(step),
      length_(length),
      pairs_(pairs),
      start_(std::chrono::steady_clock::now()) {
  if (!writes) return;
  files_.emplace(run, step, length);
  if (fs::exists(run / kNonFinite)) nonfinite_.emplace(run / kNonFinite, step);
}

void Recorder::add(const StepResult& result, const Step::Rows& batch) {
  const Tensor figures = torch::stack(
      {result.loss, result.norms.slice(0, 0, result.encoders).norm(),
       result.norms.slice(0, result.encoders).norm(), result.logit_scale.exp(),
       result.loss_scale.defined() ? result.loss_scale : torch::ones_like(result.loss)});
  pending_.push_back({result, figures, batch});
  notice(batch);
  if (files_) files_->progress.advance(1, note_);
}

void Recorder::notice(const Step::Rows& batch) {
  const int64_t each = batch.captions_per_video;  // of which the run knows
  const bool doubled = has_duplicates(batch.videos.slice(0, 0, std::nullopt, each));
  const bool cut = batch.truncated > 0;
  if ((doubled || each > 1) && !warned_ && !masks_duplicates(options_.loss)) {
    warned_ = true;
    log::warn(
        "[train] a batch holds a video twice, each the other's negative "
        "(train.loss.mask_duplicates=true leaves them out)");
  }
  if (cut && noticed_.truncated == 0) {
    log::warn("[train] a caption is longer than text.max_words and loses its tail");
  }
  ++noticed_.batches;
  noticed_.duplicates += doubled ? 1 : 0;
  noticed_.truncated += batch.truncated;
}

void Recorder::finish() const {
  if (noticed_.truncated > 0)
    log::warn("[train] {} captions lost their tail (text.max_words)", noticed_.truncated);
  if (noticed_.duplicates > 0)
    log::info("[train] {} of {} batches held a video twice", noticed_.duplicates, noticed_.batches);
}

std::vector<Figures> Recorder::fetch() const {
  std::vector<Tensor> figures;
  for (const auto& pending : pending_) figures.push_back(pending.figures);
  const auto values = to_vector(torch::stack(figures).flatten());
  std::vector<Figures> all;
  for (size_t i = 0; i < pending_.size(); ++i) {
    const double* v = &values[5 * i];
    all.push_back({pending_[i].result.step, v[0], v[1], v[2], v[3], v[4]});
  }
  return all;
}

std::vector<Figures> Recorder::read(double waited, int64_t skipped) {
  if (pending_.empty()) return {};
  auto all = fetch();
  if (files_) write(all, waited, skipped);
  pending_.clear();
  reported_ = noticed_;
  restart(waited);
  return all;
}

void Recorder::write(const std::vector<Figures>& all, double waited, int64_t skipped) {
  for (size_t i = 0; i < all.size(); ++i) {
    if (!all[i].finite() && !all[i].overflow()) dump(all[i], pending_[i]);
  }
  const auto steps = static_cast<double>(all.size());
  const double wait = waited - waited_;
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  auto record = line(all);
  record.emplace_back("seconds", (seconds - wait) / steps);
  record.emplace_back("data_wait", wait / steps);
  record.emplace_back("skipped", skipped);
  files_->metrics.add(record);
  add_scalars(files_->events, "train/", record);
  auto norms = to_vector(pending_.back().result.norms);
  for (double& norm : norms) norm = std::log10(norm);
  files_->events.add_histogram(all.back().step, "train/grad_norms (log10)", std::move(norms));
  std::vector<double> scales;
  for (const Figures& figures : all) scales.push_back(figures.logit_scale);
  files_->events.add_histogram(all.back().step, "train/logit_scales", std::move(scales));
  const double pairs = static_cast<double>(pairs_) * steps;  // of all ranks
  note_ = fmt::format("{:.3g} pairs/s  data {:.0f}%  loss {:.4f}  lr {:.2g}  scale {:.1f}",
                      pairs / seconds, 100 * wait / seconds, std::get<double>(record[2].second),
                      options_.lr * pending_.back().result.factor, all.back().logit_scale);
}

void Recorder::restart(double waited) {
  start_ = std::chrono::steady_clock::now();
  waited_ = waited;
}

report::Record Recorder::line(const std::vector<Figures>& all) const {
  const double factor = pending_.back().result.factor;
  const auto lost =
      std::count_if(all.begin(), all.end(), [](const auto& f) { return !f.finite(); });
  return {{"step", all.back().step},
          {"epoch", static_cast<double>(all.back().step) / static_cast<double>(length_.epoch)},
          {"loss", mean_of(all, [](const auto& f) { return f.loss; })},
          {"lr", options_.lr * factor},
          {"encoder_lr", options_.encoder_lr * factor},
          {"grad_norm", mean_of(all, [](const auto& f) { return f.norm(); })},
          {"grad_norm_encoder", mean_of(all, [](const auto& f) { return f.encoder_norm; })},
          {"grad_norm_head", mean_of(all, [](const auto& f) { return f.head_norm; })},
          {"logit_scale", all.back().logit_scale},
          {"loss_scale", all.back().loss_scale},
          {"non_finite", static_cast<int64_t>(lost)},
          {"duplicates", noticed_.duplicates - reported_.duplicates},
          {"truncated", noticed_.truncated - reported_.truncated}};
}

// Figures as text: JSON has no NaN.
void Recorder::dump(const Figures& figures, const Pending& pending) {
  if (!nonfinite_) nonfinite_.emplace(run_ / kNonFinite, first_);
  std::vector<std::string> videos;
  for (const double index : to_vector(pending.batch.videos)) {
    videos.push_back(train_.videos[static_cast<size_t>(index)].id);
  }
  nonfinite_->add(
      {{"step", figures.step},
       {"loss", fmt::format("{}", figures.loss)},
       {"grad_norm_encoder", fmt::format("{}", figures.encoder_norm)},
       {"grad_norm_head", fmt::format("{}", figures.head_norm)},
       {"logit_scale", fmt::format("{}", figures.logit_scale)},
       {"loss_scale", figures.loss_scale},
       {"videos", fmt::format("{}", fmt::join(videos, " "))},
       {"captions", fmt::format("{}", fmt::join(to_vector(pending.batch.captions), " "))}});
}

void Recorder::add_validation(const report::Record& record) {
  if (!files_) return;
  files_->validations.add(record);
  add_scalars(files_->events, "val/", record);
}

}  // namespace vtr::train
