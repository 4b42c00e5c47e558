// Does a text look like mojibake: UTF-8 that someone read in a one-byte encoding?
//
// The heuristic of ftfy 6 (Robyn Speer, ftfy, Zenodo 2019): some neighbours are far likelier to
// come out of a wrong decoding than out of a keyboard, as a small accented letter before a currency
// sign.
#pragma once

#include <string_view>

namespace vtr::text {

bool is_bad(std::u32string_view text);

}  // namespace vtr::text
