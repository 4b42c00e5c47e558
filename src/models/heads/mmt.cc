#include "heads/gated_unit.h"
#include "heads/heads.h"
#include "heads/placed_attention.h"
#include "heads/vector_head.h"

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/normalization.h>
#include <torch/types.h>

namespace vtr::models {
namespace {

namespace nn = torch::nn;

struct Options : TemporalOptions {
  int64_t width = 0;
  int64_t layers = 4;
  int64_t heads = 4;
  int64_t inner = 3072;
  double dropout = 0.1;
  bool batch_norm = true;
  Options() { temporal = "learned"; }
  void fields(auto& f) {
    TemporalOptions::fields(f);
    f("width", width, "of the video's transformer; 0: the encoders'", config::at_least(0));
    f("layers", layers, "its layers", config::at_least(1));
    f("heads", heads, "its attention heads", config::at_least(1));
    f("inner", inner, "width inside its MLPs", config::at_least(1));
    f("dropout", dropout, "of its embeddings, attention weights and linear layers",
      config::between(0, 0.99));
    f("batch_norm", batch_norm, "normalise the logits of the text's gate over the batch");
  }
};

nn::LayerNorm bert_norm(int64_t width) {
  return nn::LayerNorm(nn::LayerNormOptions({width}).eps(1e-12));
}

// LN(x + Dropout(W h + b)), the end of both halves of a BERT layer.
class BertOutput final : public nn::Module {
 public:
  BertOutput(int64_t in, int64_t out, double dropout)
      : dense_(register_module("dense", nn::Linear(in, out))),
        norm_(register_module("layer_norm", bert_norm(out))),
        dropout_(dropout) {}
  Tensor forward(const Tensor& h, const Tensor& x) {  // [n, L, in], [n, L, out] -> [n, L, out]
    return norm_(x + torch::dropout(dense_(h), dropout_, is_training()));
  }

 private:
  nn::Linear dense_;
  nn::LayerNorm norm_;
  double dropout_;
};

// A post-LN layer of BERT, under the authors' names.
class BertLayer final : public nn::Module {
 public:
  BertLayer(int64_t width, const Options& options)
      : query_(width, width),
        key_(width, width),
        value_(width, width),
        inner_(width, options.inner),
        heads_(options.heads),
        dropout_(options.dropout) {
    const auto attention = register_module("attention", std::make_shared<nn::Module>());
    const auto self = attention->register_module("self", std::make_shared<nn::Module>());
    self->register_module("query", query_);
    self->register_module("key", key_);
    self->register_module("value", value_);
    mixed_ =
        attention->register_module("output", std::make_shared<BertOutput>(width, width, dropout_));
    register_module("intermediate", std::make_shared<nn::Module>())
        ->register_module("dense", inner_);
    output_ =
        register_module("output", std::make_shared<BertOutput>(options.inner, width, dropout_));
  }

  Tensor forward(const Tensor& x, const PlacedAttention& attend) {  // [n, L, D] -> [n, L, D]
    const auto split = [&](const Tensor& y) { return y.unflatten(-1, {heads_, -1}); };
    const Tensor mixed =
        attend(split(query_(x)), split(key_(x)), split(value_(x)), is_training() ? dropout_ : 0);
    const Tensor h = mixed_->forward(mixed, x);
    return output_->forward(torch::gelu(inner_(h)), h);
  }

