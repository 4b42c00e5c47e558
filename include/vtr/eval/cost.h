// What a model costs, beside what it reaches.
#pragma once

#include "vtr/eval/features.h"

namespace vtr::eval {

struct Cost {
  int64_t parameters = 0;  // values
  // Of one video of video.frames frames and one text of text.max_words tokens, through the encoders
  // and what the head does once an item; a multiplication and its addition are two. Matrix
  // products, convolutions, attention and LSTMs, counted as they run.
  int64_t video_flops = 0, text_flops = 0;
  // Of such videos and texts, in batches (Encoding::batch, kTextBatch) that lie ready.
  double videos_per_second = 0, texts_per_second = 0;
};

// Runs the model on frames and tokens of zeros.
Cost measure_cost(const Encoding& encoding);

}  // namespace vtr::eval
