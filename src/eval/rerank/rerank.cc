#include "vtr/eval/rerank.h"

#include "rerank/entries.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"

#include <torch/types.h>

#include <cmath>

namespace vtr::eval {
namespace {

Tensor unchanged(const config::Node&, const RerankInput& input) { return input.sim; }

// The scores of a split, and of the bank's queries with its texts and videos.
class Scores {
 public:
  Scores(const Encoding& encoding, const Evaluation& split, const SplitStates* bank,
         int64_t workspace_mb)
      : t2v_{split.sim.to(torch::kDouble)}, v2t_{t2v_.sim.t().contiguous()} {
    if (!bank) return;
    const auto score = [&](const SplitStates& texts, const SplitStates& videos) {
      return models::score_blocked(encoding.model.head(), texts.text_states, videos.video_states,
                                   {.workspace_mb = workspace_mb})
          .to(torch::kCPU, torch::kDouble);
    };
    t2v_.bank = score(*bank, split);
    v2t_.bank = score(split, *bank).t().contiguous();
  }
  Reranked apply(const RerankEntry& entry, const config::Choice& choice) const {
    return {entry.apply(choice.options, t2v_), entry.apply(choice.options, v2t_), choice};
  }

 private:
  RerankInput t2v_, v2t_;
};

config::Choice with_beta(const config::Choice& choice, double beta) {
  config::Choice result = choice;
  result.options["beta"] = beta;
  return result;
}

double both_ways(const Reranked& reranked, const Evaluation& split) {
  const Tensor target = torch::tensor(split.target);
  return summarize(ranks_t2v(reranked.t2v, target)).r1 +
         summarize(ranks_v2t(reranked.v2t.t(), target)).r1;
}

std::vector<double> numbers(const std::vector<std::string>& words) {
  std::vector<double> result;
  for (const auto& word : words) {
    double number = 0;
    VTR_CHECK(YAML::convert<double>::decode(YAML::Node(word), number) && number > 0,
              "eval.rerank.choose: '{}' is no number above 0", word);
    result.push_back(number);
  }
  return result;
}

// The temperature of the best R@1 on the validation split; of equal ones the first.
config::Choice choose(const RerankEntry& entry, const config::Choice& choice,
                      const std::vector<double>& betas, const Scores& scores,
                      const Evaluation& validation) {
  config::Choice best;
  double highest = -1;
  for (const double beta : betas) {
    const auto candidate = with_beta(choice, beta);
    double found = 0;
    try {
      found = both_ways(scores.apply(entry, candidate), validation);
    } catch (const Error& error) {  // it is too large
      log::warn("[eval] {}, beta {} is left out: {}", entry.name, beta, error.what());
      continue;
    }
    log::info("[eval] {}, beta {}: R@1 both ways {:.2f} on {}", entry.name, beta, found / 2,
              validation.readable.name);
    if (found > highest) highest = found, best = candidate;
  }
  VTR_CHECK(highest >= 0, "eval.rerank.choose: none of them can be used");
  return best;
}

}  // namespace

void require_held(double beta, const std::vector<Tensor>& scores) {
  constexpr double kHeld = 700;
  double low = INFINITY, high = -INFINITY;
  for (const auto& part : scores) {
    const auto [least, most] = at::aminmax(part);
    low = std::min(low, least.item<double>());
    high = std::max(high, most.item<double>());
  }
  VTR_CHECK(
      beta * (high - low) <= kHeld,
      "eval.rerank.beta: {} is too large for scores that differ by {:.3g}, whose exponentials "
      "would be 0: {:.0f} at most",
      beta, high - low, std::floor(kHeld / (high - low)));
}

const Table<RerankEntry>& rerankers() {
  static const Table<RerankEntry> table(
      "reranker",
      {rerank_entry<config::NoOptions>("none", "the scores as they are", false, unchanged),
       dsl_rerank(), qb_norm_rerank(), sinkhorn_rerank(), hungarian_rerank()});
  return table;
}

Reranked rerank(const config::Choice& asked, const Encoding& encoding, const Evaluation& split,
                const RerankSources& sources, int64_t workspace_mb) {
  const RerankEntry& entry = rerankers().find(asked.name);
  std::optional<SplitStates> bank;
  if (entry.reads_bank) bank = sources.bank(asked.options["bank"].as<int64_t>());
  const auto scores = [&](const Evaluation& of) {
    return Scores(encoding, of, bank ? &*bank : nullptr, workspace_mb);
  };
  config::Choice choice = asked;
  if (asked.options["beta"] && asked.options["beta"].as<double>() == 0) {
    choice = with_beta(asked, encoding.model.encoders().logit_scale().exp().item<double>());
  }
  const auto given = asked.options["choose"];
  if (const auto betas =
          numbers(given ? given.as<std::vector<std::string>>() : std::vector<std::string>());
      !betas.empty()) {
    const auto unasked = entry.schema.resolve(config::Node(YAML::NodeType::Map), "")["beta"];
    VTR_CHECK(asked.options["beta"].as<double>() == unasked.as<double>(),
              "eval.rerank: beta={} and choose are given: leave one of them out",
              asked.options["beta"].as<std::string>());
    const auto validation = sources.validation();
    VTR_CHECK(validation,
              "eval.rerank.choose: there is no validation split (data.val, "
              "data.val_fraction)");
    VTR_CHECK(validation->readable.sha256() != split.readable.sha256(),
              "eval.rerank.choose: the validation split is the test split, {}",
              split.readable.name);
    choice = choose(entry, choice, betas, scores(*validation), *validation);
  }
  return scores(split).apply(entry, choice);
}

}  // namespace vtr::eval
