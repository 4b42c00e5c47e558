// ftfy.fix_text, which CLIP's tokeniser runs first (ftfy 6.3: Robyn Speer, ftfy, Zenodo 2019).
#pragma once

#include <string>

namespace vtr::text {

// Line by line and until nothing changes: HTML references, mojibake, ligatures, full and half
// width, curly quotes, line breaks, terminal colours, control characters, NFC.
std::u32string fix_text(const std::u32string& text);

}  // namespace vtr::text
