// `vtr bench step` and `vtr bench encode`: a model's cost without data on disk.
#include "experiment.h"
#include "parts.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/eval/features.h"
#include "vtr/models/by_length.h"
#include "vtr/models/weights/safetensors.h"
#include "vtr/train/measure.h"
#include "vtr/train/profile.h"

#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>
#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <tuple>

namespace vtr::cli {
namespace {

struct Flags {
  std::string weights, head = "xpool", precision = "bf16", batches, json;
  int64_t batch = 16, frames = 12, words = 32, repeat = 5, texts = 1000;
  std::vector<std::string> overrides;

  Experiment experiment() const {
    const auto pick = [](const char* key, const auto& value) {
      return fmt::format("{}={}", key, value);
    };
    std::vector<std::string> all = {
        pick("model.weights", weights),    pick("model.head.name", head),
        pick("train.batch", batch),        pick("video.frames", frames),
        pick("text.max_words", words),     pick("train.precision", precision),
        pick("eval.precision", precision), "train.optimizer.name=adamw"};
    all.insert(all.end(), overrides.begin(), overrides.end());
    auto experiment = read_experiment(config::parse_overrides(all));
    resolve_weights(experiment, /*read_weights=*/true);
    return experiment;
  }

  void add(CLI::App& app) {
    const auto number = [&](const char* name, int64_t& value, const char* help) {
      app.add_option(name, value, help)->check(CLI::PositiveNumber)->capture_default_str();
    };
    app.add_option("--weights", weights, "CLIP weights; left out: from scratch, ViT-B/32's sizes");
    app.add_option("--head", head, "retrieval head (vtr list heads)")->capture_default_str();
    app.add_option("--precision", precision, "train.precision and eval.precision")
        ->capture_default_str();
    number("--batch", batch, "B, videos and captions");
    number("--frames", frames, "T");
    number("--words", words, "L, the tokens of a caption");
    number("--repeat", repeat, "the median of so many counts, after one to warm up");
    number("--captions", texts, "of MSR-VTT's lengths, to encode");
    app.add_option("--batches", batches,
                   "safetensors with pixels [S, B, T, 3, R, R] uint8, ids and mask [S, B, L], "
                   "captions and captions_mask [N, L]; left out: random ones");
    app.add_option("--json", json, "write it there too, as an object");
    app.add_option("option=value", overrides, "over the defaults of a configuration");
  }
};

// Captions of as many tokens as fit, the last one the largest id, as CLIP's are.
Tensor random_ids(c10::IntArrayRef shape, const models::EncoderInfo& info) {
  const int64_t vocab = info.vocab > 2 ? info.vocab : 1000;
  const Tensor ids = torch::randint(1, vocab - 2, shape, torch::kLong);
  ids.select(-1, 0).fill_(vocab - 2);
  ids.select(-1, -1).fill_(vocab - 1);
  return ids;
}

// Captions of MSR-VTT's lengths: 11 tokens in the mean, and here and there one that fills its
// place.
std::pair<Tensor, Tensor> random_captions(int64_t count, int64_t words,
                                          const models::EncoderInfo& info) {
  Tensor lengths = torch::poisson(torch::full({count}, 7.0)).to(torch::kLong).add_(4);
  lengths.slice(0, 0, count, /*step=*/50).fill_(words);
  const Tensor ends = lengths.clamp_(2, words).sub(1).unsqueeze(1);  // [N, 1]
  const Tensor mask = torch::arange(words).le(ends);
  const Tensor ids = random_ids({count, words}, info);
  return {ids.scatter(1, ends, ids.slice(1, words - 1)) * mask, mask};
}

struct Inputs {
  Tensor pixels, ids, mask;        // [S, B, T, 3, R, R] uint8, [S, B, L] int64 and bool
  Tensor captions, captions_mask;  // [N, L] int64 and bool
};

Inputs inputs(const Flags& flags, const models::EncoderInfo& info) {
  Inputs found;
  std::tie(found.captions, found.captions_mask) = random_captions(flags.texts, flags.words, info);
  if (flags.batches.empty()) {
    const int64_t r = info.resolution;
    found.pixels = torch::randint(0, 256, {1, flags.batch, flags.frames, 3, r, r}, torch::kByte);
    found.ids = random_ids({1, flags.batch, flags.words}, info);
    found.mask = torch::ones_like(found.ids, torch::kBool);
    return found;
  }
  for (auto& [name, tensor] : models::load_safetensors(flags.batches)) {
    if (name == "pixels") found.pixels = tensor;
    if (name == "ids") found.ids = tensor.to(torch::kLong);
    if (name == "mask") found.mask = tensor.to(torch::kBool);
    if (name == "captions") found.captions = tensor.to(torch::kLong);
    if (name == "captions_mask") found.captions_mask = tensor.to(torch::kBool);
  }
  const auto& [pixels, ids, mask, captions, captions_mask] = found;
  VTR_CHECK(pixels.defined() && ids.defined() && mask.defined() && pixels.dim() == 6 &&
                pixels.scalar_type() == torch::kByte && ids.dim() == 3 &&
                mask.sizes() == ids.sizes() && captions.dim() == 2 &&
                captions_mask.sizes() == captions.sizes() &&
                ids.sizes().slice(0, 2) == pixels.sizes().slice(0, 2),
            "{}: pixels [S, B, T, 3, R, R] uint8, ids and mask [S, B, L] are needed, captions and "
            "captions_mask [N, L] may stand beside them",
            flags.batches);
  return found;
}

std::vector<data::Batch> batches_of(const Inputs& all) {
  std::vector<data::Batch> batches;
  for (int64_t i = 0; i < all.pixels.size(0); ++i) {
    const Tensor pixels = all.pixels[i];  // [B, T, 3, R, R]
    const int64_t rows = pixels.size(0), frames = pixels.size(1);
    const Tensor index = torch::arange(rows);
    batches.push_back({{all.ids[i], all.mask[i]},
                       {pixels, torch::ones({rows, frames}, torch::kBool),
                        torch::arange(frames, torch::kFloat).expand({rows, frames})},
                       index,
                       index});
  }
  return batches;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + std::ssize(values) / 2, values.end());
  return values[values.size() / 2];
}

int bench_step(const Flags& flags) {
  const auto experiment = flags.experiment();
  const auto model = build_model(experiment, /*load_weights=*/true);
  const auto batches = batches_of(inputs(flags, model->encoders().info()));
  const auto times = train::measure_steps(*model, experiment.train, batches, 1 + flags.repeat);
  const auto rest = [](const std::vector<double>& all) {  // without the first
    return median({all.begin() + 1, all.end()});
  };
  const double seconds = rest(times.step);
  const double ceiling = train::matmul_ceiling(model->device(), flags.precision);
  const auto rows = static_cast<double>(batches.front().video.pixels.size(0));
  const report::Record record = {{"head", flags.head},
                                 {"precision", flags.precision},
                                 {"batch", static_cast<int64_t>(rows)},
                                 {"frames", batches.front().video.pixels.size(1)},
                                 {"words", batches.front().text.ids.size(1)},
                                 {"threads", static_cast<int64_t>(at::get_num_threads())},
                                 {"step_seconds", seconds},
                                 {"forward", rest(times.forward)},
                                 {"backward", rest(times.backward)},
                                 {"optimiser", rest(times.update)},
                                 {"videos_per_second", rows / seconds},
                                 {"flops", times.flops},
                                 {"achieved_flops", times.flops / seconds},
                                 {"ceiling_flops", ceiling},
                                 {"peak_bytes", train::peak_memory(model->device())},
                                 {"losses", nlohmann::json(times.losses).dump()}};
  print_record(record, flags.json);
  return 0;
}

// Median seconds of a pass, and its FLOPs, counted in one before.
struct Pass {
  double seconds, flops;
};

Pass measure(const Flags& flags, c10::Device device, const std::function<Tensor()>& encode) {
  train::Profiler count(device);
  train::wait(encode());
  const double flops = count.stop().flops;
  std::vector<double> seconds;
  for (int64_t i = 0; i < flags.repeat; ++i) {
    const auto start = std::chrono::steady_clock::now();
    train::wait(encode());
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return {median(seconds), flops};
}

int bench_encode(const Flags& flags) {
  const torch::NoGradGuard no_grad;
  const auto experiment = flags.experiment();
  const auto model = build_model(experiment, /*load_weights=*/true);
  model->eval();
  const auto wanted = model->head().wants();
  const auto all = inputs(flags, model->encoders().info());
  const auto [pixels, mask, times] = batches_of(all).front().video;
  const Pass frames = measure(flags, model->device(), [&] {
    return model->encode_video(pixels, mask, times, flags.precision, wanted).frames;
  });
  const Pass captions = measure(flags, model->device(), [&] {
    return models::encode_by_length(*model, all.captions, all.captions_mask, flags.precision,
                                    wanted)
        .pooled;
  });
  const auto rate = [](const Tensor& rows, const Pass& pass) {
    return static_cast<double>(rows.numel()) / pass.seconds;
  };
  const report::Record record = {
      {"head", flags.head},
      {"precision", flags.precision},
      {"videos", pixels.size(0)},
      {"frames", pixels.size(1)},
      {"captions", all.captions.size(0)},
      {"words", all.captions.size(1)},
      {"threads", static_cast<int64_t>(at::get_num_threads())},
      {"frames_per_second", rate(mask, frames)},
      {"captions_per_second", rate(all.captions.select(1, 0), captions)},
      {"achieved_flops", (frames.flops + captions.flops) / (frames.seconds + captions.seconds)},
      {"ceiling_flops", train::matmul_ceiling(model->device(), flags.precision)},
      {"peak_bytes", train::peak_memory(model->device())}};
  print_record(record, flags.json);
  return 0;
}

}  // namespace

Action add_bench_step(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->add(app);
  return [flags] { return bench_step(*flags); };
}

Action add_bench_encode(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->add(app);
  return [flags] { return bench_encode(*flags); };
}

}  // namespace vtr::cli
