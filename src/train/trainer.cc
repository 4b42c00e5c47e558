#include "vtr/train/trainer.h"

#include "ema.h"
#include "frozen_features.h"
#include "groups.h"
#include "guard.h"
#include "loss_scale.h"
#include "memory.h"
#include "optimizer.h"
#include "recorder.h"
#include "saver.h"
#include "statistics.h"
#include "step.h"
#include "validations.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/core/random.h"
#include "vtr/eval/evaluator.h"
#include "vtr/eval/feature_store.h"
#include "vtr/models/matmul.h"
#include "vtr/train/measure.h"
#include "vtr/train/profile.h"

#include <torch/types.h>

#include <atomic>
#include <cmath>
#include <csignal>
#include <type_traits>

namespace vtr::train {
namespace {

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
        statistics(given.encoding.model),
        guard(options, state.guard),
        saver(folder, given.options.keep),
        validations(given.from ? Validations(folder, given.from->state.step) : Validations()) {
    VTR_CHECK(options.patience == 0 || !given.val.videos.empty(),
              "train.patience: there is no validation split (data.val, data.val_fraction)");
    count_steps();
    check_batch();
    if (options.deterministic) make_deterministic();
    if (given.from) go_on(*given.from);
    if (options.precision == "fp16") loss_scale.emplace(given.encoding.model.device(), state);
    check_profile();
    features.open(parts);
    leave_out_unreadable();
  }

  Outcome loop();
  Outcome finish(const data::TrainLoader& loader);
  template <class Work>
  std::invoke_result_t<Work> keeping(const data::TrainLoader& loader, const Work& work);
  void step(const data::Batch& batch);
  Tensor clamped_scale();
  void read(const data::TrainLoader& loader);
  int64_t skipped(const data::TrainLoader& loader);
  void go_on(const Checkpoint& from);
  void validate();
  void checkpoint();
  models::TensorMap kept_tensors() const;
  void count_steps();
  void check_batch() const;
  void check_profile() const;
  void announce() const;
  bool writes() const { return parts.group.rank() == 0; }
  void leave_out_unreadable();
  bool due(int64_t every) const { return state.step % (every > 0 ? every : steps_per_epoch) == 0; }
  int64_t pairs_a_step() const {
    return std::min(options.batch, data::TrainLoader::pairs(train, parts.encoding.loader.data));
  }
  bool last() const { return state.step == total; }
  bool validates() const {
    return !parts.val.videos.empty() && (last() || due(options.eval_every));
  }
  bool patient() const { return options.patience == 0 || validations.worse() < options.patience; }
  bool over() const { return state.step >= total || !patient(); }

