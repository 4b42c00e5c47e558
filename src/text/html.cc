#include "html.h"

#include "charmaps.h"
#include "html_entities.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>

namespace vtr::text {
namespace {

using View = std::u32string_view;

const HtmlEntity* find(std::span<const HtmlEntity> table, View name) {
  std::string key;
  for (const char32_t c : name) {
    if (c >= 0x80) return nullptr;
    key += static_cast<char>(c);
  }
  const auto at =
      std::lower_bound(table.begin(), table.end(), key,
                       [](const auto& entity, const auto& k) { return entity.name < k; });
  return at != table.end() && at->name == key ? &*at : nullptr;
}

int digit(char32_t c, int base) {
  if (c >= '0' && c <= '9') return static_cast<int>(c - '0');
  const char32_t letter = c | 32;
  return base == 16 && letter >= 'a' && letter <= 'f' ? static_cast<int>(letter - 'a') + 10 : -1;
}

bool is_noncharacter(uint32_t c) { return (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE; }

// The character of a number: the HTML standard reads 80 to 9F as Windows-1252.
std::u32string numbered(uint32_t number) {
  if (number == 0 || (number >= 0xD800 && number <= 0xDFFF) || number > 0x10FFFF) return U"\ufffd";
  if (number >= 0x80 && number <= 0x9F) return {kCharmaps[1].high[number - 0x80]};
  const bool control = number < 9 || number == 0x0B || (number >= 0x0E && number < 0x20);
  if (control || number == 0x7F || is_noncharacter(number)) return {};
  return {static_cast<char32_t>(number)};
}

struct Reference {
  size_t size;  // of the text it takes
  std::u32string text;
};

// `text` starts with "&#".
std::optional<Reference> read_number(View text) {
  const int base = text.size() > 2 && (text[2] | 32) == 'x' ? 16 : 10;
  const size_t first = base == 16 ? 3 : 2;
  size_t end = first;
  uint32_t number = 0;
  for (; end < text.size() && digit(text[end], base) >= 0; ++end) {
    number =
        std::min<uint32_t>(number * base + static_cast<uint32_t>(digit(text[end], base)), 0x110000);
  }
  if (end == first) return std::nullopt;
  if (end < text.size() && text[end] == ';') ++end;
  return Reference{end, numbered(number)};
}

// `text` starts with "&". What follows a known prefix stays, and is not looked at again.
std::optional<Reference> read_name(View text) {
  size_t end = 1;
  while (end < text.size() && end < 33 && View(U"\t\n\f <&#;").find(text[end]) == View::npos) ++end;
  if (end == 1) return std::nullopt;
  if (end < text.size() && text[end] == ';') ++end;
  const View name = text.substr(1, end - 1);
  if (const auto* entity = find(kHtmlEntities, name))
    return Reference{end, std::u32string(entity->text)};
  for (size_t n = name.size() - 1; n > 1; --n) {
    if (const auto* entity = find(kHtmlEntities, name.substr(0, n))) {
      return Reference{end, std::u32string(entity->text) + std::u32string(name.substr(n))};
    }
  }
  return Reference{end, std::u32string(text.substr(0, end))};
}

std::optional<Reference> read_any(View text) {
  return text.size() > 1 && text[1] == '#' ? read_number(text) : read_name(text);
}

// A number must take its semicolon along, or the whole is left as it is.
std::optional<Reference> read_terminated(View text) {
  size_t end = text.size() > 1 && text[1] == '#' ? 2 : 1;
  const size_t first = end;
  while (end < text.size() && end - first < 25 && text[end] < 0x80 &&
         (digit(text[end], 10) >= 0 || ((text[end] | 32) >= 'a' && (text[end] | 32) <= 'z'))) {
    ++end;
  }
  if (end == first || end - first > 24 || end == text.size() || text[end] != ';')
    return std::nullopt;
  const View whole = text.substr(0, ++end);
  if (first == 2) {
    auto number = read_number(whole);
    const bool complete = number && number->size == end && number->text != U";";
    return complete ? number : std::nullopt;
  }
  const HtmlEntity* entity = find(kHtmlEntities, whole.substr(1));
  if (!entity) entity = find(kShoutedEntities, whole.substr(1));
  return entity ? std::optional(Reference{end, std::u32string(entity->text)}) : std::nullopt;
}

template <class Read>
std::u32string replace_references(const std::u32string& text, Read read) {
  std::u32string result;
  for (size_t i = 0; i < text.size();) {
    const size_t next = std::min(text.find(U'&', i), text.size());
    result.append(text, i, next - i);
    i = next;
    if (i == text.size()) break;
    if (const auto reference = read(View(text).substr(i))) {
      result += reference->text;
      i += reference->size;
    } else {
      result += text[i++];
    }
  }
  return result;
}

}  // namespace

std::u32string unescape_html(const std::u32string& text) {
  return text.find(U'&') == View::npos ? text : replace_references(text, read_any);
}

std::u32string unescape_terminated(const std::u32string& text) {
  return text.find(U'&') == View::npos ? text : replace_references(text, read_terminated);
}

}  // namespace vtr::text
