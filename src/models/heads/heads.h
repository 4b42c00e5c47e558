// The heads of the table, and what several of them share.
#pragma once

#include "vtr/models/head.h"

namespace vtr::models {

HeadEntry mean_pool_head();
HeadEntry topk_head();
HeadEntry xpool_head();
HeadEntry cross_head();
HeadEntry joint_head();
HeadEntry attention_head();
HeadEntry seq_lstm_head();
HeadEntry seq_transf_head();
HeadEntry tight_transf_head();
HeadEntry mmt_head();
HeadEntry gated_head();
HeadEntry projection_head();
HeadEntry mug_head();
HeadEntry wti_head();
HeadEntry xclip_head();
HeadEntry ts2_head();

// x / |x| over the last dimension; zero stays zero.
Tensor unit(const Tensor& x);

// The inner products of texts [N, D] with the frames [M, T, D] of videos: [N, M, T].
Tensor frame_products(const Tensor& texts, const Tensor& frames);

// Throws Error when K is larger than a video can have frames. K = 0: all frames.
void check_topk(int64_t topk, const HeadContext& context);

// relevance [N, M, T] with -inf where there is no frame (mask [M, T] false) or where the frame is
// not among the K most relevant; ties go to one frame, so that exactly K are kept. Every video has
// at least one frame.
Tensor select_topk(const Tensor& relevance, const Tensor& mask, int64_t topk);

}  // namespace vtr::models
