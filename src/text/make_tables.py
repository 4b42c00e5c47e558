"""Writes html_entities.h and charmaps.h into a folder: the tables of Python's `html` and `codecs`
that src/text needs, taken from the Python at hand at build time so that no copy is kept.

  python3 src/text/make_tables.py build/dev/generated/text
"""
import html
import html.entities
import pathlib
import sys

# (name, whether bytes it leaves open mean themselves): the encodings that text is mistaken for.
CHARMAPS = [("latin-1", False), ("windows-1252", True), ("windows-1251", True),
            ("windows-1250", True), ("windows-1253", True), ("windows-1254", True),
            ("windows-1257", True), ("iso-8859-2", False), ("mac-roman", False), ("cp437", False)]

ENTITIES_H = """// Made by src/text/make_tables.py. Both tables are sorted by name.
#pragma once

#include <string_view>

namespace vtr::text {

struct HtmlEntity {
  std::string_view name;
  std::u32string_view text;
};

inline constexpr HtmlEntity kHtmlEntities[] = {
%s};

// Names of Latin letters and the like in capitals, which are no HTML.
inline constexpr HtmlEntity kShoutedEntities[] = {
%s};

}  // namespace vtr::text
"""

CHARMAPS_H = """// Made by src/text/make_tables.py.
#pragma once

#include <string_view>

namespace vtr::text {

struct Charmap {
  std::string_view name;
  bool sloppy;         // has bytes without a character; they stand for themselves here
  char32_t high[128];  // the characters of bytes 128 to 255; the others are ASCII
};

inline constexpr Charmap kCharmaps[] = {
%s};

}  // namespace vtr::text
"""


def entity_rows(entities):
    def literal(text):
        return 'U"' + "".join(f"\\U{ord(c):08x}" for c in text) + '"'

    return "".join(f'    {{"{name}", {literal(text)}}},\n' for name, text in sorted(entities.items()))


def shouted_entities():
    """&EACUTE; and its like: ftfy reads them where HTML reads nothing."""
    result = {}
    for name, text in html.entities.html5.items():
        upper = name.upper()
        unknown = html.unescape("&" + upper) == "&" + upper
        if name.endswith(";") and name == name.lower() and unknown:
            result[upper] = text.upper()
    return result


def charmap_row(name, sloppy):
    characters = [bytes([byte]).decode(name, errors="replace") for byte in range(128, 256)]
    codes = [byte if c == "\ufffd" else ord(c) for byte, c in enumerate(characters, 128)]
    return f'    {{"{name}", {str(sloppy).lower()}, {{{", ".join(map(str, codes))}}}}},\n'


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rows = entity_rows(html.entities.html5), entity_rows(shouted_entities())
    (folder / "html_entities.h").write_text(ENTITIES_H % rows)
    (folder / "charmaps.h").write_text(CHARMAPS_H % "".join(charmap_row(*row) for row in CHARMAPS))


if __name__ == "__main__":
    main()
