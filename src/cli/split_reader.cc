#include "split_reader.h"

#include "splits.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/core/random.h"

#include <algorithm>
#include <numeric>

namespace vtr::cli {

SplitReader::SplitReader(Subject& subject, dist::Group* ranks)
    : experiment_(subject.experiment), loaded_(load(subject)), ranks_(ranks) {
  if (ranks_) ranks_->open(loaded_.model->device());
}

eval::Encoding SplitReader::how() const {
  return encoding(experiment_, *loaded_.model, *loaded_.tokenizer);
}

data::Manifest SplitReader::read(data::Split split) const {
  auto manifest =
      data::read_split(experiment_.data, split, static_cast<uint64_t>(experiment_.train.seed));
  log_notes(manifest);
  return manifest;
}

void SplitReader::keep_features(const fs::path& folder, const std::vector<std::string>& splits) {
  auto& data = experiment_.data;
  VTR_CHECK(data.features.empty(), "--keep-features: data.features={} has them already",
            data.features);
  std::vector<eval::SplitToEncode> all;
  for (const auto& split : splits) {
    data.test = split;
    all.push_back({how(), read(data::Split::test)});
  }
  eval::write_features(folder, {.dtype = "fp32"}, all);  // fp32: the figures are those without them
  data.features = fs::absolute(folder).string();
}

std::optional<eval::Features> SplitReader::features(const eval::Encoding& how,
                                                    const data::Manifest& manifest) {
  if (experiment_.data.features.empty()) return std::nullopt;
  if (!store_) store_.emplace(how);
  auto features = store_->open(how, manifest, eval::FeatureStore::Texts::fresh);
  log::info("[eval] {}", features.describe());
  return features;
}

eval::Evaluation SplitReader::evaluate(const data::Manifest& manifest) {
  const auto stored = features(how(), manifest);
  return eval::evaluate(how(), manifest, experiment_.eval.workspace_mb, stored ? &*stored : nullptr,
                        ranks_);
}

eval::Reranked SplitReader::rerank(const eval::Evaluation& result) {
  return eval::rerank(
      experiment_.eval.rerank, how(), result,
      {[this](int64_t videos) { return bank(videos); }, [this] { return validation(); }},
      experiment_.eval.workspace_mb);
}

std::optional<eval::Evaluation> SplitReader::validation() {
  const auto manifest = read(data::Split::val);
  return manifest.videos.empty() ? std::nullopt : std::optional(evaluate(manifest));
}

eval::SplitStates SplitReader::bank(int64_t videos) {
  const auto manifest = read(data::Split::train);
  const int64_t all = std::ssize(manifest.videos);
  std::vector<int64_t> left_out(static_cast<size_t>(all));
  std::iota(left_out.begin(), left_out.end(), int64_t{0});
  Rng(derive(static_cast<uint64_t>(experiment_.eval.seed), "bank")).shuffle(left_out);
  left_out.erase(left_out.begin(), left_out.begin() + (videos == 0 ? all : std::min(videos, all)));
  const auto drawn = eval::without(manifest, left_out);
  // A store has the training videos with the training's frames.
  const bool stored = !experiment_.data.features.empty();
  const auto frames = stored ? eval::with_training_frames(how()) : how();
  const auto kept = features(frames, drawn);
  log::info("[eval] the bank: {} videos, {} captions of {}", drawn.videos.size(), drawn.captions(),
            drawn.name);
  return eval::split_states(frames, drawn, kept ? &*kept : nullptr);
}

}  // namespace vtr::cli
