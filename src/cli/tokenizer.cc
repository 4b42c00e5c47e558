#include "commands.h"
#include "experiment.h"

#include "vtr/core/log.h"
#include "vtr/text/train_sentencepiece.h"

#include <memory>

namespace vtr::cli {
namespace {

struct Flags : ConfigFlags {
  std::string out;
  text::SentencePieceTraining training;
};

Action add_train(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->add(app);
  app.add_option("--out", flags->out, "model file to write")->required();
  app.add_option("--vocab-size", flags->training.vocab_size, "pieces")->capture_default_str();
  app.add_option("--kind", flags->training.kind, "unigram or bpe")
      ->capture_default_str()
      ->check(CLI::IsMember({"unigram", "bpe"}));
  return [flags] {
    const auto experiment = read_experiment(flags->config, flags->overrides);
    const auto seed = static_cast<uint64_t>(experiment.train.seed);
    const auto manifest = data::read_split(experiment.data, data::Split::train, seed);
    std::vector<std::string> captions;
    for (const auto& video : manifest.videos) {
      captions.insert(captions.end(), video.captions.begin(), video.captions.end());
    }
    text::train_sentencepiece(captions, flags->out, flags->training);
    log::info("[tokenizer] {} from {} captions of {}", flags->out, captions.size(), manifest.name);
    return 0;
  };
}

Action add(CLI::App& app) {
  return add_subcommands(
      app, {{"train", "train a sentencepiece model on a training split's captions", add_train}});
}

}  // namespace

Command tokenizer_command() { return {"tokenizer", "make a tokeniser", add}; }

}  // namespace vtr::cli
