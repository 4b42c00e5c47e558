#include "report_page.h"

#include "report_sections.h"
#include "splits.h"

#include "vtr/core/log.h"
#include "vtr/eval/feature_store.h"

#include <torch/types.h>

#include <optional>

namespace vtr::cli {
RunReport report_on(Subject subject, const std::string& name, int64_t queries) {
  const auto [model, tokenizer] = load(subject);
  auto& e = subject.experiment;
  const auto how = encoding(e, *model, *tokenizer);
  const auto manifest =
      data::read_split(e.data, data::Split::test, static_cast<uint64_t>(e.train.seed));
  log_notes(manifest);
  std::optional<eval::Features> kept;
  if (!e.data.features.empty()) {
    kept = eval::FeatureStore(how).open(how, manifest, eval::FeatureStore::Texts::fresh);
  }
  const eval::Features* features = kept ? &*kept : nullptr;
  const auto result = eval::evaluate(how, manifest, e.eval.workspace_mb, features);
  log::info("[report] {}: {}: t2v R@1 {:.1f}, {:.1f} s", subject.label, manifest.name,
            result.t2v.r1, result.seconds);

  RunReport run{.name = name, .experiment = e, .t2v = result.t2v, .v2t = result.v2t};
  run.page.title = fmt::format("{}: {} on {}", run.name, e.model.head.name, manifest.name);
  run.page.subtitle = fmt::format(
      "{} texts, {} videos, {} skipped. Weights: {}. Equal scores share the mean of their places.",
      result.t2v.queries, result.videos, result.skipped, subject.checkpoint->filename().string());
  const auto all = eval::answers(result);
  const auto shown = eval::best(all, queries), failed = eval::worst(all, queries);
  const auto seen = eval::look(how, result.readable, features, pairs_of({shown, failed}));
  run.page.sections = {result_section(e, result),
                       training_section(subject.run),
                       ranks_section(result),
                       stories_section("best", "Answered best", result, shown, seen),
                       stories_section("worst", "Answered worst", result, failed, seen),
                       confusion_section(result, all),
                       configuration_section(e, subject.run)};
  return run;
}

}  // namespace vtr::cli
