#include "clean.h"

#include "badness.h"
#include "fix_text.h"
#include "html.h"
#include "mojibake.h"
#include "unicode.h"

#include <gtest/gtest.h>

namespace vtr::text {
namespace {

// The comparison with the references is parity_test.cc's; these say what each step is for.
std::string fixed(const std::string& text) { return encode_utf8(fix_text(decode_utf8(text))); }
std::string unescaped(const std::string& text) {
  return encode_utf8(unescape_html(decode_utf8(text)));
}

TEST(Clean, OpenAiJoinsWordsByOneSpaceInLowerCase) {
  EXPECT_EQ(encode_utf8(clean_openai("  A \t Man\n\nRUNS  ")), "a man runs");
  EXPECT_EQ(encode_utf8(clean_openai("it\u2019s &amp;amp; &quot;\uff2f\uff2b&quot;")),
            "it's & \"ok\"");
}

TEST(Clean, HuggingFaceLeavesHtmlAlone) {
  EXPECT_EQ(encode_utf8(clean_huggingface("E\u0301 &amp; \u2019")), "\u00e9 &amp; \u2019");
}

TEST(Unicode, LowerCaseInContext) {
  EXPECT_EQ(lower_in_context(U"ΟΔΟΣ ΣΑΣ. Σ"), U"οδος σας. σ");
  EXPECT_EQ(lower(U"ΟΔΟΣ"), U"οδοσ");
  EXPECT_EQ(lower(U"\u0130"), U"i\u0307");
}

TEST(Unicode, Utf8ThereAndBack) {
  const std::string text = "a\u00e9\u4e2d\U0001f600" + std::string(1, '\0');
  EXPECT_EQ(encode_utf8(decode_utf8(text)), text);
  EXPECT_EQ(nfc(U"e\u0301\u1100\u1161"), U"\u00e9\uac00");
}

TEST(Html, NamesEndAsTheyDoInHtml) {
  EXPECT_EQ(unescaped("&lt;b&gt; &ampx &notit; &notin; &unknown; &"),
            "<b> &x \u00acit; \u2209 &unknown; &");
  EXPECT_EQ(unescaped("&amp;lt;"), "&lt;");
}

TEST(Html, InvalidNumbersFollowTheStandard) {
  EXPECT_EQ(unescaped("&#65;&#x42;&#67 &#128; &#0; &#xD800; &#x110000; &#1;&#xFFFE;|"),
            "ABC \u20ac \ufffd \ufffd \ufffd |");
  EXPECT_EQ(unescaped("&#99999999999999999999; &#x; &#;"), "\ufffd &#x; &#;");
}

TEST(FixText, ReferencesOnlyWhereTheTextIsNotHtml) {
  EXPECT_EQ(fixed("P&EACUTE;REZ &amp;amp; &amp"), "P\u00c9REZ & &amp");
  EXPECT_EQ(fixed("<b> &amp;\n&amp;"), "<b> &amp;\n&amp;");
}

TEST(FixText, WidthLigaturesQuotesControls) {
  EXPECT_EQ(fixed("\uff2c\uff2f\uff35\uff24\u3000\ufb02u\ufb03e\ufb06"), "LOUD fluffiest");
  EXPECT_EQ(fixed("\u201chere\u2019s\u201d \x1b[36;44mblue\x1b[0m\x01\x7f\ufeff"),
            "\"here's\" blue");
  EXPECT_EQ(fixed("a\r\nb\rc\u2028d"), "a\nb\nc\nd");
}

TEST(FixText, Mojibake) {
  EXPECT_EQ(fixed("s\u00c3\u00b3"), "s\u00f3");
  EXPECT_EQ(fixed("\u00e2\u0153\u201d No problems"), "\u2714 No problems");
  EXPECT_EQ(fixed("voil\u00c3 le travail"), "voil\u00e0 le travail");
  EXPECT_EQ(fixed("\u00e2\u20ac\u0153like this\u00e2\u20ac\ufffd"), "\"like this\ufffd");
  for (const char* good : {"d\u00e9j\u00e0 vu \u00e0 la Zürich",
                           "\u041c\u043e\u0441\u043a\u0432\u0430", "\u00a320 \u00b1 5\u00b0"}) {
    EXPECT_FALSE(is_bad(decode_utf8(good))) << good;
    EXPECT_EQ(fixed(good), good);
  }
}

TEST(FixText, AMillionCharactersAreFixedInPieces) {
  const std::string text(1500000, 'a');
  EXPECT_EQ(fixed(text + "\u2019"), text + "'");
}

}  // namespace
}  // namespace vtr::text