  Parts parts;
  data::Manifest train;  // without the videos that have no features
  TrainOptions options;
  fs::path run;
  int64_t frozen;  // parameters, as values
  Optimizer optimizer;
  Ema ema;
  Step pass;
  Statistics statistics;
  TrainState state;
  Guard guard;
  Saver saver;
  FrozenFeatures features;
  Validations validations;
  int64_t steps_per_epoch = 0, total = 0;
  Schedule schedule;
  int64_t saved = 0;                    // the step of the last checkpoint
  std::optional<LossScale> loss_scale;  // of fp16
  std::optional<Recorder> recorder;
};

Outcome Trainer::Impl::loop() {
  if (!over()) {
    features.encode(parts);
    leave_out_unreadable();
  }
  pass.read(features.train());
  announce();
  parts.group.check_same("validation.jsonl", validations.describe());
  const bool unseen = state.step > 0 && validates() && !validations.has(state.step);
  if (over() && !unseen) return Outcome::finished;
  const StopSignals signals;
  const int64_t first = state.step;
  auto settings = parts.encoding.loader;
  settings.rank = parts.group.rank();
  settings.world = parts.group.size();
  settings.read_frames = !features.train();
  settings.read_texts = !features.train() || !features.train()->has_texts();
  data::TrainLoader loader(train, parts.encoding.tokenizer, settings, options.batch, state.step);
  recorder.emplace(run, train, options, state.step, RunLength{total, steps_per_epoch},
                   pairs_a_step(), writes());
  parts.encoding.model.train();
  parts.group.broadcast(parts.encoding.model.parameters());
  StepProfile profile({.steps = writes() ? parts.profile : 0,
                       .trace = run / "profile.json",
                       .device = parts.encoding.model.device(),
                       .precision = options.precision});
  if (unseen) validate();  // the run ended while it did
  recorder->restart(loader.waited());
  while (!over() && !parts.group.any(stop_signal != 0)) {
    const bool is_first = state.step == first;
    const auto device = parts.encoding.model.device();
    const int64_t held = is_first ? reset_peak_memory(device) : 0;
    profile.before_step();
    step(keeping(loader, [&] { return loader.next(); }));
    profile.after_step();
    if (is_first) {
      const int64_t peak = peak_memory(device);
      log::info("[train] memory in the first step: {} MB at most, {} MB more than before it",
                megabytes(peak), megabytes(peak - held));
    }
    saver.check();
    const bool keep = last() || due(options.checkpoint_every);
    if (!validates() && !keep && !due(options.log_every)) continue;
    read(loader);            // nothing is kept of a step that was not looked at
    if (keep) checkpoint();  // first: a validation takes its time, and may fail
    if (validates()) keeping(loader, [&] { validate(); });
    if (over()) checkpoint();
    recorder->restart(loader.waited());
  }
  return finish(loader);
}

Outcome Trainer::Impl::finish(const data::TrainLoader& loader) {
  if (saved != state.step) read(loader);  // stopped in between
  checkpoint();
  saver.wait();
  recorder->finish();
  if (const int64_t videos = skipped(loader); videos > 0)
    log::warn("[train] {} videos were skipped", videos);
  if (!patient())
    log::info("[train] {} validations without a better one: it ends", validations.worse());
  if (over()) return Outcome::finished;
  return stop_signal == SIGINT ? Outcome::interrupted : Outcome::terminated;
}

void Trainer::Impl::announce() const {
  const auto& loader = parts.encoding.loader;
  auto real = options;
  real.batch = pairs_a_step();
  if (parts.from) log::info("[train] goes on from {}", parts.from->folder.string());
  if (features.train()) log::info("[train] {}", features.train()->describe());
  log::info("[train] {} steps, {} an epoch; {} values train, {} are frozen", total, steps_per_epoch,
            optimizer.size(), frozen);
  if (real.batch < options.batch)
    log::warn("[train] a batch is all {} pairs there are, train.batch is {}", real.batch,
              options.batch);
  if (parts.val.videos.empty())
    log::info("[train] no validation split: the last checkpoint counts");
  if (parts.encoding.model.device().is_cpu() &&
      !models::has_matmul(models::scalar_type_of(options.precision)))
    log::warn("[train] {}: this CPU has no units for it: it saves memory, not time",
              options.precision);
  log::info("[train] memory, {}",
            describe(expected_memory(parts.encoding.model, kept_tensors(), real, parts.group.size(),
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
  VTR_CHECK(train.videos.size() > 1 && pairs_a_step() > each,
            "{}: a batch of {} pairs, {} captions a video, is one video alone, which has no "
            "negatives: raise train.batch or lower data.captions_per_video",
            train.name, pairs_a_step(), each);
  VTR_CHECK(options.batch % (each * ranks) == 0 && options.micro_batch % each == 0,
            "data.captions_per_video: {} captions do not divide the {} pairs of each of {} "
            "processes, or train.micro_batch={}",
            each, options.batch / ranks, ranks, options.micro_batch);
  VTR_CHECK(pairs >= options.batch || pairs / each % ranks == 0,
            "{}: {} pairs, fewer than train.batch={}, do not divide by {} processes", train.name,
            pairs, options.batch, ranks);
}

void Trainer::Impl::check_profile() const {
  const int64_t left = total - state.step;
  VTR_CHECK(parts.profile == 0 || left >= parts.profile + StepProfile::kBefore,
            "--profile: {} steps after the first {} are asked for, the run has {} to go",
            parts.profile, StepProfile::kBefore, left);
}

void Trainer::Impl::leave_out_unreadable() {
  if (!features.train()) return;
  train = eval::without(parts.train, features.train()->skipped());
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
  if (writes() && validations.best_step() > 0)
    mark_best(run, validations.best_step());  // which a kill may have left undone
}

// `work` of the loop that reads videos. One that cannot be read ends the run, and what was trained
// until then is kept. Ranks that wait for each other in a step cannot be asked to.
template <class Work>
std::invoke_result_t<Work> Trainer::Impl::keeping(const data::TrainLoader& loader,
                                                  const Work& work) {
  try {
    return work();
  } catch (const Error&) {
    if (parts.group.size() > 1 || saved == state.step) throw;
    read(loader);
    checkpoint();
    saver.wait();
    log::info("[train] step {} is saved; --resume goes on from it", state.step);
    throw;
  }
}

// One update. What is random in it (dropout) is a function of the seed, the step and the rank.
// Nothing of it waits for the device; a gradient that is not finite changes no weight.
void Trainer::Impl::step(const data::Batch& batch) {
  torch::manual_seed(derive(static_cast<uint64_t>(options.seed), "step",
                            static_cast<uint64_t>(state.step),
                            static_cast<uint64_t>(parts.group.rank())));
  optimizer.zero_grad();
  statistics.keep();
  const Tensor unit = loss_scale ? loss_scale->value().clone() : Tensor();
  const Tensor loss = pass.backward(batch, unit);
  const double factor = schedule(state.step);
  const auto [norms, encoders, skip] = optimizer.clipped_step(factor, unit);
  const torch::NoGradGuard no_grad;
  const Tensor logit_scale = clamped_scale();
  statistics.put_back(skip);
  ema.update();
  ++state.step;
  if (loss_scale) loss_scale->update(skip);
  recorder->add({state.step, factor, loss, norms, encoders, logit_scale, unit}, pass.rows());
}

// The logarithm of the inverse temperature, held within its bounds.
Tensor Trainer::Impl::clamped_scale() {
  const Tensor scale = parts.encoding.model.encoders().logit_scale();
  return scale.clamp_(std::log(options.logit_scale_min), std::log(options.logit_scale_max));
}

void Trainer::Impl::read(const data::TrainLoader& loader) {
  const auto all = recorder->read(loader.waited(), skipped(loader));
  for (const auto& figures : all) guard.check(figures);
}

// Videos, by all ranks so far.
int64_t Trainer::Impl::skipped(const data::TrainLoader& loader) {
  const Tensor all = parts.group.gather_rows(torch::tensor(loader.skipped(), torch::kLong));
  return std::ssize(train.skipped) + std::get<0>(at::_unique(all)).numel();
}

// Evaluates on the validation split, with all ranks; the best one so far has its checkpoint.
void Trainer::Impl::validate() {
  const auto result = [&] {
    const Ema::InUse average(ema);
    return eval::evaluate(parts.encoding, parts.val, parts.workspace_mb, features.val(),
                          &parts.group);
  }();
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
  const Tensor figures = torch::tensor({result.t2v.r1, result.t2v.mnr}, torch::kDouble);
  parts.group.broadcast({figures});  // on which all ranks decide alike
  if (!validations.add(state.step, figures[0].item<double>(), figures[1].item<double>())) return;
  checkpoint();
  if (writes()) saver.mark(state.step);
}

// Of this step, once.
void Trainer::Impl::checkpoint() {
  if (saved == state.step) return;
  saved = state.step;
  if (!writes()) return;
  if (loss_scale) loss_scale->keep(state);
  const auto rest = kept_tensors();
  const Ema::InUse average(ema);
  saver.save({.model = module_tensors(parts.encoding.model), .optimizer = rest, .state = state});
}

Trainer::Trainer(const Parts& parts, const fs::path& run)
    : impl_(std::make_unique<Impl>(parts, run)) {}
Trainer::~Trainer() = default;
Outcome Trainer::run() { return impl_->loop(); }

}  // namespace vtr::train
