#include "badness.h"

#include "patterns.h"
#include "unicode.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace vtr::text {
namespace {

// The classes of the some 400 characters that UTF-8 turns into, as sets with ranges (a-z).
constexpr std::pair<char, std::u32string_view> kSets[] = {
    {'c', U"\u0080-\u009f"},                                // controls
    {'m', U"\u00a0\u00ad´·–—―’…"},                          // middling: common in good text too
    {'b', U"¤¦¨ª¬¯¸ºƒˆˇ˘˛˜†‡‰⌐◊\ufffd"},                    // bad: hardly ever meant
    {'w', U"§¶"},                                           // law
    {'$', U"¢£¥₧€"},                                        // currency
    {'(', U"¡©«¿\u0384\u0385‘‚“„•‹\uf8ff"},                 // opening punctuation
    {')', U"®»˝”›™"},                                       // closing punctuation
    {'#', U"±-³µ¹¼-¾×÷\u2044№∂∆∏∑√∞∩∫≈≠≡≤≥"},               // numeric
    {'k', U"°Ò-ÖÙ-Üò-öø-üŌŐŪŲ"},                            // of faces made of letters
    {'U', U"À-ÑØÜÝĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶĹĻĽŁŃŅŇŒŘŚŞŠŢŤŮŰŸŹŻŽҐ"},  // accented capitals
    {'l', U"ß-ñüāăąćčďđēėęěğģīįķĺļľłœŕśşšťźżžґﬁﬂ"},         // accented small letters
    {'G', U"ÞΆΈ-ΊΌΎΏΑ-ΫЁ-Я"},                               // Greek and Cyrillic capitals
    {'g', U"ά-ωа-џ"},                                       // Greek and Cyrillic small letters
    {'x', U"│┌┐┘├┤┬┼═-╬▀▄█▌▐-▓"},                           // boxes
    {'a', U"a-z"},
    {'A', U"A-Z"},
    {'_', U" "},
    {'p', U".,?!"},
};
// Classes by property: s space, v word character, n not an ASCII letter, d not a line's end.
constexpr std::string_view kLetters = "cmbw$()#kUlGgxaA_psvnd";

// What gives a text away.
constexpr std::u32string_view kBad[] = {
    // In any encoding.
    U"[c]", U"[blUx()$#w][b]", U"[aA][gG][b]", U"[b][lUx()$#w]", U"[lgx)$#][U]", U"[x)$#][l]",
    U"[lx)][$]", U"[s][U][$]", U"[Ux][#w]", U"[lUx$)][(][#]", U"[lU$#xw][)][(]", U"[$#x][(]",
    U"[a][U][($]", U"[x][k]", U"[lU$#()w][x]", U"[x][)]", U"[lU][()][v]", U"[Œœ][n]", U"[U]°",
    // Windows-1252: Western European, South Asian, Arabic, and where a space was A0.
    U"[ÂÃÎÐ][€œŠš¢£Ÿž\u00a0\u00ad®©°·»()–—´]", U"×[²³]", U"à[²µ¹¼½¾]", U"Ã[\u00a0¡]",
    U"[ØÙ][m$b#(ŸŠ®°µ»][ØÙ][m$b#(ŸŠ®°µ»]", U"[a][ÃÂ][_]", U"[a][s][ÃÂ][_]", U"[ap)]Â[_()]",
    // Mac Roman.
    U"√[±∂†≠®™´≤≥¥µø]", U"≈[°¢]", U"‚Ä[ìîïòôúùû†°¢π]", U"‚[âó][àä°ê]",
    // Windows-1251, 1253 and 1257.
    U"вЂ", U"[ВГРС][cb()$°µ][ВГРС]", U"ГўВЂВ[d][aA_]", U"β€[™\u00a0Ά\u00ad®°]",
    U"[ΒΓΞΟ][cb()$°][ΒΓΞΟ]", U"ā€"};

std::vector<Classes> build_table() {
  std::vector<Classes> result(0x10000, 0);
  for (const auto& [letter, set] : kSets) {
    const Classes bit = Classes{1} << kLetters.find(letter);
    for (size_t i = 0; i < set.size(); ++i) {
      const bool range = i + 2 < set.size() && set[i + 1] == '-';
      const char32_t last = range ? set[i + 2] : set[i];
      for (char32_t c = set[i]; c <= last; ++c) result[c] |= bit;
      if (range) i += 2;
    }
  }
  return result;
}

const std::vector<Classes>& table() {
  static const std::vector<Classes> result = build_table();
  return result;
}

// Every pattern holds one of these.
bool is_suspect(char32_t c) { return c >= 0x80 && c < table().size() && table()[c] != 0; }

Classes classes_of(char32_t c) {
  const auto bit = [](char letter) { return Classes{1} << kLetters.find(letter); };
  Classes result = c < table().size() ? table()[c] : 0;
  if (is_break(c)) result |= bit('s');
  if (c == '_' || is_letter(c) || is_number(c)) result |= bit('v');
  if (!(result & (bit('a') | bit('A')))) result |= bit('n');
  if (c != '\n') result |= bit('d');
  return result;
}

}  // namespace

bool is_bad(std::u32string_view text) {
  static const Patterns bad(kLetters, {std::begin(kBad), std::end(kBad)});
  if (std::none_of(text.begin(), text.end(), is_suspect)) return false;
  if (text.size() > 1 && (text[0] == U'Ã' || text[0] == U'Â') && text[1] == ' ') return true;
  std::vector<Classes> classes;
  classes.reserve(text.size());
  for (const char32_t c : text) classes.push_back(classes_of(c));
  for (size_t i = 0; i < text.size(); ++i) {
    if (bad.match(text, classes, i) > 0) return true;
  }
  return false;
}

}  // namespace vtr::text
