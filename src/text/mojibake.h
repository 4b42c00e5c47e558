// Repair of mojibake, after ftfy 6 (fix_encoding): a text that looks bad is encoded again in each
// one-byte encoding it could have been read in, and taken if the bytes are UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace vtr::text {

std::u32string fix_encoding(std::u32string text);

// The controls U+80 to U+9F as the Windows-1252 characters they were meant to be.
std::u32string fix_controls(std::u32string text);

}  // namespace vtr::text
