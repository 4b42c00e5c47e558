// A model and its splits: read, encoded or taken from the store of features, and evaluated.
#pragma once

#include "subject.h"

#include "vtr/eval/feature_store.h"
#include "vtr/eval/rerank.h"

namespace vtr::cli {

class SplitReader {
 public:
  // Loads its model. With a group its ranks share the work of `evaluate`.
  explicit SplitReader(Subject& subject, dist::Group* ranks = nullptr);

  eval::Encoding how() const;
  // The test split is data.test of the moment.
  data::Manifest read(data::Split split) const;
  // Writes the features of those test splits into `folder`; from now on it is data.features.
  void keep_features(const fs::path& folder, const std::vector<std::string>& splits);
  eval::Evaluation evaluate(const data::Manifest& manifest);
  // By eval.rerank; `result` is that of a process alone.
  eval::Reranked rerank(const eval::Evaluation& result);

 private:
  // None where there is no validation split.
  std::optional<eval::Evaluation> validation();
  // So many training videos with their captions, drawn with eval.seed; 0: all.
  eval::SplitStates bank(int64_t videos);
  std::optional<eval::Features> features(const eval::Encoding& how, const data::Manifest& manifest);

  Experiment& experiment_;
  Loaded loaded_;
  dist::Group* ranks_;
  std::optional<eval::FeatureStore> store_;
};

}  // namespace vtr::cli
