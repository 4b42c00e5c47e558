// What a run tells while it trains: metrics.jsonl and TensorBoard's events, a line an interval; the
// progress line; the batches of steps that are not finite. A step's figures stay on the device
// until they are read. Only the rank that writes tells; the others know the figures too.
#pragma once

#include "guard.h"
#include "step.h"

#include "vtr/report/events.h"
#include "vtr/report/progress.h"
#include "vtr/report/run.h"
#include "vtr/train/schedule.h"

#include <chrono>
#include <optional>
#include <vector>

namespace vtr::train {

struct StepResult {
  int64_t step = 0;
  double factor = 1;     // on the rates
  Tensor loss;           // scalar
  Tensor norms;          // [n], of every gradient, unscaled
  int64_t encoders = 0;  // the first of them
  Tensor logit_scale;    // scalar, a logarithm
  Tensor loss_scale;     // scalar; undefined: 1
};

class Recorder {
 public:
  // Goes on after `step` of `length.steps`, of so many pairs each. `train` and `options` outlive
  // it.
  Recorder(const fs::path& run, const data::Manifest& train, const TrainOptions& options,
           int64_t step, const RunLength& length, int64_t pairs, bool writes);
  void add(const StepResult& result, const Step::Rows& batch);
  // The figures of the steps since the last time, read in one go and written down. waited, skipped:
  // the loader's seconds and videos so far.
  std::vector<Figures> read(double waited, int64_t skipped);
  // What was done since `read` is no part of the next interval.
  void restart(double waited);
  void add_validation(const report::Record& record);
  void finish() const;  // says what was noticed on the way

 private:
  struct Pending {
    StepResult result;
    Tensor figures;  // [5] float32: loss, two norms, inverse temperature, scale of the loss
    Step::Rows batch;
  };
  struct Noticed {
    int64_t batches = 0, duplicates = 0, truncated = 0;
  };
  void notice(const Step::Rows& batch);
  std::vector<Figures> fetch() const;
  void dump(const Figures& figures, const Pending& pending);
  report::Record line(const std::vector<Figures>& all) const;
  void write(const std::vector<Figures>& all, double waited, int64_t skipped);

  const fs::path run_;
  const data::Manifest& train_;
  const TrainOptions& options_;
  const int64_t first_;
  const RunLength length_;
  const int64_t pairs_;
  struct Files {
    Files(const fs::path& run, int64_t step, const RunLength& length)
        : metrics(run / "metrics.jsonl", step),
          validations(run / "validation.jsonl", step),
          events(run, step),
          progress("train", "steps", length.steps, step) {}
    report::MetricsLog metrics, validations;
    report::EventLog events;
    report::Progress progress;
  };
  std::optional<Files> files_;  // none: another rank writes
  std::optional<report::MetricsLog> nonfinite_;
  std::string note_;
  std::vector<Pending> pending_;
  Noticed noticed_, reported_;
  bool warned_ = false;  // of captions of one video that are each other's negatives
  std::chrono::steady_clock::time_point start_;
  double waited_ = 0;
};

}  // namespace vtr::train
