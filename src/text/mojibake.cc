#include "mojibake.h"

#include "badness.h"
#include "charmaps.h"
#include "patterns.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <vector>

namespace vtr::text {
namespace {

using View = std::u32string_view;
using Bytes = std::u32string;  // values below 256: the patterns work on them as on characters

constexpr char32_t kLost = 0x1A;  // the byte of a character that was already lost: U+FFFD
constexpr size_t kWindows = 1;    // the index of Windows-1252

// The byte of a character in an encoding, or nothing.
std::optional<char32_t> byte_of(char32_t c, size_t map) {
  static const auto tables = [] {
    std::array<std::unordered_map<char32_t, char32_t>, std::size(kCharmaps)> result;
    for (size_t m = 0; m < result.size(); ++m) {
      for (char32_t b = 0; b < 128; ++b) result[m][kCharmaps[m].high[b]] = b + 128;
      if (kCharmaps[m].sloppy) result[m][0xFFFD] = kLost;
    }
    return result;
  }();
  if (c < 0x80) return c == kLost && kCharmaps[map].sloppy ? std::nullopt : std::optional(c);
  const auto at = tables[map].find(c);
  return at == tables[map].end() ? std::nullopt : std::optional(at->second);
}

std::optional<Bytes> encode(View text, size_t map) {
  Bytes result;
  for (const char32_t c : text) {
    const auto b = byte_of(c, map);
    if (!b) return std::nullopt;
    result += *b;
  }
  return result;
}

bool within(char32_t c, char32_t low, char32_t high) { return c >= low && c <= high; }

// t a continuation byte, T one that may stand beside a space that was A0, 2 3 4 first bytes of that
// many, h low ones of three, s S the second bytes of a surrogate pair.
constexpr std::string_view kByteLetters = "tT234hsS_?z";
constexpr std::pair<char32_t, char32_t> kByteRanges[] = {
    {0x80, 0xBF}, {0x80, 0xBF}, {0xC2, 0xDF}, {0xE0, 0xEF}, {0xF0, 0xF4},  {0xE0, 0xE3},
    {0xA0, 0xAF}, {0xB0, 0xBF}, {' ', ' '},   {'?', '?'},   {kLost, kLost}};

std::vector<Classes> byte_classes(View bytes) {
  std::vector<Classes> result;
  for (const char32_t b : bytes) {
    Classes classes = 0;
    for (size_t i = 0; i < std::size(kByteRanges); ++i) {
      classes |= Classes{within(b, kByteRanges[i].first, kByteRanges[i].second)} << i;
    }
    if (b == 0x85 || b == 0xA0) classes &= ~Classes{2};  // not T
    result.push_back(classes);
  }
  return result;
}

// Calls replace(match) for each match, left to right, and joins its results with the rest.
template <class Replace>
std::u32string substitute(const Patterns& patterns, View text, const std::vector<Classes>& classes,
                          Replace replace) {
  std::u32string result;
  for (size_t i = 0; i < text.size();) {
    if (const size_t n = patterns.match(text, classes, i)) {
      result += replace(text.substr(i, n));
      i += n;
    } else {
      result += text[i++];
    }
  }
  return result;
}

// A lone à lost its A0 to a space: "Ã la" is "à la", but "Ãs" and its like are Portuguese words.
Bytes restore_a_grave(const Bytes& bytes) {
  Bytes result;
  for (size_t i = 0; i < bytes.size(); ++i) {
    result += bytes[i];
    if (bytes[i] != 0xC3 || i + 1 == bytes.size() || bytes[i + 1] != ' ') continue;
    const View rest = View(bytes).substr(i + 2);
    const auto goes_on = [&](View word) { return rest.starts_with(word); };
    if (goes_on(U" ") || goes_on(U"quele") || goes_on(U"quela") || goes_on(U"quilo") ||
        goes_on(U"s ")) {
      continue;
    }
    result += U'\xA0';
  }
  return result;
}

// Puts back bytes A0 that a program took for spaces, where that makes likely UTF-8.
Bytes restore_byte_a0(const Bytes& bytes) {
  static const Patterns altered(kByteLetters, {U"[ÂÃÅÎÐÙ][_]", U"[âã][_][T]", U"[h][T][_]",
                                               U"ð[_][t][t]", U"ð[t][_][t]", U"ð[t][t][_]"});
  bool found = false;
  const auto restore = [&](View match) {
    found = true;
    Bytes result(match);
    std::replace(result.begin(), result.end(), U' ', U'\xA0');
    return result;
  };
  substitute(altered, bytes, byte_classes(bytes), restore);
  if (!found) return bytes;
  const Bytes words = restore_a_grave(bytes);
  return substitute(altered, words, byte_classes(words), restore);
}

// A character of which some bytes are lost is U+FFFD as a whole.
Bytes replace_lossy(const Bytes& bytes) {
  static const Patterns lossy(
      kByteLetters,
      {U"[2][z]", U"[ÂÃ][?]", U"í[s][z?]í[S][z?t]", U"í[s][z?t]í[S][z?]", U"[3][z?][zt]",
       U"[3][zt][z?]", U"[4][z?][zt][zt]", U"[4][zt][z?][zt]", U"[4][zt][zt][z?]", U"[z]"});
  return substitute(lossy, bytes, byte_classes(bytes), [](View) { return Bytes(U"\xEF\xBF\xBD"); });
}

// The character that starts at `i` and how many bytes it takes; strict but for two habits: Java's
// C0 80 for U+0000, and surrogate pairs encoded apart (CESU-8).
std::optional<std::pair<char32_t, size_t>> read_character(const Bytes& bytes, size_t i) {
  const auto at = [&](size_t n) { return i + n < bytes.size() ? bytes[i + n] : 0; };
  const auto tail = [&](size_t n) { return at(n) & 0x3F; };
  const char32_t b = bytes[i];
  if (b < 0x80) return std::pair(b, 1);
  if (b == 0xC0 && at(1) == 0x80) return std::pair(0, 2);
  const size_t n = within(b, 0xC2, 0xDF)   ? 2
                   : within(b, 0xE0, 0xEF) ? 3
                   : within(b, 0xF0, 0xF4) ? 4
                                           : 0;
  if (n == 0) return std::nullopt;
  for (size_t k = 1; k < n; ++k) {
    if (!within(at(k), 0x80, 0xBF)) return std::nullopt;
  }
  if (n == 2) return std::pair((b & 0x1F) << 6 | tail(1), n);
  if (b == 0xED && within(at(1), 0xA0, 0xAF) && at(3) == 0xED && within(at(4), 0xB0, 0xBF) &&
      within(at(5), 0x80, 0xBF)) {
    const char32_t high = (at(1) & 0x0F) << 6 | tail(2), low = (at(4) & 0x0F) << 6 | tail(5);
    return std::pair(0x10000 + (high << 10 | low), 6);
  }
  char32_t c = (b & (n == 3 ? 0x0F : 0x07)) << 12 | tail(1) << 6 | tail(2);
  if (n == 4) c = c << 6 | tail(3);
  const bool valid =
      n == 3 ? c >= 0x800 && !within(c, 0xD800, 0xDFFF) : within(c, 0x10000, 0x10FFFF);
  return valid ? std::optional(std::pair(c, n)) : std::nullopt;
}

std::optional<std::u32string> decode(const Bytes& bytes) {
  std::u32string result;
  for (size_t i = 0; i < bytes.size();) {
    const auto character = read_character(bytes, i);
    if (!character) return std::nullopt;
    result += character->first;
    i += character->second;
  }
  return result;
}

std::optional<std::u32string> decode_as_utf8(View text, size_t map) {
  auto bytes = encode(text, map);
  if (!bytes) return std::nullopt;
  // In Mac Roman the first bytes are common punctuation, and a space after it is a space.
  if (kCharmaps[map].name != "mac-roman") bytes = restore_byte_a0(*bytes);
  if (kCharmaps[map].sloppy) bytes = replace_lossy(*bytes);
  return decode(*bytes);
}

// Classes 2 3 4 t of a character: those of its byte in the encodings that resemble Latin-1. T is a
// continuation that is no dash, quote, dot or space, which good text has too.
Classes utf8_classes(char32_t c) {
  Classes result = c == ' ' ? 1 : 0;
  for (size_t map = 0; map < std::size(kCharmaps); ++map) {
    if (map > 0 && !kCharmaps[map].sloppy) continue;
    const auto b = byte_of(c, map);
    if (!b || *b < 0x80) continue;
    if (*b < 0xC0) result |= 1;
    if (within(*b, 0xC2, 0xDF)) result |= 4;
    if (within(*b, 0xE0, 0xEF)) result |= 8;
    if (*b == 0xF0 || *b == 0xF3) result |= 16;
  }
  if ((result & 1) && View(U" –—―‘’‚“”„•…").find(c) == View::npos) result |= 2;
  return result;
}

// Mojibake within good text: each run of what looks like UTF-8 is repaired by itself.
std::u32string fix_parts(const std::u32string& text) {
  static const Patterns sequence(kByteLetters, {U"[2][t]", U"[3][t][t]", U"[4][t][t][t]"});
  std::vector<Classes> classes;
  for (const char32_t c : text) classes.push_back(c < 0x80 && c != ' ' ? 0 : utf8_classes(c));
  std::u32string result;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    if (i == 0 || !(classes[i - 1] & 2)) {
      while (const size_t n = end < text.size() ? sequence.match(text, classes, end) : 0) end += n;
    }
    const View run = View(text).substr(i, end - i);
    if (run.empty()) {
      result += text[i++];
    } else {
      // A run that is the whole text would come back here for ever.
      result += run.size() < text.size() && is_bad(run) ? fix_encoding(std::u32string(run)) : run;
      i = end;
    }
  }
  return result;
}

// Latin-1 that was Windows-1252; nothing where a byte has no character there.
std::optional<std::u32string> as_windows(std::u32string text) {
  for (char32_t& c : text) {
    if (c > 0xFF) return std::nullopt;
    if (!within(c, 0x80, 0x9F)) continue;
    if (kCharmaps[kWindows].high[c - 0x80] == c) return std::nullopt;
    c = kCharmaps[kWindows].high[c - 0x80];
  }
  return text;
}

std::u32string fix_once(const std::u32string& text) {
  if (!is_bad(text)) return text;
  for (size_t map = 0; map < std::size(kCharmaps); ++map) {
    if (auto fixed = decode_as_utf8(text, map)) return *fixed;
  }
  if (auto fixed = fix_parts(text); fixed != text) return fixed;
  if (auto fixed = as_windows(text); fixed && *fixed != text) return *fixed;
  return fix_controls(text);
}

}  // namespace

std::u32string fix_controls(std::u32string text) {
  for (char32_t& c : text) {
    if (within(c, 0x80, 0x9F)) c = kCharmaps[kWindows].high[c - 0x80];
  }
  return text;
}

std::u32string fix_encoding(std::u32string text) {
  while (true) {
    std::u32string fixed = fix_once(text);
    if (fixed == text) return text;
    text = std::move(fixed);
  }
}

}  // namespace vtr::text
