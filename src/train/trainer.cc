#include "vtr/train/trainer.h"

#include "memory.h"
#include "optimizer.h"
#include "step.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/core/random.h"
#include "vtr/eval/evaluator.h"
#include "vtr/eval/feature_store.h"
#include "vtr/models/towers.h"
#include "vtr/report/progress.h"
#include "vtr/report/run.h"
#include "vtr/train/checkpoint.h"

#include <torch/torch.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>

namespace vtr::train {
namespace {

const double kMaxLogitScale = std::log(100.0);  // CLIP's clamp
constexpr int64_t kScaleSteps = 2000;

std::atomic<bool> stop_asked = false;

// SIGTERM and SIGINT ask the loop to save and stop; a second one kills as usual.
class StopSignals {
 public:
  StopSignals() {
    stop_asked = false;
    for (const int signal : {SIGTERM, SIGINT}) {
      std::signal(signal, [](int number) {
        stop_asked = true;
        std::signal(number, SIG_DFL);
      });
    }
  }
  ~StopSignals() {
    for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, SIG_DFL);
  }
};

}  // namespace

struct Trainer::Impl {
  Impl(const Parts& given, const fs::path& folder)
      : parts(given),
        train(given.train),
        options(given.options),
        run(folder),
        frozen(freeze(given.encoding.model, given.options.freeze)),
        optimizer(given.encoding.model, given.options),
        pass(given.encoding.model, given.options, given.group) {
    count_steps();
    check_batch();
    if (given.from) go_on(*given.from);
    if (stored() || options.encode_once) check_features();
    if (stored()) open_features();
  }

  Outcome loop();
  report::Record step(const data::Batch& batch);
  double clip();
  void go_on(const Checkpoint& from);
  bool scaled() const { return options.precision == "fp16"; }
  bool stored() const { return !parts.encoding.loader.data.features.empty(); }
  bool reads_texts() const;
  void check_features() const;
  void open_features();
  void encode_features();
  bool validate();
  void checkpoint(bool best);
  void count_steps();
  void check_batch() const;
  void announce() const;
  bool writes() const { return parts.group.rank() == 0; }
  void leave_out_unreadable();
  int64_t cadence(int64_t every) const { return every > 0 ? every : steps_per_epoch; }

  Parts parts;
  data::Manifest train;  // without the videos that have no features
  TrainOptions options;
  fs::path run;
  int64_t frozen;  // parameters, as values
  AdamW optimizer;
  Step pass;
  int64_t steps_per_epoch = 0, total = 0;
  TrainState state;
  double last_loss = 0;
  int64_t saved = 0;                                     // the step of the last checkpoint
  std::optional<eval::Features> features, val_features;  // of frozen towers
  std::unique_ptr<report::MetricsLog> metrics, validations;
};

Outcome Trainer::Impl::loop() {
  if (parts.from) log::info("[train] goes on from {}", parts.from->folder.string());
  if (options.encode_once && !features && state.step < total) encode_features();
  if (features) {
    pass.read(&*features);
    log::info("[train] {}", features->describe());
  }
  announce();
  if (state.step >= total) return Outcome::finished;
  if (writes()) {
    metrics = std::make_unique<report::MetricsLog>(run / "metrics.jsonl", state.step);
    validations = std::make_unique<report::MetricsLog>(run / "validation.jsonl", state.step);
  }
  const StopSignals signals;
  bool measured = false;
  auto settings = parts.encoding.loader;
  settings.rank = parts.group.rank();
  settings.world = parts.group.size();
  settings.read_frames = !features;
  settings.read_texts = !features || !features->has_texts();
  data::TrainLoader loader(train, parts.encoding.tokenizer, settings, options.batch, state.step);
  std::optional<report::Progress> progress;
  if (writes()) progress.emplace("train", "steps", total, state.step);
  parts.encoding.model.train();
  parts.group.broadcast(parts.encoding.model.parameters());
  while (state.step < total && !parts.group.any(stop_asked)) {
    const double waited = loader.waited();
    const auto batch = loader.next();
    const double wait = loader.waited() - waited;
    auto record = step(batch);
    if (!measured) {
      measured = true;
      log::info("[train] memory after a step: {} MB at most",
                megabytes(peak_memory(parts.encoding.model.device())));
    }
    record.emplace_back("data_wait", wait);
    record.emplace_back("skipped", train.skipped + loader.skipped());
    if (metrics) metrics->add(record);
    if (progress)
      progress->advance(1, fmt::format("loss {:.4f}  data {:.1f} s", last_loss, loader.waited()));
    const bool last = state.step == total;
    const bool best = (last || state.step % cadence(options.eval_every) == 0) && validate();
    if (best || last || state.step % cadence(options.checkpoint_every) == 0) checkpoint(best);
  }
  if (const int64_t skipped = train.skipped + loader.skipped(); skipped > 0)
    log::warn("[train] {} videos were skipped", skipped);
  if (state.step >= total) return Outcome::finished;
  if (saved != state.step) checkpoint(false);
  return Outcome::stopped;
}

