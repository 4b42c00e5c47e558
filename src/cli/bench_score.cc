#include "parts.h"
#include "scoring.h"

#include "vtr/report/run.h"
#include "vtr/train/measure.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <optional>

namespace vtr::cli {
namespace {

struct Flags {
  HeadFlags head;
  int64_t texts = 1000, videos = 1000, frames = 12, words = 32, patches = 49, width = 512;
  int64_t workspace_mb = 256, repeat = 3;
  bool skip_naive = false, half = false;
  std::string json;
};

struct Measured {
  Tensor sim;
  double seconds = 0;  // median, of the states and the scores
  int64_t peak = 0;    // bytes of scoring, above what was held when it began
};

// Projections once a text and a video, then every pair.
Measured measure(models::Head& head, const models::TextFeatures& texts,
                 const models::VideoFeatures& videos, const Flags& flags, int64_t repeat,
                 models::Scoring scoring) {
  Measured result;
  std::vector<double> seconds;
  // A run before the timed ones shows the memory; where one run must do, it shows both.
  for (int64_t i = repeat > 1 ? -1 : 0; i < repeat; ++i) {
    result.sim = Tensor();
    const auto start = std::chrono::steady_clock::now();
    models::TextState text = text_states(head, texts);
    models::VideoState video = video_states(head, videos);
    if (flags.half) text = text.to(torch::kHalf), video = video.to(torch::kHalf);
    const bool first = i == (repeat > 1 ? -1 : 0);
    const int64_t before = first ? train::reset_peak_memory(torch::kCPU) : 0;
    result.sim = models::score_blocked(head, text, video,
                                       {.workspace_mb = flags.workspace_mb, .scoring = scoring});
    if (first) result.peak = train::peak_memory(torch::kCPU) - before;
    if (i < 0) continue;
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + repeat / 2, seconds.end());
  result.seconds = seconds[static_cast<size_t>(repeat / 2)];
  return result;
}

int bench_score(const Flags& flags) {
  torch::manual_seed(1);
  const torch::NoGradGuard no_grad;
  const auto [n, m, t, l, d] =
      std::tuple(flags.texts, flags.videos, flags.frames, flags.words, flags.width);
  const auto head = flags.head.make({.width = d, .frames = t, .words = l});
  // Away from the identity, where no term is hidden.
  for (auto& p : head->parameters()) {
    p.add_(0.3 / std::sqrt(p.dim() > 0 ? p.size(-1) : 1) * torch::randn_like(p));
  }
  const auto wants = head->wants();
  const models::TextFeatures texts{torch::randn({n, d}),
                                   wants.tokens ? torch::randn({n, l, d}) : Tensor(),
                                   torch::ones({n, l}, torch::kBool)};
  const models::VideoFeatures videos{
      torch::randn({m, t, d}), wants.patches ? torch::randn({m, t, flags.patches, d}) : Tensor(),
      torch::ones({m, t}, torch::kBool), torch::arange(t, torch::kFloat).expand({m, t})};
  const bool factors = head->factored() != nullptr;
  const auto scoring = factors ? models::Scoring::factored : models::Scoring::direct;
  const Measured fast = measure(*head, texts, videos, flags, flags.repeat, scoring);
  report::Record record = {{"head", flags.head.name},
                           {"scoring", std::string(factors ? "factored" : "blocks")},
                           {"texts", n},
                           {"videos", m},
                           {"frames", t},
                           {"width", d},
                           {"threads", static_cast<int64_t>(at::get_num_threads())},
                           {"factored_seconds", fast.seconds},
                           {"pairs_per_second", static_cast<double>(n * m) / fast.seconds},
                           {"factored_peak_bytes", fast.peak}};
  if (!flags.skip_naive) {
    const Measured naive = measure(*head, texts, videos, flags, 1, models::Scoring::naive);
    record.emplace_back("naive_seconds", naive.seconds);
    record.emplace_back("speedup", naive.seconds / fast.seconds);
    record.emplace_back("max_abs_diff", (naive.sim - fast.sim).abs().max().item<double>());
    record.emplace_back("naive_peak_bytes", naive.peak);
  }
  print_record(record, flags.json);
  return 0;
}

}  // namespace

Action add_bench_score(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->head.add(app);
  const auto number = [&](const char* name, int64_t& value, const char* help) {
    app.add_option(name, value, help)->check(CLI::Range(1, 1'000'000))->capture_default_str();
  };
  number("--texts", flags->texts, "N");
  number("--videos", flags->videos, "M");
  number("--frames", flags->frames, "T");
  number("--words", flags->words, "L, for heads that read words");
  number("--patches", flags->patches, "P, for heads that read patches");
  number("--width", flags->width, "D");
  number("--workspace-mb", flags->workspace_mb, "memory for a block of texts x videos");
  number("--repeat", flags->repeat, "runs of the fast scoring; the median counts");
  app.add_flag("--skip-naive", flags->skip_naive, "the fast scoring alone");
  app.add_flag("--half", flags->half, "states stored in float16");
  app.add_option("--json", flags->json, "write it there too, as an object");
  return [flags] { return bench_score(*flags); };
}

}  // namespace vtr::cli
