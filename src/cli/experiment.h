// A whole configuration, and the parts built from it that commands share.
#pragma once

#include "vtr/core/files.h"
#include "vtr/data/loader.h"
#include "vtr/eval/evaluator.h"
#include "vtr/models/retriever.h"
#include "vtr/report/run.h"
#include "vtr/text/tokenizer.h"
#include "vtr/train/options.h"
#include "vtr/video/frames.h"

namespace vtr::cli {

struct Experiment {
  std::string device = "auto";
  data::DataOptions data;
  video::VideoOptions video;
  text::TextOptions text;
  models::ModelOptions model;
  train::TrainOptions train;
  eval::EvalOptions eval;
  void fields(auto& f) {
    f("device", device, "cpu, cuda, cuda:N, or auto: a GPU when there is one");
    f("data", data, "dataset and splits");
    f("video", video, "frames");
    f("text", text, "captions");
    f("model", model, "encoders and head");
    f("train", train, "training");
    f("eval", eval, "evaluation");
  }
};

// The file with the overrides on it; every choice's options checked and its defaults filled in.
Experiment read_experiment(const std::string& config, const std::vector<std::string>& overrides);
Experiment read_experiment(const config::Node& tree);

// Without where it runs and where the data lies, whose digests are compared.
Experiment without_places(Experiment e);

// Of the tokenizer's and TorchScript's files the names alone: to compare what was begun elsewhere.
Experiment with_file_names(Experiment e);
// Throws Error where train.init_from is not there.
void check_init_from(const Experiment& e);

// model.weights found, here or in configs/, and, with `read_weights`, the encoders' sizes from it.
void resolve_weights(Experiment& experiment, bool read_weights);
// The same, and data.root found. Throws Error naming what is missing, a line each.
void resolve_inputs(Experiment& experiment, bool read_weights);
// The paths that are given, absolute: a run may be gone on with from any folder.
void make_absolute(Experiment& experiment);

// The pieces a model needs to meet data.
std::shared_ptr<models::Retriever> build_model(const Experiment& experiment, bool load_weights);
std::unique_ptr<text::Tokenizer> build_tokenizer(const Experiment& experiment,
                                                 const models::Encoders& encoders);
data::LoaderSettings loader_settings(const Experiment& experiment, models::Retriever& model);
eval::Encoding encoding(const Experiment& experiment, models::Retriever& model,
                        const text::Tokenizer& tokenizer);

// Throws Error when there is something at `run` that may not be replaced: anything, but a run with
// `overwrite`, and with `resume` a run that has not come to a checkpoint.
void check_free(const fs::path& run, bool overwrite, bool resume = false);
// Makes the run's folder, anew when it may be: configuration, environment, log.
void open_run(const fs::path& run, bool overwrite, const Experiment& experiment);

// Versions, device and machine, for env.json and benchmark records.
report::Record environment(const Experiment& experiment);

}  // namespace vtr::cli
