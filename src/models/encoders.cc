#include "vtr/models/encoders.h"

#include "encoder_entries.h"

namespace vtr::models {

const Table<EncoderEntry>& encoders() {
  static const Table<EncoderEntry> table(
      "encoders", {clip_encoder(), torchscript_encoder(), ts2_shift_encoder(), stan_encoder(),
                   dgl_encoder(), centerclip_encoder()});
  return table;
}

}  // namespace vtr::models
