#include "vtr/config/options.h"

#include "support/temp_dir.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"

#include <gtest/gtest.h>

namespace vtr::config {
namespace {

struct Inner {
  double rate = 0.5;
  bool on = false;
  void fields(auto& f) {
    f("rate", rate, "a rate", between(0, 1));
    f("on", on, "a switch");
  }
};

struct Outer {
  int64_t count = 3;
  std::string mode = "fast";
  std::vector<std::string> names;
  Inner inner;
  Choice head{"joint", Node(YAML::NodeType::Map)};
  void fields(auto& f) {
    f("count", count, "how many", at_least(1));
    f("mode", mode, "how", one_of({"fast", "slow"}));
    f("names", names, "who");
    f("inner", inner, "more");
    f("head", head, "which");
  }
};

template <class Options = Outer>
std::string refusal(const std::string& yaml) {
  try {
    read<Options>(YAML::Load(yaml), "top");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Options, ReadWhatWriteWrote) {
  const auto first = read<Outer>(YAML::Load("{count: 7, mode: slow, names: [a, b], inner: {rate: "
                                            "0.1, on: true}, head: {name: x, k: 2}}"),
                                 "");
  const std::string text = to_text(write(first));
  EXPECT_EQ(text, to_text(write(read<Outer>(YAML::Load(text), ""))));
  EXPECT_EQ(first.count, 7);
  EXPECT_EQ(first.inner.rate, 0.1);
  EXPECT_EQ(first.head.name, "x");
  EXPECT_EQ(first.head.options["k"].as<int>(), 2);
}

TEST(Options, LeftOutOnesKeepTheirDefaults) {
  EXPECT_EQ(to_text(write(read<Outer>(YAML::Load("{}"), ""))), to_text(write(Outer())));
}

TEST(Options, UnknownKeysAreRefusedWithTheNearest) {
  EXPECT_EQ(refusal("{cuont: 1}"), "top.cuont: no such option (did you mean top.count?)");
  EXPECT_EQ(refusal("{inner: {rates: 1}}"),
            "top.inner.rates: no such option (did you mean top.inner.rate?)");
  EXPECT_NE(refusal("{zzzzzzzz: 1}").find("known: count, mode"), std::string::npos);
}

TEST(Options, ValuesOfTheWrongKindOrRangeAreRefusedByName) {
  EXPECT_EQ(refusal("{count: 1.5}"), "top.count: a whole number is needed, got '1.5'");
  EXPECT_EQ(refusal("{count: 0}"), "top.count: 0 is out of range (at least 1)");
  EXPECT_EQ(refusal("{mode: medium}"), "top.mode: 'medium' is not one of fast, slow");
  EXPECT_EQ(refusal("{inner: {rate: 2}}"), "top.inner.rate: 2 is out of range (0 to 1)");
  EXPECT_EQ(refusal("{inner: {rate: nan}}"), "top.inner.rate: nan is out of range (0 to 1)");
  EXPECT_EQ(refusal("{inner: {on: 1}}"), "top.inner.on: true or false is needed, got '1'");
  EXPECT_EQ(refusal("{inner: 3}"), "top.inner: a map of options is needed, got 3");
  EXPECT_EQ(refusal("{names: a}"), "top.names: a list is needed, got a");
}

struct Rate {
  double rate = 1;
  void fields(auto& f) { f("rate", rate, "without an upper bound", at_least(0)); }
};

TEST(Options, ACopyOfAChoiceIsItsOwn) {
  const Choice first{"x", YAML::Load("{k: 2}")};
  Choice assigned{"y", {}}, copied = first;
  assigned = first;
  assigned.options = YAML::Load("{k: 3}");
  copied.options["k"] = 4;
  EXPECT_EQ(first.options["k"].as<int>(), 2);
}

TEST(Options, NoNumberIsInfinite) {
  EXPECT_EQ(refusal<Rate>("{rate: inf}"), "top.rate: inf is out of range (at least 0)");
}

TEST(Load, LaterFilesAndTheCommandLineWin) {
  const test::TempDir dir;
  dir.write("a.yaml", "count: 1\ninner: {rate: 0.25}\n");
  dir.write("b.yaml", "base: a.yaml\ncount: 2\n");
  const Node tree =
      merge(load((dir / "b.yaml").string()), parse_overrides({"inner.on=true", "names=[x, y]"}));
  const auto options = read<Outer>(tree, "");
  EXPECT_EQ(options.count, 2);
  EXPECT_EQ(options.inner.rate, 0.25);
  EXPECT_TRUE(options.inner.on);
  EXPECT_EQ(options.names, (std::vector<std::string>{"x", "y"}));
}

TEST(Load, AnotherNameDropsTheOldChoicesOptions) {
  const Node base = YAML::Load("head: {name: joint, topk: 4}");
  EXPECT_EQ(to_text(merge(base, parse_overrides({"head.name=mean_pool"}))),
            "head:\n  name: mean_pool\n");
  EXPECT_EQ(to_text(merge(YAML::Load("head: topk"), parse_overrides({"head.topk=2"}))),
            "head:\n  name: topk\n  topk: 2\n");
  EXPECT_EQ(merge(base, parse_overrides({"head.topk=2"}))["head"]["name"].as<std::string>(),
            "joint");
  EXPECT_EQ(merge(base, parse_overrides({"head.name=joint"}))["head"]["topk"].as<int>(), 4);
}

TEST(Load, FaultsNameTheirFile) {
  const test::TempDir dir;
  dir.write("loop.yaml", "base: loop.yaml\n");
  dir.write("broken.yaml", "a: [1\n");
  dir.write("list.yaml", "- 1\n");
  for (const std::string name : {"loop.yaml", "broken.yaml", "list.yaml", "missing.yaml"}) {
    try {
      load((dir / name).string());
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(parse_overrides({"no-equals"}), Error);
}

TEST(FirstDifference, NamesTheOptionAndBothValues) {
  const auto difference = [](const char* a, const char* b) {
    return first_difference(YAML::Load(a), YAML::Load(b));
  };
  EXPECT_EQ(difference("{a: {b: 1}, c: 2}", "{a: {b: 1}, c: 2}"), "");
  EXPECT_EQ(difference("{a: {b: 1}, c: 2}", "{a: {b: 3}, c: 2}"), "a.b (1, 3)");
  EXPECT_EQ(difference("{a: {b: 1}}", "{a: {b: 1, d: [x]}}"), "a.d ((none), [x])");
}

}  // namespace
}  // namespace vtr::config
