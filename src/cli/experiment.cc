#include "experiment.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/core/random.h"
#include "vtr/losses/losses.h"
#include "vtr/models/device.h"

#include <torch/torch.h>
#include <torch/version.h>

#include <algorithm>

namespace vtr::cli {

Experiment read_experiment(const std::string& config, const std::vector<std::string>& overrides) {
  if (config.empty()) throw UsageError("--config NAME is needed: a file, or a name in configs/");
  const auto tree = config::merge(config::load(config), config::parse_overrides(overrides));
  auto experiment = config::read<Experiment>(tree, "");
  experiment.model = models::resolve(experiment.model, /*read_weights=*/false);
  auto& tokenizer = experiment.text.tokenizer;
  tokenizer.options =
      text::tokenizers().find(tokenizer.name).schema.resolve(tokenizer.options, "text.tokenizer");
  auto& loss = experiment.train.loss;
  loss.options = losses::losses().find(loss.name).schema.resolve(loss.options, "train.loss");
  data::datasets().find(experiment.data.dataset);
  return experiment;
}

void resolve_inputs(Experiment& experiment) {
  std::vector<std::string> missing;
  const auto locate = [&](const char* option, const char* what, std::string& path) {
    try {
      VTR_CHECK(!path.empty(), "is empty");
      path = fs::absolute(find_shipped("configs", path)).string();
    } catch (const Error& error) {
      missing.push_back(fmt::format("{}: {}; it names {}", option, error.what(), what));
    }
  };
  locate("data.root", "the folder with the annotations and videos", experiment.data.root);
  if (!experiment.model.weights.empty()) {
    locate("model.weights", "the CLIP weights", experiment.model.weights);
  }
  VTR_CHECK(missing.empty(), "{}", fmt::join(missing, "\nvtr: "));
  experiment.model = models::resolve(experiment.model, /*read_weights=*/true);
}

std::shared_ptr<models::Retriever> build_model(const Experiment& experiment, bool load_weights) {
  const auto device = models::open_device(experiment.device);
  torch::manual_seed(derive(static_cast<uint64_t>(experiment.train.seed), "init"));
  const auto norm = video::normalization(experiment.video.normalize);
  models::PixelNorm pixels;
  std::copy_n(norm.mean, 3, pixels.mean.begin());
  std::copy_n(norm.std, 3, pixels.std.begin());
  auto model =
      models::make_retriever(experiment.model, experiment.video.frames, pixels, load_weights);
  model->to(device);
  return model;
}

std::unique_ptr<text::Tokenizer> build_tokenizer(const Experiment& experiment,
                                                 const models::Encoders& encoders) {
  auto tokenizer = text::make_tokenizer(experiment.text.tokenizer);
  const auto info = encoders.info();
  VTR_CHECK(info.vocab == 0 || tokenizer->vocab_size() <= info.vocab,
            "text.tokenizer: its vocabulary of {} does not fit the encoder's {}",
            tokenizer->vocab_size(), info.vocab);
  VTR_CHECK(info.context == 0 || experiment.text.max_words <= info.context,
            "text.max_words: {} is more than the {} tokens the text encoder takes",
            experiment.text.max_words, info.context);
  return tokenizer;
}

data::LoaderSettings loader_settings(const Experiment& experiment,
                                     const models::Encoders& encoders) {
  return {.data = experiment.data,
          .video = experiment.video,
          .max_words = experiment.text.max_words,
          .resolution = encoders.info().resolution,
          .seed = static_cast<uint64_t>(experiment.train.seed)};
}

report::Record environment(const Experiment& experiment) {
  return {{"vtr", std::string(VTR_VERSION)},
          {"revision", std::string(VTR_REVISION)},
          {"torch", std::string(TORCH_VERSION)},
          {"device", models::open_device(experiment.device).str()},
          {"cpu capability", std::string(at::get_cpu_capability())},
          {"threads", static_cast<int64_t>(at::get_num_threads())}};
}

}  // namespace vtr::cli
