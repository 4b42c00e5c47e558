#include "step.h"

#include "vtr/core/error.h"
#include "vtr/models/towers.h"

#include <torch/autograd.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/types.h>

#include <algorithm>
#include <optional>

namespace vtr::train {
namespace {

using torch::autograd::variable_list;

// True off the diagonal where two pairs of the batch show the same video.
Tensor duplicate_pairs(const Tensor& video_index) {
  return video_index.unsqueeze(0).eq(video_index.unsqueeze(1)).fill_diagonal_(false);
}

// Where the random numbers stand, to draw the same ones again.
class RandomState {
 public:
  explicit RandomState(c10::Device device) : generators_{generator(torch::kCPU)} {
    if (device.is_cuda()) generators_.push_back(generator(device));
    for (const auto& one : generators_) states_.push_back(one.get_state());
  }
  void restore() {
    for (size_t i = 0; i < states_.size(); ++i) generators_[i].set_state(states_[i]);
  }

 private:
  static at::Generator generator(c10::Device device) {
    return at::globalContext().defaultGenerator(device);
  }
  std::vector<at::Generator> generators_;
  variable_list states_;
};

// What one tower gives to one micro-batch, in the first pass and again in the second.
template <class Features>
class Twice {
 public:
  // In the second pass the random numbers stand as they did after `encode` in the first; what a
  // tower gave that does not train is not made again.
  template <class Encode>
  Features operator()(c10::Device device, bool trains, Encode encode) {
    if (random_) {
      random_->restore();
      return features_ ? *features_ : encode();
    }
    if (trains) {
      random_.emplace(device);
      return encode();
    }
    features_ = encode();
    random_.emplace(device);
    return *features_;
  }

