// HTML character references, read as Python reads them.
#pragma once

#include <string>

namespace vtr::text {

// html.unescape: every HTML5 name, also without its semicolon and as the longest prefix, and
// numbers by the rules for invalid ones.
std::u32string unescape_html(const std::u32string& text);

// What ftfy dares to decode in text that may not be HTML: references that end in a semicolon, and
// Latin letters shouted (&EACUTE;).
std::u32string unescape_terminated(const std::u32string& text);

}  // namespace vtr::text
