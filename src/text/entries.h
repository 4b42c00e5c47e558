// The entries of the table in tokenizers.cc.
#pragma once

#include "vtr/text/tokenizer.h"

namespace vtr::text {

TokenizerEntry clip_bpe_tokenizer();
TokenizerEntry sentencepiece_tokenizer();

// An entry whose class T is made from its Options.
template <class T, class Options>
TokenizerEntry tokenizer_entry(const char* name, const char* summary) {
  return {name, summary, config::schema<Options>(), [name](const config::Node& node) {
            return std::make_unique<T>(config::read<Options>(node, name));
          }};
}

}  // namespace vtr::text