void Trainer::Impl::announce() const {
  const auto& loader = parts.encoding.loader;
  log::info("[train] {} steps, {} an epoch; {} values train, {} are frozen", total, steps_per_epoch,
            optimizer.size(), frozen);
  log::info(
      "[train] memory, {}",
      describe(expected_memory(parts.encoding.model, optimizer.state(), options, parts.group.size(),
                               {.frames = loader.video.frames, .words = loader.max_words})));
}

void Trainer::Impl::count_steps() {
  steps_per_epoch =
      data::TrainLoader::steps_per_epoch(train, parts.encoding.loader.data, options.batch);
  total = options.max_steps > 0 ? options.max_steps : options.epochs * steps_per_epoch;
}

// A split smaller than train.batch is one batch by itself.
void Trainer::Impl::check_batch() const {
  const int64_t items = parts.encoding.loader.data.captions == "one"
                            ? static_cast<int64_t>(train.videos.size())
                            : train.captions();
  VTR_CHECK(items >= options.batch || items % parts.group.size() == 0,
            "{}: {} pairs, fewer than train.batch={}, do not divide by {} processes", train.name,
            items, options.batch, parts.group.size());
}

void Trainer::Impl::leave_out_unreadable() {
  train = eval::without(train, features->skipped());
  count_steps();
  check_batch();
}

void Trainer::Impl::go_on(const Checkpoint& from) {
  load_model(parts.encoding.model, from.folder);
  optimizer.load_state(models::load_safetensors(from.folder / "optimizer.safetensors"));
  state = from.state;
  saved = state.step;
}

// The features of a text tower that stands still are kept too.
bool Trainer::Impl::reads_texts() const {
  return !models::trains(parts.encoding.model.encoders(), models::Tower::text);
}

void Trainer::Impl::check_features() const {
  const char* what = stored() ? "data.features" : "train.encode_once";
  eval::refuse_random_frames(eval::with_training_frames(parts.encoding).loader.video, what);
  VTR_CHECK(!models::trains(parts.encoding.model.encoders(), models::Tower::image),
            "{}: features would change from step to step: the image tower trains "
            "(train.freeze=[clip.visual.*] holds it)",
            what);
}

void Trainer::Impl::open_features() {
  using Texts = eval::FeatureStore::Texts;
  const auto texts = reads_texts() ? Texts::needed : Texts::no;
  eval::FeatureStore store(parts.encoding);
  features = store.open(eval::with_training_frames(parts.encoding), parts.train, texts);
  if (!parts.val.videos.empty()) val_features = store.open(parts.encoding, parts.val, texts);
  leave_out_unreadable();
}

void Trainer::Impl::encode_features() {
  auto encoding = eval::with_training_frames(parts.encoding);
  encoding.precision = options.precision;
  features = eval::encode_split(encoding, parts.train, reads_texts());
  if (!parts.val.videos.empty()) {
    val_features = eval::encode_split(parts.encoding, parts.val, reads_texts());
  }
  leave_out_unreadable();
}

