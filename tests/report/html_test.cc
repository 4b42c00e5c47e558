#include "vtr/report/html.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

namespace vtr::report {
namespace {

const std::string kHostile = "<script>alert(1)</script> \"a\" 'b' & <b>";
constexpr const char* kHarmless =
    "&lt;script&gt;alert(1)&lt;/script&gt; &quot;a&quot; &#39;b&#39; &amp; &lt;b&gt;";

// Every kind of block, with `text` wherever there is a text.
Page page_of(const std::string& text) {
  const Picture picture{"image/png", "bytes", text};
  const Strip strip{text, {{picture, text, 0.25, true}, {picture, text, 0.0, false}}};
  return {text,
          text,
          {{text, "other.html"}},
          {{"one",
            text,
            {Paragraph{text}, Cards{{{text, text, text}}},
             SortableTable{
                 text, {text, "R@1"}, {{{text, "other.html"}, {"46.9 (+1.0)"}}, {{text}, {"-"}}}},
             Bars{text, text, text, {{text, 3, text}}}, Figure{picture, text},
             Drawing{"<svg></svg>", text}, Story{text, {text}, {strip, {text, {}, text}}},
             Listing{text, text}}}}};
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

std::vector<std::string> all_matches(const std::string& text, const std::string& pattern) {
  const std::regex expression(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), expression), end; it != end; ++it) {
    found.push_back((*it)[1]);
  }
  return found;
}

// Without what stands in <style> and <script>.
std::string body_of(const std::string& html) {
  const size_t begin = html.find("<body>"), end = html.find("<script>");
  return html.substr(begin, end - begin);
}

TEST(Html, EscapesEveryText) {
  const std::string html = to_html(page_of(kHostile));
  const std::string plain = to_html(page_of("plain"));
  EXPECT_EQ(count(html, "<script"), 1U);
  EXPECT_EQ(count(html, kHostile), 0U);
  EXPECT_EQ(count(html, kHarmless), count(plain, "plain"));
}

TEST(Html, EveryElementEndsWhereItShould) {
  const std::string html = body_of(to_html(page_of(kHostile)));
  std::vector<std::string> open;
  for (const auto& tag : all_matches(html, "<(/?[a-z0-9]+)")) {
    if (tag == "img") continue;
    if (tag.front() != '/') {
      open.push_back(tag);
      continue;
    }
    ASSERT_FALSE(open.empty()) << tag;
    EXPECT_EQ("/" + open.back(), tag);
    open.pop_back();
  }
  EXPECT_EQ(open, std::vector<std::string>{"body"});
}

TEST(Html, RefersToNothingOutside) {
  const std::string html = to_html(page_of("text"));
  const auto sources = all_matches(html, "src=\"([^\"]*)\"");
  const std::string png = "data:image/png;base64,Ynl0ZXM=";
  const std::string svg = "data:image/svg+xml;base64,PHN2Zz48L3N2Zz4=";
  EXPECT_EQ(sources, (std::vector<std::string>{png, svg, png, png}));
  const auto links = all_matches(html, "href=\"([^\"]*)\"");
  EXPECT_EQ(links, (std::vector<std::string>{"other.html", "#one", "other.html"}));
  EXPECT_EQ(count(html, "http:") + count(html, "https:") + count(html, "@import"), 0U);
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
}

TEST(Html, SaysWhatAPictureShows) {
  const auto texts = all_matches(to_html(page_of("what")), "<img [^>]*alt=\"([^\"]*)\"");
  EXPECT_EQ(texts, (std::vector<std::string>(4, "what")));
}

TEST(Html, ColumnsOfNumbersStandToTheRight) {
  const std::string html = to_html(page_of("text"));
  EXPECT_NE(html.find("<th scope=\"col\" class=\"number\">R@1</th>"), std::string::npos);
  EXPECT_NE(html.find("<th scope=\"col\">text</th>"), std::string::npos);
}

TEST(Html, WeightsAreDrawnByTheLargestAndFramesLeftOutAreMarked) {
  const std::string html = to_html(page_of("text"));
  EXPECT_EQ(all_matches(html, "class=\"weight\" style=\"--part:([0-9.]+)\""),
            (std::vector<std::string>{"1.0000", "0.0000"}));
  EXPECT_EQ(count(html, "<li class=\"left\">"), 1U);
  EXPECT_EQ(count(html, "class=\"strip chosen\""), 1U);
}

TEST(Html, AStripWithoutFramesSaysWhy) {
  const Story story{"q", {}, {{"own", {}, "a.mp4 cannot be read"}}};
  const std::string html = to_html({"t", "s", {}, {{"one", "One", {story}}}});
  EXPECT_NE(html.find("<p>a.mp4 cannot be read</p>"), std::string::npos);
}

}  // namespace
}  // namespace vtr::report
