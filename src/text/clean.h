// The clean-up before the words: what CLIP's two tokenisers do to a caption.
#pragma once

#include <string>
#include <string_view>

namespace vtr::text {

// OpenAI's SimpleTokenizer and open_clip: ftfy.fix_text, html.unescape twice, single spaces, lower
// case. Throws Error for text that is not UTF-8.
std::u32string clean_openai(std::string_view text);

// transformers' CLIPTokenizer: NFC, lower case. Its spaces are left: they only part words.
std::u32string clean_huggingface(std::string_view text);

}  // namespace vtr::text
