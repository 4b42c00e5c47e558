#include "unicode.h"

#include "vtr/core/error.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

namespace vtr::text {
namespace {

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

std::u32string normalize(std::u32string_view text, int extra) {
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | extra);
  const std::string bytes = encode_utf8(text);
  const auto* data = reinterpret_cast<const utf8proc_uint8_t*>(bytes.data());
  const auto size = static_cast<utf8proc_ssize_t>(bytes.size());
  auto n = utf8proc_decompose(data, size, nullptr, 0, options);
  VTR_ASSERT(n >= 0);
  std::vector<utf8proc_int32_t> buffer(static_cast<size_t>(n) + 1);
  n = utf8proc_decompose(data, size, buffer.data(), n, options);
  n = utf8proc_normalize_utf32(buffer.data(), n, options);
  VTR_ASSERT(n >= 0);
  return {buffer.begin(), buffer.begin() + n};
}

constexpr std::u32string_view kWordInner =
    U"'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a";

// The Unicode property Case_Ignorable: what stands within a word without being of it.
bool is_case_ignorable(char32_t c) {
  if (kWordInner.find(c) != std::u32string_view::npos) return true;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return false;
  }
}

// The Unicode property Cased, for what is not Case_Ignorable.
bool is_cased(char32_t c) {
  const auto code = static_cast<utf8proc_int32_t>(c);
  const auto kind = category(c);
  const bool squared = (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
                       (c >= 0x1F170 && c <= 0x1F189);
  return kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LL ||
         kind == UTF8PROC_CATEGORY_LT || utf8proc_tolower(code) != code ||
         utf8proc_toupper(code) != code || c == 0xAA || c == 0xBA || squared;
}

// A cased letter before it, none after it.
bool ends_word(std::u32string_view text, size_t i) {
  size_t before = i, after = i + 1;
  while (before > 0 && is_case_ignorable(text[before - 1])) --before;
  while (after < text.size() && is_case_ignorable(text[after])) ++after;
  return before > 0 && is_cased(text[before - 1]) &&
         (after == text.size() || !is_cased(text[after]));
}

void append_lower(std::u32string& out, char32_t c) {
  if (c < 0x80) {
    out += c >= 'A' && c <= 'Z' ? c + 32 : c;
  } else if (c == 0x130) {  // the one character whose lower case is two: an i that keeps its dot
    out += U"i\u0307";
  } else {
    out += static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
  }
}

}  // namespace

std::u32string decode_utf8(std::string_view text) {
  std::u32string result;
  result.reserve(text.size());
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (size_t i = 0; i < text.size();) {
    utf8proc_int32_t c = bytes[i];
    utf8proc_ssize_t n = 1;
    if (c >= 0x80)
      n = utf8proc_iterate(bytes + i, static_cast<utf8proc_ssize_t>(text.size() - i), &c);
    VTR_CHECK(n > 0, "text is not UTF-8 at byte {} (0x{:02x})", i, bytes[i]);
    result += static_cast<char32_t>(c);
    i += static_cast<size_t>(n);
  }
  return result;
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
    return;
  }
  utf8proc_uint8_t bytes[4];
  const auto n = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n));
}

std::string encode_utf8(std::u32string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char32_t c : text) append_utf8(result, c);
  return result;
}

bool is_letter(char32_t c) {
  if (c < 0x80) return (c | 32) >= 'a' && (c | 32) <= 'z';
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_number(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO;
}

bool is_digit(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D);
  const auto kind = category(c);
  return c == 0x85 || kind == UTF8PROC_CATEGORY_ZS || kind == UTF8PROC_CATEGORY_ZL ||
         kind == UTF8PROC_CATEGORY_ZP;
}

bool is_break(char32_t c) { return is_space(c) || (c >= 0x1C && c <= 0x1F); }

std::u32string nfc(std::u32string text) {
  // Nothing below U+0300 composes with what follows or is composed by itself.
  if (std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x300; })) return text;
  return normalize(text, 0);
}

std::u32string nfkc(char32_t c) { return normalize({&c, 1}, UTF8PROC_COMPAT); }

std::u32string lower(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (const char32_t c : text) append_lower(result, c);
  return result;
}

std::u32string lower_in_context(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == U'\u03a3' && ends_word(text, i)) {
      result += U'\u03c2';
    } else {
      append_lower(result, text[i]);
    }
  }
  return result;
}

std::u32string collapse_spaces(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_break(text[i])) continue;
    if (i > 0 && is_break(text[i - 1]) && !result.empty()) result += U' ';
    result += text[i];
  }
  return result;
}

}  // namespace vtr::text
