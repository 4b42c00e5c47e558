#include "experiment.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/core/random.h"
#include "vtr/data/frame_store.h"
#include "vtr/eval/rerank.h"
#include "vtr/losses/losses.h"
#include "vtr/models/device.h"
#include "vtr/train/schedule.h"
#include "vtr/train/updates.h"

#include <ATen/Parallel.h>
#include <torch/types.h>
#include <torch/version.h>

#include <algorithm>
#include <fstream>
#include <iterator>

namespace vtr::cli {

// The choice's options checked, and their defaults in their places.
template <class Entry>
static void fill_in(config::Choice& choice, const Table<Entry>& table, const char* path) {
  choice.options = table.find(choice.name).schema.resolve(choice.options, path);
}

// Of the options of choices that name files.
template <class Change>
static void for_files(Experiment& e, const Change& change) {
  const auto apply = [&](config::Choice& choice, const char* option) {
    const config::Node file = choice.options[option];
    if (file.IsDefined() && file.IsScalar() && !file.Scalar().empty())
      choice.options[option] = change(file.Scalar());
  };
  for (const char* option : {"vocab", "model"}) apply(e.text.tokenizer, option);
  if (e.model.encoder.name != "torchscript") return;
  for (const char* option : {"image", "text"}) apply(e.model.encoder, option);
}

Experiment read_experiment(const std::string& config, const std::vector<std::string>& overrides) {
  VTR_CHECK(!config.empty(), "--config NAME is needed: a file, or a name in configs/");
  return read_experiment(config::merge(config::load(config), config::parse_overrides(overrides)));
}

Experiment read_experiment(const config::Node& tree) {
  auto experiment = config::read<Experiment>(tree, "");
  experiment.model = models::resolve(experiment.model, /*read_weights=*/false);
  fill_in(experiment.text.tokenizer, text::tokenizers(), "text.tokenizer");
  fill_in(experiment.train.loss, losses::losses(), "train.loss");
  fill_in(experiment.train.optimizer, train::optimizers(), "train.optimizer");
  fill_in(experiment.train.schedule, train::schedules(), "train.schedule");
  fill_in(experiment.eval.rerank, eval::rerankers(), "eval.rerank");
  data::datasets().find(experiment.data.dataset);
  return experiment;
}

Experiment without_places(Experiment e) {
  const Experiment defaults;
  e.device = defaults.device;
  e.data.workers = e.data.prefetch_mb = e.data.cache_mb = 0;
  e.data.decode_seconds = 0;
  e.data.root = e.data.videos = e.data.skip_list = e.data.store = e.data.features = "";
  e.data.verify = defaults.data.verify;
  return e;
}

void resolve_weights(Experiment& experiment, bool read_weights) {
  auto& weights = experiment.model.weights;
  if (read_weights && !weights.empty()) {
    try {
      weights = fs::absolute(find_shipped("configs", weights)).string();
    } catch (const Error& error) {
      throw Error(fmt::format("model.weights: {}; it names the CLIP weights", error.what()));
    }
  }
  experiment.model = models::resolve(experiment.model, read_weights);
}

void resolve_inputs(Experiment& experiment, bool read_weights) {
  auto& root = experiment.data.root;
  std::string missing;
  if (root.empty() || !fs::is_directory(root)) {
    missing = fmt::format("data.root: {}: no such folder; it names the annotations and videos",
                          root.empty() ? "(empty)" : root);
  }
  try {
    resolve_weights(experiment, read_weights);
  } catch (const Error& error) {
    throw Error(missing.empty() ? error.what() : missing + "\nvtr: " + error.what());
  }
  VTR_CHECK(missing.empty(), "{}", missing);
  make_absolute(experiment);
}

void make_absolute(Experiment& experiment) {
  auto& data = experiment.data;
  for (auto* path :
       {&data.root, &data.skip_list, &data.store, &data.features, &experiment.train.init_from}) {
    if (!path->empty()) *path = fs::absolute(*path).string();
  }
  if (fs::is_directory(data.videos)) data.videos = fs::absolute(data.videos).string();
  // What is not here is looked for among what comes with the program, from any folder.
  for_files(experiment, [](const std::string& file) {
    return fs::exists(file) ? fs::absolute(file).string() : file;
  });
}

Experiment with_file_names(Experiment e) {
  for_files(e, [](const std::string& file) { return fs::path(file).filename().string(); });
  return e;
}

void check_init_from(const Experiment& e) {
  const auto& from = e.train.init_from;
  VTR_CHECK(from.empty() || fs::exists(from),
            "train.init_from: {}: no such run, checkpoint or file", from);
}

std::shared_ptr<models::Retriever> build_model(const Experiment& experiment, bool load_weights) {
  const auto device = models::open_device(experiment.device);
  torch::manual_seed(derive(static_cast<uint64_t>(experiment.train.seed), "init"));
  const auto norm = video::normalization(experiment.video.normalize);
  models::PixelNorm pixels;
  std::copy_n(norm.mean, 3, pixels.mean.begin());
  std::copy_n(norm.std, 3, pixels.std.begin());
  auto model = models::make_retriever(experiment.model, experiment.video.frames,
                                      experiment.text.max_words, pixels, load_weights);
  model->to(device);
  return model;
}

std::unique_ptr<text::Tokenizer> build_tokenizer(const Experiment& experiment,
                                                 const models::Encoders& encoders) {
  auto tokenizer = text::remember(text::make_tokenizer(experiment.text.tokenizer));
  const auto info = encoders.info();
  VTR_CHECK(info.vocab == 0 || tokenizer->vocab_size() <= info.vocab,
            "text.tokenizer: its vocabulary of {} does not fit the encoder's {}",
            tokenizer->vocab_size(), info.vocab);
  VTR_CHECK(info.context == 0 || experiment.text.max_words <= info.context,
            "text.max_words: {} is more than the {} tokens the text encoder takes",
            experiment.text.max_words, info.context);
  return tokenizer;
}

data::LoaderSettings loader_settings(const Experiment& experiment, models::Retriever& model) {
  const auto& data = experiment.data;
  return {.data = data,
          .video = experiment.video,
          .max_words = experiment.text.max_words,
          .resolution = model.encoders().info().resolution,
          .seed = static_cast<uint64_t>(experiment.train.seed),
          .store = data.store.empty()
                       ? nullptr
                       : std::make_shared<vtr::data::FrameStore>(data.store, data.verify),
          .pad_words = model.head().wants().padding,
          .pin = model.device().is_cuda()};
}

eval::Encoding encoding(const Experiment& experiment, models::Retriever& model,
                        const text::Tokenizer& tokenizer) {
  return {.model = model,
          .tokenizer = tokenizer,
          .loader = loader_settings(experiment, model),
          .encoder_choice = experiment.model.encoder,
          .tokenizer_choice = experiment.text.tokenizer,
          .batch = experiment.eval.batch,
          .precision = experiment.eval.precision};
}

// As it was typed, its words apart by spaces.
static std::string command_line() {
  std::ifstream in("/proc/self/cmdline", std::ios::binary);
  std::string words(std::istreambuf_iterator<char>(in), {});
  std::replace(words.begin(), words.end(), '\0', ' ');
  words.erase(words.find_last_not_of(' ') + 1);
  return words;
}

report::Record environment(const Experiment& experiment) {
  return {{"vtr", std::string(VTR_VERSION)},
          {"revision", std::string(VTR_REVISION)},
          {"torch", std::string(TORCH_VERSION)},
          {"device", models::open_device(experiment.device).str()},
          {"cpu capability", std::string(at::get_cpu_capability())},
          {"threads", static_cast<int64_t>(at::get_num_threads())},
          {"command", command_line()}};
}

void check_free(const fs::path& run, bool overwrite, bool resume) {
  if (!fs::exists(run) || fs::is_empty(run)) return;
  VTR_CHECK(overwrite || resume,
            "{}: is there already; --resume goes on with it, --overwrite starts it anew",
            run.string());
  const fs::path config = run / "config.yaml";
  VTR_CHECK(resume || fs::exists(config),
            "{}: is no run's folder (no config.yaml in it) and is not overwritten", run.string());
  if (!resume || !fs::exists(config)) return;
  try {
    config::read<Experiment>(config::load(config.string()), "");
  } catch (const Error& error) {
    throw Error(
        fmt::format("{}: is no run to go on with: config.yaml: {}", run.string(), error.what()));
  }
}

void open_run(const fs::path& run, bool overwrite, const Experiment& experiment) {
  fs::create_directories(run);
  const fs::path config = run / "config.yaml";
  if (overwrite) {  // the folder may be locked; without a config.yaml it would be nobody's run
    for (const auto& entry : fs::directory_iterator(run)) {
      if (entry.path() != config) fs::remove_all(entry.path());
    }
  }
  write_file(config, config::to_text(config::write(experiment)));
  log::add_file(run / "log.txt");
  const std::string here = report::to_json(environment(experiment));
  write_file(run / "env.json", here + "\n");
  log::write_to_files("started: " + here);  // of every start; env.json is the last one's
}

}  // namespace vtr::cli
