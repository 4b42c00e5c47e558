#include "patterns.h"

#include "vtr/core/error.h"

namespace vtr::text {

void Patterns::Set::add(std::string_view letters, char32_t c) {
  if (c >= 0x80) {
    characters += c;
    return;
  }
  const size_t bit = letters.find(static_cast<char>(c));
  VTR_ASSERT(bit != std::string_view::npos && bit < 32);
  classes |= Classes{1} << bit;
}

Patterns::Patterns(std::string_view letters, const std::vector<std::u32string_view>& patterns) {
  for (const auto& pattern : patterns) {
    std::vector<Set> sets;
    bool inside = false;
    for (const char32_t c : pattern) {
      if (c == '[' || !inside) sets.emplace_back();
      if (c == '[' || c == ']') {
        if (c == ']') VTR_ASSERT(inside);
        inside = c == '[';
      } else {
        sets.back().add(letters, c);
      }
    }
    patterns_.push_back(std::move(sets));
  }
}

size_t Patterns::match(std::u32string_view text, const std::vector<Classes>& classes,
                       size_t i) const {
  for (const auto& sets : patterns_) {
    if (sets.size() > text.size() - i) continue;
    size_t n = 0;
    while (n < sets.size() && sets[n].has(text[i + n], classes[i + n])) ++n;
    if (n == sets.size()) return n;
  }
  return 0;
}

}  // namespace vtr::text
