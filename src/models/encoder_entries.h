// The encoder pairs of the table.
#pragma once

#include "vtr/models/encoders.h"

namespace vtr::models {

EncoderEntry clip_encoder();
EncoderEntry torchscript_encoder();
EncoderEntry ts2_shift_encoder();
EncoderEntry stan_encoder();
EncoderEntry dgl_encoder();
EncoderEntry centerclip_encoder();

}  // namespace vtr::models