 private:
  std::optional<RandomState> random_;
  std::optional<Features> features_;
};

data::Batch part_of(const data::Batch& batch, int64_t begin, int64_t end) {
  const int64_t each = batch.captions_per_video();
  const auto part = [&](const Tensor& x, int64_t size) {
    return x.defined() ? x.slice(0, begin / size, end / size) : x;
  };
  const auto& [text, video, videos, captions] = batch;
  return {{part(text.ids, 1), part(text.mask, 1)},  // as wide as the whole batch
          {part(video.pixels, each), part(video.mask, each), part(video.times, each)},
          part(videos, each),
          part(captions, 1)};
}

// Videos [U] as often as they have captions, [B].
models::VideoState repeated(const models::VideoState& videos, int64_t each) {
  models::State::Items items;
  for (const auto& [name, tensor] : videos.items())
    items.emplace_back(name, tensor.repeat_interleave(each, 0));
  return items;
}

// The states of all ranks, whose floating tensors take gradients and know nothing of their past.
models::State gathered(const models::State& own, dist::Group& group) {
  models::State::Items items;
  for (const auto& [name, tensor] : own.items()) {
    const Tensor all = group.gather(tensor);
    items.emplace_back(name, all.is_floating_point() ? all.requires_grad_() : all);
  }
  return items;
}

void add_gradients(const models::State& state, variable_list& gradients) {
  for (const auto& item : state.items()) {
    if (item.second.grad().defined()) gradients.push_back(item.second.grad());
  }
}

// Sends the gradients gathered by `all` on, through its rows from `first` on, which `state` has.
void send_back(const models::State& state, const models::State& all, int64_t first,
               variable_list& roots, variable_list& gradients) {
  for (size_t i = 0; i < state.items().size(); ++i) {
    const Tensor& root = state.items()[i].second;
    const Tensor gradient = all.items()[i].second.grad();
    if (!root.requires_grad() || !gradient.defined()) continue;
    roots.push_back(root);
    gradients.push_back(gradient.slice(0, first, first + state.size()));
  }
}

void check_rows_alone(const torch::nn::Module& model, const std::string& why) {
  for (const auto& module : model.modules()) {
    VTR_CHECK(!module->as<torch::nn::BatchNorm1d>(),
              "{}: this head normalises over the whole batch (model.head.batch_norm=false)", why);
  }
}

}  // namespace

struct Step::Replay {
  Twice<models::TextFeatures> texts;
  Twice<models::VideoFeatures> videos;
};

Step::Step(models::Retriever& model, const TrainOptions& options, dist::Group& group)
    : model_(model),
      group_(group),
      gradients_(group, model.parameters()),
      precision_(options.precision),
      micro_batch_(options.micro_batch),
      loss_(losses::make_loss(options.loss)),
      texts_train_(models::trains(model.encoders(), models::Tower::text)),
      videos_train_(models::trains(model.encoders(), models::Tower::image)) {
  const int64_t ranks = group.size();
  VTR_CHECK(options.batch % ranks == 0, "train.batch: {} pairs do not divide by {} processes",
            options.batch, ranks);
  VTR_CHECK(micro_batch_ == 0 || options.batch / ranks % micro_batch_ == 0,
            "train.micro_batch: {} does not divide the {} pairs of each of {} processes",
            micro_batch_, options.batch / ranks, ranks);
  if (micro_batch_ > 0) check_rows_alone(model, "train.micro_batch");
  if (ranks > 1) check_rows_alone(model, fmt::format("{} processes", ranks));
  VTR_CHECK(options.checkpoint_activations == "none" || model.encoders().recompute_blocks(),
            "train.checkpoint_activations: these encoders have no blocks to run again");
}

Tensor Step::backward(const data::Batch& batch, const Tensor& factor) {
  const int64_t rows = batch.caption_index.size(0), each = batch.captions_per_video();
  const int64_t step = micro_batch_ > 0 ? std::min(micro_batch_, rows) : rows;
  const bool whole = step == rows;  // then the states keep their past, and are made once
  rows_ = of_all_ranks(batch);
  std::vector<Replay> replays(whole ? 0 : static_cast<size_t>((rows + step - 1) / step));
  const auto replay = [&](int64_t i) {
    return whole ? nullptr : &replays[static_cast<size_t>(i / step)];
  };
  std::vector<models::State> texts, videos;
  for (int64_t i = 0; i < rows; i += step) {
    const torch::AutoGradMode keep(whole);
    const auto [text, video] = states(part_of(batch, i, i + step), replay(i));
    texts.push_back(text);
    videos.push_back(video);
  }
  const States own{models::State::cat(texts), models::State::cat(videos)};
  const States all{gathered(own.text, group_), gathered(own.video, group_)};
  const Tensor value = loss(all, factor);

  const int64_t first = group_.rank() * rows;
  for (int64_t i = 0; i < rows; i += step) {
    const auto [text, video] = whole ? own : states(part_of(batch, i, i + step), replay(i));
    variable_list roots, gradients;
    send_back(text, all.text, first + i, roots, gradients);
    send_back(video, all.video, (first + i) / each, roots, gradients);
    if (i + step >= rows) {
      gradients_.backward(roots, gradients);
    } else if (!roots.empty()) {
      torch::autograd::backward(roots, gradients);
    }
  }
  const auto has_gradient = [](const Tensor& parameter) { return parameter.grad().defined(); };
  VTR_CHECK(std::ranges::any_of(model_.parameters(), has_gradient),
            "nothing to train: every parameter is frozen or unused");
  return value;
}

Step::Rows Step::of_all_ranks(const data::Batch& batch) {
  const int64_t each = batch.captions_per_video();
  const Tensor videos = batch.video_index.repeat_interleave(each);
  if (group_.alone()) return {videos, batch.caption_index, each, batch.text.truncated};
  Tensor truncated = torch::zeros_like(videos);
  truncated[0] = batch.text.truncated;
  const Tensor all = group_.gather(torch::stack({videos, batch.caption_index, truncated}, 1));
  return {all.select(1, 0), all.select(1, 1), each, all.select(1, 2).sum().item<int64_t>()};
}

// The loss of all states; leaves gradients in them, and this rank's part in the parameters that it
// uses itself (the head's `score`, the temperature).
Tensor Step::loss(const States& all, const Tensor& factor) {
  const int64_t ranks = group_.size(), rows = all.text.size() / ranks, first = group_.rank() * rows;
  const int64_t each = rows_.captions_per_video;
  auto& head = model_.head();
  Tensor own;  // [b, U]
  {
    RECORD_USER_SCOPE("scores");
    own = head.score(all.text.slice(first, first + rows), all.video);
  }
  const Tensor scores = group_.gather(own).requires_grad_();                 // [B, U]
  const Tensor sim = each > 1 ? scores.repeat_interleave(each, 1) : scores;  // [B, B]
  const Tensor temperature = model_.encoders().logit_scale();
  const Tensor scale = temperature.detach().requires_grad_();
  Tensor value = loss_({sim, scale, duplicate_pairs(models::sent(rows_.videos, sim.device()))});
  value.backward(factor);

  variable_list roots = {own}, gradients = {scores.grad().slice(0, first, first + rows)};
  const auto add = [&](const Tensor& root, const Tensor& gradient) {  // the same on every rank
    if (!root.requires_grad() || !gradient.defined()) return;
    roots.push_back(root);
    gradients.push_back(gradient / static_cast<double>(ranks));
  };
  add(temperature, scale.grad());
  value = value.detach();
  if (const Tensor more = head.penalty(all.text, each > 1 ? repeated(all.video, each) : all.video);
      more.defined()) {
    add(more, factor.defined() ? factor : torch::ones_like(more));
    const Tensor mean = more.detach() / static_cast<double>(ranks);
    group_.sum({mean});
    value = value + mean;
  }
  torch::autograd::backward(roots, gradients);
  variable_list of_states;
  add_gradients(all.text, of_states);
  add_gradients(all.video, of_states);
  group_.sum(of_states);
  return value;
}

Step::States Step::states(const data::Batch& batch, Replay* replay) {
  // Texts before videos: the order in which they draw random numbers.
  models::TextState text = texts(batch, replay);
  return {std::move(text), videos(batch, replay)};
}

models::TextState Step::texts(const data::Batch& batch, Replay* replay) {
  RECORD_USER_SCOPE("texts");
  auto& head = model_.head();
  const auto wanted = head.wants();
  const auto encode = [&] {
    if (features_ && features_->has_texts()) {
      return models::to(features_->texts(batch.caption_index, wanted.padding), model_.device());
    }
    return model_.encode_text(batch.text.ids, batch.text.mask, precision_, wanted);
  };
  return head.text(replay ? replay->texts(model_.device(), texts_train_, encode) : encode());
}

models::VideoState Step::videos(const data::Batch& batch, Replay* replay) {
  RECORD_USER_SCOPE("videos");
  auto& head = model_.head();
  const auto encode = [&] {
    if (features_) return models::to(features_->videos(batch.video_index), model_.device());
    const auto& [pixels, mask, times] = batch.video;
    return model_.encode_video(pixels, mask, times, precision_, head.wants());
  };
  return head.video(replay ? replay->videos(model_.device(), videos_train_, encode) : encode());
}

}  // namespace vtr::train
