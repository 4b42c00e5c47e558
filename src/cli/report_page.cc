#include "report_page.h"

#include "report_sections.h"
#include "split_reader.h"

#include "vtr/core/log.h"

namespace vtr::cli {

RunReport report_on(Subject& subject, const std::string& name, int64_t queries) {
  SplitReader reader(subject);
  const auto& e = subject.experiment;
  auto result = reader.evaluate(reader.read(data::Split::test));
  const auto plain = eval::rank_both(result.sim, result.sim.t(), result.target, e.eval);
  RunReport run{.name = name, .experiment = e, .results = plain};
  if (e.eval.rerank.name != "none") {
    const auto scores = reader.rerank(result);
    run.results = eval::rank_both(scores.t2v, scores.v2t, result.target, e.eval);
    result.sim = scores.t2v.to(torch::kFloat);
  }
  const auto& metrics = run.results.t2v.metrics;
  log::info("[report] {}: {}: t2v R@1 {:.1f}, {:.1f} s", subject.label, result.readable.name,
            metrics.r1, result.seconds);
  run.page.title = fmt::format("{}: {} on {}", name, e.model.head.name, result.readable.name);
  run.page.subtitle = fmt::format(
      "{} texts, {} videos, {} skipped; weights of {}; post-processing: {}; ties: {}",
      metrics.queries, result.videos, result.skipped, subject.checkpoint->filename().string(),
      eval::describe(e.eval.rerank), e.eval.ties);
  const auto all = eval::answers(result, run.results.t2v.ranks.per_query());
  const auto shown = eval::best(all, queries), failed = eval::worst(all, queries);
  const auto how = reader.how();
  const auto seen = eval::look(how.loader, how.model.head(), result, pairs_of({shown, failed}));
  const auto table = published_table(own_experiment(subject).data, e.data, result.readable);
  run.page.sections = {result_section(e, table, run.results, plain),
                       training_section(subject.run),
                       ranks_section(result, run.results),
                       stories_section("best", "Answered best", result, shown, seen),
                       stories_section("worst", "Answered worst", result, failed, seen),
                       confusion_section(result, all),
                       configuration_section(e, subject.run)};
  return run;
}

}  // namespace vtr::cli
