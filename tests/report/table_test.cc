#include "vtr/report/table.h"

#include <gtest/gtest.h>

namespace vtr::report {
namespace {

TextTable systems() {
  TextTable table({"system", "R@1", "change"});
  table.add({"mean_pool", "7.5 ± 0.3", ""});
  table.add({"a|b, \"c\" & 50%", "46.9", "-1.2"});
  return table;
}

TEST(TextTable, AlignsByLettersNotBytes) {
  EXPECT_EQ(systems().text(),
            "system                R@1  change\n"
            "mean_pool       7.5 ± 0.3\n"
            "a|b, \"c\" & 50%       46.9    -1.2\n");
}

TEST(TextTable, CsvQuotesWhatRfc4180Says) {
  EXPECT_EQ(systems().csv(),
            "system,R@1,change\r\n"
            "mean_pool,7.5 ± 0.3,\r\n"
            "\"a|b, \"\"c\"\" & 50%\",46.9,-1.2\r\n");
}

TEST(TextTable, MarkdownEscapesWhatWouldEndACell) {
  EXPECT_EQ(systems().markdown(),
            "| system | R@1 | change |\n"
            "|---|--:|--:|\n"
            "| mean_pool | 7.5 ± 0.3 |  |\n"
            "| a\\|b, \"c\" &amp; 50% | 46.9 | -1.2 |\n");
}

TEST(TextTable, LatexHasRulesEscapesAndMinusSigns) {
  EXPECT_EQ(systems().latex(),
            "\\begin{tabular}{lrr}\n"
            "\\toprule\n"
            "system & R@1 & change \\\\\n"
            "\\midrule\n"
            "mean\\_pool & $7.5 \\pm 0.3$ &  \\\\\n"
            "a|b, \"c\" \\& 50\\% & $46.9$ & $-1.2$ \\\\\n"
            "\\bottomrule\n"
            "\\end{tabular}\n");
  TextTable odd({"x"});
  odd.add({"\\{$x^2$}~<#>"});
  EXPECT_NE(odd.latex().find("\\textbackslash{}\\{\\$x\\textasciicircum{}2\\$\\}"
                             "\\textasciitilde{}\\textless{}\\#\\textgreater{}"),
            std::string::npos)
      << odd.latex();
}

TEST(TextTable, ADashIsNoNumberInLatex) {
  TextTable table({"MnR"});
  table.add({"-"});
  EXPECT_NE(table.latex().find("\n- \\\\"), std::string::npos) << table.latex();
}

}  // namespace
}  // namespace vtr::report
