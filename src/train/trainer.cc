#include "vtr/train/trainer.h"

#include "ema.h"
#include "groups.h"
#include "guard.h"
#include "memory.h"
#include "optimizer.h"
#include "recorder.h"
#include "saver.h"
#include "step.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/core/random.h"
#include "vtr/eval/evaluator.h"
#include "vtr/eval/feature_store.h"
#include "vtr/models/towers.h"
#include "vtr/train/measure.h"
#include "vtr/train/profile.h"

#include <torch/types.h>

#include <atomic>
#include <cmath>
#include <csignal>

namespace vtr::train {
namespace {

constexpr int64_t kScaleSteps = 2000;

std::atomic<int> stop_signal = 0;

// SIGTERM and SIGINT ask the loop to save and stop; a second one kills as usual.
class StopSignals {
 public:
  StopSignals() {
    stop_signal = 0;
    for (const int signal : {SIGTERM, SIGINT}) {
      std::signal(signal, [](int number) {
        stop_signal = number;
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
        pass(given.encoding.model, given.options, given.group),
        guard(options, state.guard),
        saver(folder, given.options.keep) {
    VTR_CHECK(options.patience == 0 || !given.val.videos.empty(),
              "train.patience: there is no validation split (data.val, data.val_fraction)");
    count_steps();
    check_batch();
    if (options.deterministic) make_deterministic();
    if (given.from) go_on(*given.from);
    if (stored() || options.encode_once) check_features();
    if (stored()) open_features();
  }

  Outcome loop();
  Outcome finish(const data::TrainLoader& loader);
  void step(const data::Batch& batch);
  bool overflowed(const Tensor& skip);
  Tensor clamped_scale();
  void read(const data::TrainLoader& loader);
  void go_on(const Checkpoint& from);
  bool scaled() const { return options.precision == "fp16"; }
  bool stored() const { return !parts.encoding.loader.data.features.empty(); }
  bool reads_texts() const;
  void check_features() const;
  void open_features();
  void encode_features();
  bool validate();
  void checkpoint();
  models::TensorMap kept_tensors() const;
  void count_steps();
  void check_batch() const;
  void announce() const;
  bool writes() const { return parts.group.rank() == 0; }
  void leave_out_unreadable();
  bool due(int64_t every) const { return state.step % (every > 0 ? every : steps_per_epoch) == 0; }
  bool patient() const { return options.patience == 0 || state.worse < options.patience; }
  bool over() const { return state.step >= total || !patient(); }

  Parts parts;
  data::Manifest train;  // without the videos that have no features
  TrainOptions options;
  fs::path run;
  int64_t frozen;  // parameters, as values
  Optimizer optimizer;
  Ema ema;
  Step pass;
  TrainState state;
  Guard guard;
  Saver saver;
  int64_t steps_per_epoch = 0, total = 0;
  Schedule schedule;
  int64_t saved = 0;                                     // the step of the last checkpoint
  std::optional<eval::Features> features, val_features;  // of frozen towers
  std::optional<Recorder> recorder;
};

Outcome Trainer::Impl::loop() {
  if (options.encode_once && !features && !over()) encode_features();
  if (features) pass.read(&*features);
  announce();
  if (over()) return Outcome::finished;
  const StopSignals signals;
  const int64_t first = state.step, left = total - first;
  VTR_CHECK(parts.profile == 0 || left >= parts.profile + StepProfile::kBefore,
            "--profile: {} steps after the first {} are asked for, the run has {} to go",
            parts.profile, StepProfile::kBefore, left);
  auto settings = parts.encoding.loader;
  settings.rank = parts.group.rank();
  settings.world = parts.group.size();
  settings.read_frames = !features;
  settings.read_texts = !features || !features->has_texts();
  data::TrainLoader loader(train, parts.encoding.tokenizer, settings, options.batch, state.step);
  recorder.emplace(run, train, options, state.step, RunLength{total, steps_per_epoch}, writes());
  parts.encoding.model.train();
  parts.group.broadcast(parts.encoding.model.parameters());
  StepProfile profile({.steps = writes() ? parts.profile : 0,
                       .trace = run / "profile.json",
                       .device = parts.encoding.model.device(),
                       .precision = options.precision});
  while (!over() && !parts.group.any(stop_signal != 0)) {
    const bool is_first = state.step == first;
    const auto device = parts.encoding.model.device();
    const int64_t held = is_first ? reset_peak_memory(device) : 0;
    profile.before_step();
    step(loader.next());
    profile.after_step();
    if (is_first) {
      const int64_t peak = peak_memory(device);
      log::info("[train] memory in the first step: {} MB at most, {} MB more than before it",
                megabytes(peak), megabytes(peak - held));
    }
    saver.check();
    const bool last = state.step == total;
    const bool look = last || due(options.eval_every);
    const bool keep = last || due(options.checkpoint_every);
    if (!look && !keep && !due(options.log_every)) continue;
    read(loader);  // nothing is kept of a step that was not looked at
    const bool best = look && validate();
    if (best || keep || over()) checkpoint();
    recorder->restart(loader.waited());
  }
  return finish(loader);
}

Outcome Trainer::Impl::finish(const data::TrainLoader& loader) {
  if (saved != state.step) {  // stopped in between
    read(loader);
    checkpoint();
  }
  saver.wait();
  recorder->finish();
  if (const int64_t skipped = std::ssize(train.skipped) + loader.skipped(); skipped > 0)
    log::warn("[train] {} videos were skipped", skipped);
  if (!patient()) log::info("[train] {} validations without a better one: it ends", state.worse);
  if (over()) return Outcome::finished;
  return stop_signal == SIGINT ? Outcome::interrupted : Outcome::terminated;
}

void Trainer::Impl::announce() const {
  const auto& loader = parts.encoding.loader;
  if (parts.from) log::info("[train] goes on from {}", parts.from->folder.string());
  if (features) log::info("[train] {}", features->describe());
  log::info("[train] {} steps, {} an epoch; {} values train, {} are frozen", total, steps_per_epoch,
            optimizer.size(), frozen);
  log::info(
      "[train] memory, {}",
      describe(expected_memory(parts.encoding.model, kept_tensors(), options, parts.group.size(),
                               {.frames = loader.video.frames, .words = loader.max_words},
                               loader.data.captions_per_video)));
}

// What the optimiser and the average of the weights keep.
models::TensorMap Trainer::Impl::kept_tensors() const {
  auto kept = optimizer.state();
  for (auto& item : ema.state()) kept.push_back(std::move(item));
  return kept;
}

void Trainer::Impl::count_steps() {
  steps_per_epoch =
      data::TrainLoader::steps_per_epoch(train, parts.encoding.loader.data, options.batch);
  total = options.max_steps > 0 ? options.max_steps : options.epochs * steps_per_epoch;
  schedule = make_schedule(options.schedule, {.steps = total, .epoch = steps_per_epoch});
}

// A split smaller than train.batch is one batch by itself.
void Trainer::Impl::check_batch() const {
  const auto& data = parts.encoding.loader.data;
  const int64_t each = data.captions_per_video, ranks = parts.group.size();
  const int64_t pairs = data::TrainLoader::pairs(train, data);
  VTR_CHECK(options.batch % (each * ranks) == 0 && options.micro_batch % each == 0,
            "data.captions_per_video: {} captions do not divide the {} pairs of each of {} "
            "processes, or train.micro_batch={}",
            each, options.batch / ranks, ranks, options.micro_batch);
  VTR_CHECK(pairs >= options.batch || pairs / each % ranks == 0,
            "{}: {} pairs, fewer than train.batch={}, do not divide by {} processes", train.name,
            pairs, options.batch, ranks);
}

void Trainer::Impl::leave_out_unreadable() {
  train = eval::without(train, features->skipped());
  count_steps();
  check_batch();
}

void Trainer::Impl::go_on(const Checkpoint& from) {
  load_model(parts.encoding.model, from.folder);
  const auto rest = load_optimizer(from.folder);
  optimizer.load_state(rest);
  ema.load_state(rest);
  state = from.state;
  saved = state.step;
  if (writes()) mark_best(run, state.best_step);  // which a kill may have left undone
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
// Nothing of it waits for the device but fp16's overflow; a gradient that is not finite changes no
// weight.
void Trainer::Impl::step(const data::Batch& batch) {
  torch::manual_seed(derive(static_cast<uint64_t>(options.seed), "step",
                            static_cast<uint64_t>(state.step),
                            static_cast<uint64_t>(parts.group.rank())));
  optimizer.zero_grad();
  const double unit = scaled() ? state.loss_scale : 1;
  const Tensor loss = pass.backward(batch, unit);
  const double factor = schedule(state.step);
  const auto [norms, encoders, skip] = optimizer.clipped_step(factor, unit);
  const torch::NoGradGuard no_grad;
  const Tensor logit_scale = clamped_scale();
  ema.update();
  ++state.step;
  const bool overflow = scaled() && overflowed(skip);
  recorder->add({state.step, factor, loss, norms, encoders, logit_scale, unit, overflow},
                pass.rows());
}

// A gradient that overflows in fp16 halves the loss's scale, which doubles every kScaleSteps.
bool Trainer::Impl::overflowed(const Tensor& skip) {
  const bool skipped = skip.item<float>() != 0, overflow = skipped && state.loss_scale > 1;
  if (overflow) state.loss_scale /= 2;
  if (!skipped && state.step % kScaleSteps == 0) state.loss_scale *= 2;
  return overflow;
}

// The logarithm of the inverse temperature, held within its bounds.
Tensor Trainer::Impl::clamped_scale() {
  const Tensor scale = parts.encoding.model.encoders().logit_scale();
  return scale.clamp_(std::log(options.logit_scale_min), std::log(options.logit_scale_max));
}

void Trainer::Impl::read(const data::TrainLoader& loader) {
  const int64_t skipped = std::ssize(train.skipped) + loader.skipped();
  for (const auto& figures : recorder->read(loader.waited(), skipped)) guard.check(figures);
}

// Evaluates on the validation split, with all ranks; true when this is the best so far.
bool Trainer::Impl::validate() {
  if (parts.val.videos.empty()) return false;
  const Ema::InUse average(ema);
  const auto result = eval::evaluate(parts.encoding, parts.val, parts.workspace_mb,
                                     val_features ? &*val_features : nullptr, &parts.group);
  recorder->add_validation({{"step", state.step},
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
  state.worse = score > state.best ? 0 : state.worse + 1;
  if (score < state.best) return false;  // of equal ones the newer
  state.best = score;
  state.best_step = state.step;
  return true;
}

void Trainer::Impl::checkpoint() {
  saved = state.step;
  if (!writes()) return;
  const auto rest = kept_tensors();
  const Ema::InUse average(ema);
  saver.save({.model = module_tensors(parts.encoding.model), .optimizer = rest, .state = state});
}

Trainer::Trainer(const Parts& parts, const fs::path& run)
    : impl_(std::make_unique<Impl>(parts, run)) {}
Trainer::~Trainer() = default;
Outcome Trainer::run() { return impl_->loop(); }

}  // namespace vtr::train
