#include "fix_text.h"

#include "html.h"
#include "mojibake.h"
#include "unicode.h"

#include <algorithm>
#include <string_view>

namespace vtr::text {
namespace {

using View = std::u32string_view;

constexpr size_t kSegment = 1000000;  // a longer line is fixed in pieces of so many characters

// Latin ligatures and digraphs, and the letters they are printed for.
constexpr std::pair<char32_t, View> kLigatures[] = {
    {U'Ĳ', U"IJ"},  {U'ĳ', U"ij"},  {U'ŉ', U"ʼn"}, {U'Ǆ', U"DŽ"}, {U'ǅ', U"Dž"}, {U'ǆ', U"dž"},
    {U'Ǉ', U"LJ"},  {U'ǈ', U"Lj"},  {U'ǉ', U"lj"}, {U'Ǌ', U"NJ"}, {U'ǋ', U"Nj"}, {U'ǌ', U"nj"},
    {U'Ǳ', U"DZ"},  {U'ǲ', U"Dz"},  {U'ǳ', U"dz"}, {U'ﬀ', U"ff"}, {U'ﬁ', U"fi"}, {U'ﬂ', U"fl"},
    {U'ﬃ', U"ffi"}, {U'ﬄ', U"ffl"}, {U'ﬅ', U"ſt"}, {U'ﬆ', U"st"}};

std::u32string fix_ligatures(const std::u32string& text) {
  std::u32string result;
  for (const char32_t c : text) {
    const auto* at = std::find_if(std::begin(kLigatures), std::end(kLigatures),
                                  [&](const auto& row) { return row.first == c; });
    result += c >= 0x132 && at != std::end(kLigatures) ? at->second : View(&c, 1);
  }
  return result;
}

std::u32string fix_width(const std::u32string& text) {
  std::u32string result;
  for (const char32_t c : text) {
    if (c == 0x3000) {
      result += U' ';
    } else if (c >= 0xFF01 && c <= 0xFFEF) {
      result += nfkc(c);
    } else {
      result += c;
    }
  }
  return result;
}

std::u32string uncurl_quotes(std::u32string text) {
  for (char32_t& c : text) {
    if (c == 0x2BC || (c >= 0x2018 && c <= 0x201B)) c = '\'';
    if (c >= 0x201C && c <= 0x201F) c = '"';
  }
  return text;
}

std::u32string fix_line_breaks(const std::u32string& text) {
  std::u32string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c == '\n' && i > 0 && text[i - 1] == '\r') continue;
    result += c == '\r' || c == 0x2028 || c == 0x2029 || c == 0x85 ? U'\n' : c;
  }
  return result;
}

// "ESC [ 36 ; 44 m" and its like.
std::u32string remove_terminal_escapes(const std::u32string& text) {
  std::u32string result;
  for (size_t i = 0; i < text.size(); ++i) {
    size_t end = i + 2;
    if (text[i] == 0x1B && i + 1 < text.size() && text[i + 1] == '[') {
      while (end < text.size() && (text[end] == ';' || is_digit(text[end]))) ++end;
      if (end < text.size() && text[end] < 0x80 && is_letter(text[end])) {
        i = end;
        continue;
      }
    }
    result += text[i];
  }
  return result;
}

// Line and page breaks stay, and so do the joiners that emoji and scripts need.
bool is_unwanted(char32_t c) {
  return c < 0x09 || c == 0x0B || (c >= 0x0E && c < 0x20) || c == 0x7F ||
         (c >= 0x206A && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

std::u32string fix_line(std::u32string text, bool unescape) {
  while (true) {
    std::u32string fixed = unescape ? unescape_terminated(text) : text;
    fixed = fix_controls(fix_encoding(std::move(fixed)));
    fixed = uncurl_quotes(fix_width(fix_ligatures(fixed)));
    fixed = remove_terminal_escapes(fix_line_breaks(fixed));
    std::erase_if(fixed, is_unwanted);
    fixed = nfc(std::move(fixed));
    if (fixed == text) return text;
    text = std::move(fixed);
  }
}

}  // namespace

std::u32string fix_text(const std::u32string& text) {
  std::u32string result;
  bool unescape = true;  // until a '<': from there on the text is taken to be HTML on purpose
  for (size_t i = 0; i < text.size();) {
    const size_t newline = text.find(U'\n', i);
    size_t end = newline == View::npos ? text.size() : newline + 1;
    end = std::min(end, i + kSegment);
    const std::u32string line = text.substr(i, end - i);
    unescape = unescape && line.find(U'<') == View::npos;
    result += fix_line(line, unescape);
    i = end;
  }
  return result;
}

}  // namespace vtr::text