// One update. What is random in it (dropout) is a function of the seed, the step and the rank.
report::Record Trainer::Impl::step(const data::Batch& batch) {
  const auto start = std::chrono::steady_clock::now();
  torch::manual_seed(derive(static_cast<uint64_t>(options.seed), "step",
                            static_cast<uint64_t>(state.step),
                            static_cast<uint64_t>(parts.group.rank())));
  optimizer.zero_grad();
  last_loss = pass.backward(batch, scaled() ? state.loss_scale : 1).item<double>();
  VTR_CHECK(std::isfinite(last_loss), "step {}: the loss is {} (the last checkpoint is kept)",
            state.step + 1, last_loss);
  const double norm = clip();
  const double factor = schedule_factor(options, state.step, total);
  if (std::isfinite(norm)) optimizer.step(factor);
  const Tensor scale = parts.encoding.model.encoders().logit_scale();
  {
    const torch::NoGradGuard no_grad;
    scale.clamp_max_(kMaxLogitScale);
  }
  ++state.step;
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return {{"step", state.step},
          {"epoch", static_cast<double>(state.step) / static_cast<double>(steps_per_epoch)},
          {"loss", last_loss},
          {"lr", options.lr * factor},
          {"encoder_lr", options.encoder_lr * factor},
          {"grad_norm", std::isfinite(norm) ? norm : -1.0},
          {"logit_scale", scale.exp().item<double>()},
          {"seconds", seconds}};
}

// Clips the gradients to clip_norm; returns their norm before. In fp16 they come scaled up; a norm
// that overflows skips the update and halves the scale, which doubles every kScaleSteps.
double Trainer::Impl::clip() {
  const auto gradients = optimizer.gradients();
  if (scaled()) at::_foreach_mul_(gradients, 1 / state.loss_scale);
  const double norm = torch::stack(at::_foreach_norm(gradients)).norm().item<double>();
  if (!std::isfinite(norm)) {
    VTR_CHECK(scaled() && state.loss_scale > 1,
              "step {}: a gradient is not finite (the last checkpoint is kept)", state.step + 1);
    state.loss_scale /= 2;
    return norm;
  }
  if (scaled() && (state.step + 1) % kScaleSteps == 0) state.loss_scale *= 2;
  if (options.clip_norm > 0 && norm > options.clip_norm) {
    at::_foreach_mul_(gradients, options.clip_norm / (norm + 1e-6));
  }
  return norm;
}

// Evaluates on the validation split; true when this is the best so far.
bool Trainer::Impl::validate() {
  if (parts.val.videos.empty()) return false;
  const auto result = eval::evaluate(parts.encoding, parts.val, parts.workspace_mb,
                                     val_features ? &*val_features : nullptr, &parts.group);
  if (validations)
    validations->add({{"step", state.step},
                      {"queries", result.t2v.queries},
                      {"skipped", result.skipped},
                      {"t2v R@1", result.t2v.r1},
                      {"t2v R@5", result.t2v.r5},
                      {"t2v MnR", result.t2v.mnr},
                      {"v2t R@1", result.v2t.r1}});
  log::info("[val] step {}: t2v R@1 {:.1f}  R@5 {:.1f}  MnR {:.1f}  ({} queries, {} skipped)",
            state.step, result.t2v.r1, result.t2v.r5, result.t2v.mnr, result.t2v.queries,
            result.skipped);
  // R@1 first; the mean rank settles equal ones.
  const double score = result.t2v.r1 + 1 / (1 + result.t2v.mnr);
  if (score < state.best) return false;  // of equal ones the newer
  state.best = score;
  return true;
}

void Trainer::Impl::checkpoint(bool best) {
  saved = state.step;
  if (!writes()) return;
  const fs::path folder = save_checkpoint(run, parts.encoding.model, optimizer.state(), state);
  if (best) mark_best(folder);
  prune_checkpoints(run, options.keep);
}

Trainer::Trainer(const Parts& parts, const fs::path& run)
    : impl_(std::make_unique<Impl>(parts, run)) {}
Trainer::~Trainer() = default;
Outcome Trainer::run() { return impl_->loop(); }

}  // namespace vtr::train
