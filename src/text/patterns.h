// Short sequences of character classes, looked for in a text: the few regular expressions of the
// mojibake repair, without a regular-expression library.
//
//   Patterns patterns("ab", {U"[ab]é", U"[é]"});          // classes a and b, named by a letter
//   size_t n = patterns.match(text, classes, i);           // 0, or the length of the first that
//   fits
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vtr::text {

// The classes a character is in: bit i for letter i.
using Classes = uint32_t;

class Patterns {
 public:
  // A pattern is a sequence of sets. [ab€] is a set: an ASCII letter in it is a class, anything
  // else the character itself; what stands outside of brackets is a set of its own.
  Patterns(std::string_view letters, const std::vector<std::u32string_view>& patterns);

  // The length of the first pattern that fits at `i`. classes[j] are those of text[j].
  size_t match(std::u32string_view text, const std::vector<Classes>& classes, size_t i) const;

 private:
  struct Set {
    Classes classes = 0;
    std::u32string characters;
    void add(std::string_view letters, char32_t c);
    bool has(char32_t c, Classes of_c) const {
      return (of_c & classes) != 0 || characters.find(c) != std::u32string::npos;
    }
  };
  std::vector<std::vector<Set>> patterns_;
};

}  // namespace vtr::text
