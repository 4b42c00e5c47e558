#include "experiment.h"
#include "scoring.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/core/files.h"
#include "vtr/core/log.h"
#include "vtr/models/weights/head_files.h"

#include <chrono>

namespace vtr::cli {
namespace {

struct Flags {
  HeadFlags head;
  std::string weights, text, video, out;
  int64_t workspace_mb = 256;
  bool naive = false, overwrite = false;
};

// The run whose checkpoint the weights are in; "" of any other file.
fs::path run_of(const std::string& weights) {
  const fs::path checkpoint = fs::weakly_canonical(weights).parent_path();
  const fs::path run = checkpoint.parent_path().parent_path();
  const bool is_run = fs::exists(checkpoint / "state.yaml") && fs::exists(run / "config.yaml");
  return is_run ? run : fs::path();
}

// "heads=4, topk=0": the options that --set does not give.
std::string defaults(const HeadFlags& head) {
  const config::Node given = config::parse_overrides(head.set);
  std::vector<std::string> options;
  for (const auto& row : models::heads().find(head.name).schema.help("")) {
    if (!given[row.name].IsDefined()) options.push_back(row.name + "=" + row.value);
  }
  return fmt::format("{}", fmt::join(options, ", "));
}

// Those the weights were trained with, as far as that is known: weights fit a head of other
// options too, whose scores are others.
config::Node trained_options(const Flags& flags) {
  if (flags.weights.empty()) return {};
  const fs::path run = run_of(flags.weights);
  if (run.empty()) {
    const std::string taken = defaults(flags.head);
    if (!taken.empty()) {
      log::warn("[score] {}: holds weights, not the head's options; taken: {}; --set gives others",
                flags.weights, taken);
    }
    return {};
  }
  const std::string config = (run / "config.yaml").string();
  const auto head = read_experiment(config, {}).model.head;
  VTR_CHECK(head.name == flags.head.name, "--head {0}: {1} has the head {2}; give --head {2}",
            flags.head.name, config, head.name);
  log::info("[score] the head's options are those of {}", config);
  return head.options;
}

int score(const Flags& flags) {
  VTR_CHECK(flags.overwrite || !fs::exists(flags.out), "{}: exists; --overwrite replaces it",
            flags.out);
  check_file("--out", flags.out);
  const auto text_file = models::load_safetensors(flags.text);
  const auto video_file = models::load_safetensors(flags.video);
  const auto texts = models::text_features(text_file, flags.text);
  const auto videos = models::video_features(video_file, flags.video);
  VTR_CHECK(texts.pooled.size(1) == videos.frames.size(2),
            "{} has the width {}, {} has {}: features of one joint space are needed", flags.text,
            texts.pooled.size(1), flags.video, videos.frames.size(2));
  const auto head = flags.head.make(
      {.width = texts.pooled.size(1), .frames = videos.frames.size(1), .words = texts.mask.size(1)},
      trained_options(flags));
  const auto wants = head->wants();
  VTR_CHECK(!wants.tokens || texts.tokens.defined(), "{}: no tensor 'tokens', which {} needs",
            flags.text, flags.head.name);
  VTR_CHECK(!wants.patches || videos.patches.defined(), "{}: no tensor 'patches', which {} needs",
            flags.video, flags.head.name);
  if (flags.weights.empty()) {
    VTR_CHECK(head->parameters().empty(), "--weights: {} has weights; name their safetensors file",
              flags.head.name);
  } else {
    models::load_head(*head, models::load_safetensors(flags.weights), flags.weights);
  }
  const auto start = std::chrono::steady_clock::now();
  const auto sim = models::score_blocked(
      *head, text_states(*head, texts), video_states(*head, videos),
      {.workspace_mb = flags.workspace_mb,
       .scoring = flags.naive ? models::Scoring::naive : models::Scoring::automatic});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  models::save_safetensors(flags.out, {{"sim", sim}}, {{"head", flags.head.name}});
  log::info("[score] {}: {} texts x {} videos in {:.2f} s", flags.out, sim.size(0), sim.size(1),
            seconds.count());
  return 0;
}

Action add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->head.add(app);
  app.add_option("--weights", flags->weights,
                 "safetensors with the head's weights, under our names or its authors'; of a run's "
                 "checkpoint: with the options of the run's head");
  app.add_option("--text", flags->text, "safetensors: pooled [N, D]; tokens [N, L, D], text_mask")
      ->required();
  app.add_option("--video", flags->video,
                 "safetensors: frames [M, T, D], frame_mask; patches [M, T, P, D], times [M, T]")
      ->required();
  app.add_option("--out", flags->out, "safetensors to write: sim [N, M]")->required();
  app.add_option("--workspace-mb", flags->workspace_mb, "memory for a block of texts x videos")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--naive", flags->naive, "the textbook computation, pair by pair, to compare with");
  app.add_flag("--overwrite", flags->overwrite, "replace the file");
  return [flags] { return score(*flags); };
}

}  // namespace

Command score_command() { return {"score", "a head's scores for features from files", add}; }

}  // namespace vtr::cli
