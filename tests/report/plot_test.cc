#include "vtr/report/plot.h"

#include <gtest/gtest.h>

#include <cmath>
#include <regex>

namespace vtr::report {
namespace {

// The names of the elements, in the order they close; fails where tags do not nest, an attribute
// has no quotes, or a bare & or < stands in a text.
std::vector<std::string> elements(const std::string& xml) {
  static const std::regex kTag(R"re(<(/?)([a-z]+)((?: [a-zA-Z0-9:-]+="[^"<]*")*)(/?)>)re");
  static const std::regex kText(R"re((?:[^<>&]|&(?:amp|lt|gt|quot|#39);)*)re");
  std::vector<std::string> open, closed;
  auto text = xml.cbegin();
  for (std::sregex_iterator tag(xml.begin(), xml.end(), kTag), end; tag != end; ++tag) {
    const auto start = xml.cbegin() + tag->position();
    EXPECT_TRUE(std::regex_match(text, start, kText)) << std::string(text, start);
    text = start + tag->length();
    if ((*tag)[1].length() == 0) open.push_back((*tag)[2]);
    if ((*tag)[1].length() + (*tag)[4].length() == 0) continue;
    EXPECT_FALSE(open.empty());
    if (open.empty()) return closed;
    EXPECT_EQ(open.back(), (*tag)[2]);
    closed.push_back(open.back());
    open.pop_back();
  }
  EXPECT_TRUE(open.empty());
  EXPECT_EQ(std::string(text, xml.cend()), "\n");
  return closed;
}

std::vector<std::string> texts(const std::string& xml) {
  static const std::regex kText("<text [^>]*>([^<]*)</text>");
  std::vector<std::string> result;
  for (std::sregex_iterator it(xml.begin(), xml.end(), kText), end; it != end; ++it) {
    result.push_back((*it)[1]);
  }
  return result;
}

bool has(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

const Plot kOverK = {
    .title = "R@1 over K",
    .x_label = "K",
    .y_label = "R@1",
    .series = {{.name = "topk",
                .x = {1, 2, 4, 12},
                .y = {41.5, 43.4, 44.2, 42.2},
                .low = {41, 43, 44, 42},
                .high = {42, 44, 45, 43}},
               {.name = "the paper", .x = {1, 12}, .y = {40, 39}, .dashed = true}}};

TEST(Plot, IsWellFormedAndSaysWhatItIs) {
  const std::string xml = svg(kOverK);
  const auto all = elements(xml);
  EXPECT_EQ(all.back(), "svg");
  EXPECT_EQ(std::count(all.begin(), all.end(), "style"), 1);
  EXPECT_NE(xml.find("role=\"img\" aria-label=\"R@1 over K\""), std::string::npos);
  EXPECT_NE(xml.find("\n<title>R@1 over K</title>"), std::string::npos);
  EXPECT_NE(xml.find("viewBox=\"0 0 720 "), std::string::npos);
  EXPECT_EQ(xml.find(" id="), std::string::npos) << "several stand in one page";
  for (const auto* words : {"R@1 over K", "K", "R@1", "topk", "the paper"}) {
    EXPECT_TRUE(has(texts(xml), words)) << words;
  }
}

TEST(Plot, TicksCoverTheDataAndItsErrorBars) {
  const auto words = texts(svg(kOverK));
  for (const auto* tick : {"1", "2", "4", "12"}) EXPECT_TRUE(has(words, tick)) << "x " << tick;
  for (const auto* tick : {"38", "40", "42", "44", "46"}) EXPECT_TRUE(has(words, tick)) << tick;
  EXPECT_FALSE(has(words, "48"));
  EXPECT_EQ(count(svg(kOverK), "class=\"bar\""), 1U);
  EXPECT_NE(svg(kOverK).find("<title>topk: 41.5 [41, 42]</title>"), std::string::npos);
  EXPECT_EQ(count(svg(kOverK), "line dashed"), 2U) << "the line and its legend";
}

TEST(Plot, ManyValuesGetRoundTicksAndNoMarkers) {
  Plot plot{.title = "loss", .x_label = "step", .y_label = "loss", .series = {{.name = "loss"}}};
  for (int i = 0; i < 997; ++i) {
    plot.series[0].x.push_back(i);
    plot.series[0].y.push_back(std::exp(-i / 100.0));
  }
  const auto words = texts(svg(plot));
  for (const auto* tick : {"0", "200", "1000", "0.2", "0.8", "1"}) {
    EXPECT_TRUE(has(words, tick)) << tick;
  }
  EXPECT_EQ(svg(plot).find("translate("), std::string::npos);
}

TEST(Plot, CategoriesStandUnderTheirPlaces) {
  const Plot plot{.title = "Table 5",
                  .x_label = "encoding",
                  .y_label = "MnR",
                  .categories = {"none", "learned", "rotary"},
                  .series = {{.name = "joint", .x = {0, 2}, .y = {14.2, 11.3}}}};
  const auto words = texts(svg(plot));
  for (const auto* name : {"none", "learned", "rotary"}) EXPECT_TRUE(has(words, name)) << name;
  EXPECT_FALSE(has(words, "2"));
}

TEST(Plot, SeveralStandBelowEachOtherInOnePicture) {
  Plot other = kOverK;
  other.title = "the paper";
  const std::string xml = svg({kOverK, other});
  elements(xml);
  EXPECT_EQ(count(xml, "<svg"), 1U);
  EXPECT_NE(xml.find("aria-label=\"R@1 over K; the paper\""), std::string::npos);
  EXPECT_NE(xml.find("viewBox=\"0 0 720 852\""), std::string::npos) << "twice 426";
  EXPECT_EQ(count(xml, ">R@1 over K</text>"), 1U);
}

TEST(Plot, ForeignTextIsEscaped) {
  Plot plot = kOverK;
  plot.title = "a <b> & \"c\" 'd' \x01";
  plot.series[0].name = "</svg><script>alert(1)</script>";
  const std::string xml = svg(plot);
  elements(xml);
  EXPECT_EQ(xml.find("<script"), std::string::npos);
  EXPECT_TRUE(has(texts(xml), "a &lt;b&gt; &amp; &quot;c&quot; &#39;d&#39; "));
}

TEST(Plot, WhatIsNotFiniteIsAGapAndNothingIsAnEmptyFrame) {
  Plot plot = kOverK;
  plot.series[1] = {.name = "torn", .x = {1, 2, 4, 12}, .y = {40, NAN, 41, INFINITY}};
  const std::string xml = svg(plot);
  elements(xml);
  for (const auto* wrong : {"nan", "inf"}) EXPECT_EQ(xml.find(wrong), std::string::npos) << wrong;
  EXPECT_TRUE(std::regex_search(xml, std::regex("d=\"M[0-9.,]+M[0-9.,]+\"")));
  elements(svg({.title = "none", .x_label = "x", .y_label = "y"}));
  const Plot point{.title = "p",
                   .x_label = "x",
                   .y_label = "y",
                   .series = {{.name = "one", .x = {3}, .y = {0}}}};
  EXPECT_TRUE(has(texts(svg(point)), "3"));
}

}  // namespace
}  // namespace vtr::report