 private:
  nn::Linear query_, key_, value_, inner_;
  std::shared_ptr<BertOutput> mixed_, output_;
  int64_t heads_;
  double dropout_;
};

// Multi-modal Transformer: Gabeur et al., ECCV 2020, with CLIP's frames as the only expert. The
// video is what BERT makes of the token AGG in [CLS; AGG; frames], where AGG starts as the frames'
// maximum; the text goes through a gated embedding unit. The experts' mixture weights, a softmax
// over one, are 1. The first row of the learned positions is that of tokens without a time.
class Mmt final : public VectorHead {
 public:
  Mmt(const Options& options, const HeadContext& context)
      : options_(options), width_(options.width > 0 ? options.width : context.width) {
    VTR_CHECK(width_ % options.heads == 0, "model.head.heads: {} does not divide the width {}",
              options.heads, width_);
    const auto reduce = register_module("video_dim_reduce", std::make_shared<nn::Module>())
                            ->register_module("frames", std::make_shared<nn::Module>());
    reduce_ = reduce->register_module("fc", nn::Linear(context.width, width_));
    temporal_ = register_module(
        "temporal", make_encoding(options.temporal, {width_, context.frames + 1, options.heads}));
    register_bert();
    text_ = register_module("text_GU", std::make_shared<nn::Module>())
                ->register_module("frames", std::make_shared<GatedUnit>(context.width, width_,
                                                                        options.batch_norm));
  }

 private:
  void register_bert() {
    const auto bert = register_module("vid_bert", std::make_shared<nn::Module>());
    const auto embeddings = bert->register_module("embeddings", std::make_shared<nn::Module>());
    types_ = embeddings->register_module("token_type_embeddings", nn::Embedding(2, width_));
    norm_ = embeddings->register_module("layer_norm", bert_norm(width_));
    const auto list = bert->register_module("encoder", std::make_shared<nn::Module>())
                          ->register_module("layer", std::make_shared<nn::ModuleListImpl>());
    for (int64_t i = 0; i < options_.layers; ++i) {
      layers_.push_back(std::make_shared<BertLayer>(width_, options_));
      list->push_back(layers_.back());
    }
    const torch::NoGradGuard no_grad;
    for (const auto& p : bert->named_parameters()) {
      if (p.value().dim() == 2) p.value().normal_(0, 0.02);
      if (p.key().ends_with(".bias")) p.value().zero_();
    }
  }

  // [M, n, D] -> unit vectors [M, n, D']
  Tensor reduced(const Tensor& x) { return unit(reduce_(x)); }

  // What BERT reads: [M, T + 2, D'] of CLS, AGG and the frames, at positions [M or 1, T + 2].
  Tensor embedded(const VideoFeatures& features, const Tensor& at) {
    const Tensor most = frames_max(features.frames, features.mask).unsqueeze(1);
    const Tensor expert = reduced(torch::cat({most, features.frames}, 1)) + types_->weight[1];
    const Tensor cls = types_->weight[0].expand({expert.size(0), 1, width_});
    const Tensor x = torch::cat({cls, expert}, 1), p = temporal_->added(at);
    return torch::dropout(norm_(p.defined() ? x + p : x), options_.dropout, is_training());
  }

  Tensor text_vector(const TextFeatures& features) override {
    return text_->forward(features.pooled);
  }

  Tensor video_vector(const VideoFeatures& features) override {
    const auto after_two = [](const Tensor& x) {  // ones before it: [M, T] -> [M, T + 2]
      return torch::cat({torch::ones_like(x.slice(1, 0, 1)).expand({-1, 2}), x}, 1);
    };
    const Tensor at = after_two(frame_positions(features, options_.time_unit) + 1);
    const PlacedAttention attend(*temporal_, at, after_two(features.mask), kPadded);
    Tensor x = embedded(features, at);
    for (const auto& layer : layers_) x = layer->forward(x, attend);
    return x.select(1, 1);
  }

  static constexpr double kPadded = 1e4;  // off a padded key's logit
  Options options_;
  int64_t width_;
  nn::Linear reduce_{nullptr};
  std::shared_ptr<TemporalEncoding> temporal_;
  nn::Embedding types_{nullptr};
  nn::LayerNorm norm_{nullptr};
  std::vector<std::shared_ptr<BertLayer>> layers_;
  std::shared_ptr<GatedUnit> text_;
};

}  // namespace

HeadEntry mmt_head() {
  return head_entry<Mmt, Options>("mmt", "BERT over the frames, gated text (MMT)");
}

}  // namespace vtr::models
