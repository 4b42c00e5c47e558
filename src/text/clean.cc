#include "clean.h"

#include "fix_text.h"
#include "html.h"
#include "unicode.h"

#include <algorithm>

namespace vtr::text {
namespace {

// Printable ASCII without references has nothing to fix: nearly every English caption.
bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= ' ' && c <= '~' && c != '&') || c == '\n' || c == '\t' || c == '\r';
  });
}

}  // namespace

std::u32string clean_openai(std::string_view text) {
  std::u32string result = decode_utf8(text);
  if (!is_plain(text)) result = unescape_html(unescape_html(fix_text(result)));
  return lower_in_context(collapse_spaces(result));
}

std::u32string clean_huggingface(std::string_view text) { return lower(nfc(decode_utf8(text))); }

}  // namespace vtr::text
