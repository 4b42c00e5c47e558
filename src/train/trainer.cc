#include "vtr/train/trainer.h"

#include "ema.h"
#include "groups.h"
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
#include "vtr/train/schedule.h"

#include <torch/torch.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>

namespace vtr::train {
namespace {

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

void make_deterministic() {
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);  // cuBLAS reads it at its start
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  at::globalContext().setBenchmarkCuDNN(false);
}

}  // namespace

struct Trainer::Impl {
  Impl(const Parts& given, const fs::path& folder)
      : parts(given),
        train(given.train),
        options(given.options),
        run(folder),
        frozen(freeze(given.encoding.model, given.options.freeze)),
        optimizer(given.encoding.model, given.options),
        ema(given.encoding.model, given.options.ema),
        pass(given.encoding.model, given.options) {
    count_steps();
    if (options.deterministic) make_deterministic();
    if (given.from) go_on(*given.from);
    if (stored() || options.encode_once) check_features();
    if (stored()) open_features();
  }

  Outcome loop();
  report::Record step(const data::Batch& batch);
  double clip();
  Tensor clamped_scale();
  bool patient() const { return options.patience == 0 || state.worse < options.patience; }
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
  void leave_out_unreadable();
  int64_t cadence(int64_t every) const { return every > 0 ? every : steps_per_epoch; }

  Parts parts;
  data::Manifest train;  // without the videos that have no features
  TrainOptions options;
  fs::path run;
  int64_t frozen;  // parameters, as values
  Optimizer optimizer;
  Ema ema;
  Step pass;
  int64_t steps_per_epoch = 0, total = 0;
  Schedule schedule;
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
  log::info("[train] {} steps, {} an epoch; {} values train, {} are frozen", total, steps_per_epoch,
            optimizer.size(), frozen);
  if (state.step >= total) return Outcome::finished;
  metrics = std::make_unique<report::MetricsLog>(run / "metrics.jsonl", state.step);
  validations = std::make_unique<report::MetricsLog>(run / "validation.jsonl", state.step);
  const StopSignals signals;
  auto settings = parts.encoding.loader;
  settings.read_frames = !features;
  settings.read_texts = !features || !features->has_texts();
  data::TrainLoader loader(train, parts.encoding.tokenizer, settings, options.batch, state.step);
  report::Progress progress("train", "steps", total, state.step);
  parts.encoding.model.train();
  while (state.step < total && patient() && !stop_asked) {
    const double waited = loader.waited();
    const auto batch = loader.next();
    const double wait = loader.waited() - waited;
    auto record = step(batch);
    record.emplace_back("data_wait", wait);
    record.emplace_back("skipped", train.skipped + loader.skipped());
    metrics->add(record);
    progress.advance(1, fmt::format("loss {:.4f}  data {:.1f} s", last_loss, loader.waited()));
    bool last = state.step == total;
    const bool best = (last || state.step % cadence(options.eval_every) == 0) && validate();
    last = last || !patient();
    if (best || last || state.step % cadence(options.checkpoint_every) == 0) checkpoint(best);
  }
  if (const int64_t skipped = train.skipped + loader.skipped(); skipped > 0)
    log::warn("[train] {} videos were skipped", skipped);
  if (!patient()) log::info("[train] no better one in {} validations", state.worse);
  if (state.step >= total || !patient()) return Outcome::finished;
  if (saved != state.step) checkpoint(false);
  return Outcome::stopped;
}

void Trainer::Impl::count_steps() {
  steps_per_epoch =
      data::TrainLoader::steps_per_epoch(train, parts.encoding.loader.data, options.batch);
  total = options.max_steps > 0 ? options.max_steps : options.epochs * steps_per_epoch;
  schedule = make_schedule(options.schedule, {.steps = total, .epoch = steps_per_epoch});
}

void Trainer::Impl::leave_out_unreadable() {
  train = eval::without(train, features->skipped());
  count_steps();
}

void Trainer::Impl::go_on(const Checkpoint& from) {
  load_model(parts.encoding.model, from.folder);
  const auto rest = models::load_safetensors(from.folder / "optimizer.safetensors");
  optimizer.load_state(rest);
  ema.load_state(rest);
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

// One update. What is random in it (dropout) is a function of the seed and the step.
report::Record Trainer::Impl::step(const data::Batch& batch) {
  const auto start = std::chrono::steady_clock::now();
  torch::manual_seed(
      derive(static_cast<uint64_t>(options.seed), "step", static_cast<uint64_t>(state.step)));
  optimizer.zero_grad();
  last_loss = pass.backward(batch, scaled() ? state.loss_scale : 1).item<double>();
  VTR_CHECK(std::isfinite(last_loss), "step {}: the loss is {} (the last checkpoint is kept)",
            state.step + 1, last_loss);
  const double norm = clip();
  const double factor = schedule(state.step);
  if (std::isfinite(norm)) optimizer.step(factor);
  const Tensor scale = clamped_scale();
  ema.update();
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

// The logarithm of the inverse temperature, held within its bounds.
Tensor Trainer::Impl::clamped_scale() {
  const torch::NoGradGuard no_grad;
  const Tensor scale = parts.encoding.model.encoders().logit_scale();
  return scale.clamp_(std::log(options.logit_scale_min), std::log(options.logit_scale_max));
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
  const Ema::InUse average(ema);
  const auto result = eval::evaluate(parts.encoding, parts.val, parts.workspace_mb,
                                     val_features ? &*val_features : nullptr);
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
  ++state.worse;
  if (score < state.best) return false;  // of equal ones the newer
  state.best = score;
  state.worse = 0;
  return true;
}

void Trainer::Impl::checkpoint(bool best) {
  auto rest = optimizer.state();
  const auto trained = ema.state();
  rest.insert(rest.end(), trained.begin(), trained.end());
  const Ema::InUse average(ema);
  const fs::path folder = save_checkpoint(run, parts.encoding.model, rest, state);
  if (best) mark_best(folder);
  prune_checkpoints(run, options.keep);
  saved = state.step;
}

Trainer::Trainer(const Parts& parts, const fs::path& run)
    : impl_(std::make_unique<Impl>(parts, run)) {}
Trainer::~Trainer() = default;
Outcome Trainer::run() { return impl_->loop(); }

}  // namespace vtr::train
