// Unicode as the tokenisers need it, on UTF-32, from utf8proc's tables.
#pragma once

#include <string>
#include <string_view>

namespace vtr::text {

// Throws Error naming the byte offset of what is not UTF-8 (surrogates and overlong forms
// included).
std::u32string decode_utf8(std::string_view text);
void append_utf8(std::string& out, char32_t c);
std::string encode_utf8(std::u32string_view text);

bool is_letter(char32_t c);  // \p{L}
bool is_number(char32_t c);  // \p{N}
bool is_digit(char32_t c);   // \p{Nd}
bool is_space(char32_t c);   // White_Space, \s in most regular expressions
bool is_break(char32_t c);   // and the separators U+1C to U+1F: Python's str.isspace and its \s

std::u32string nfc(std::u32string text);
std::u32string nfkc(char32_t c);

// Character by character: all that depends on the neighbours is left out.
std::u32string lower(std::u32string_view text);
// Python's str.lower: a capital sigma at the end of a word is the final one.
std::u32string lower_in_context(std::u32string_view text);

// Words joined by one space; none at the ends.
std::u32string collapse_spaces(std::u32string_view text);

}  // namespace vtr::text
