#include "heads/heads.h"
#include "heads/vector_head.h"

#include <torch/nn/modules/rnn.h>

namespace vtr::models {
namespace {

// An LSTM over the frames, added to them, then the mean. CLIP4Clip's seqLSTM: Luo et al.,
// Neurocomputing 508, 2022. The authors pack the sequences by their lengths; padding follows the
// frames and an LSTM looks back only, so that leaving it out of the mean is the same.
class SeqLstm final : public VectorHead {
 public:
  SeqLstm(const config::NoOptions&, const HeadContext& context)
      : lstm_(register_module(
            "lstm_visual",
            torch::nn::LSTM(
                torch::nn::LSTMOptions(context.width, context.width).batch_first(true)))) {}

  // The authors' checkpoints have position vectors, which only their transformer uses.
  std::string name_here(const std::string& name) const override {
    return name == "frame_position_embeddings.weight" ? "" : name;
  }

 private:
  Tensor video_vector(const VideoFeatures& features) override {
    const Tensor mixed = std::get<0>(lstm_->forward(features.frames));  // [M, T, D]
    return unit_frames_mean(features.frames + mixed, features.mask);
  }

  torch::nn::LSTM lstm_;
};

}  // namespace

HeadEntry seq_lstm_head() {
  return head_entry<SeqLstm, config::NoOptions>("seq_lstm",
                                                "an LSTM over the frames (CLIP4Clip seqLSTM)");
}

}  // namespace vtr::models
