// One set of facts in the true form of each family of annotation files: the same manifests.
#include "support/error_of.h"
#include "support/temp_dir.h"

#include "vtr/data/manifest.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <iterator>
#include <map>
#include <sstream>

namespace vtr::data {
namespace {

using Json = nlohmann::ordered_json;
using Texts = std::vector<std::string>;

// Videos of MSR-VTT in the order of every list, each in its part, and which of its captions 1k-A
// takes. The 9k training videos are those of all parts but the last two, which are its test.
struct Fact {
  std::string id, part;
  Texts captions;
  size_t chosen = 0;
};
const std::vector<Fact> kFacts = {
    {"video9", "train", {"a dog, \"barking\"", "an \u00e9tude"}},
    {"video2", "train", {"two men", "a car", "a car"}},
    {"video10", "validate", {"rain"}},
    {"video7", "test", {"a cat", "one cat sits"}},
    {"video8", "test", {"a boat", "the sea", "a wide sea"}, 2},
    {"video3", "test", {"snow", "it snows"}, 1},
};

bool in_split(size_t i, const std::string& split) {
  const std::string& part = kFacts[i].part;
  const bool test = i + 2 >= kFacts.size();
  if (split == "9k" || split == "miech-train") return !test;
  if (split == "7k") return part != "test";
  if (split == "1k-A" || split == "miech-test") return test;
  return split == "full-" + (part == "validate" ? "val" : part);
}

std::vector<Fact> facts(const std::string& split) {
  std::vector<Fact> result;
  for (size_t i = 0; i < kFacts.size(); ++i) {
    if (!in_split(i, split)) continue;
    result.push_back(kFacts[i]);
    if (split == "1k-A") result.back().captions = {kFacts[i].captions[kFacts[i].chosen]};
  }
  return result;
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? std::string("\"\"") : std::string(1, c);
  return result + "\"";
}

std::string id_list(const std::string& split, const std::string& header = "") {
  std::string text = header;
  for (const auto& fact : facts(split)) text += fact.id + "\n";
  return text;
}

void write_clip4clip(const test::TempDir& dir) {
  Json data = {{"videos", Json::array()}, {"sentences", Json::array()}};
  for (const auto& fact : kFacts) {
    data["videos"].push_back({{"video_id", fact.id}, {"category", 9}, {"split", fact.part}});
    for (const auto& caption : fact.captions) {
      data["sentences"].push_back(
          {{"caption", caption}, {"video_id", fact.id}, {"sen_id", data["sentences"].size()}});
    }
  }
  dir.write("MSRVTT_data.json", data.dump());
  dir.write("MSRVTT_train.9k.csv", id_list("9k", "video_id\n"));
  dir.write("MSRVTT_train.7k.csv", id_list("7k", "video_id\n"));
  std::string test = "key,vid_key,video_id,sentence\n";
  for (const auto& fact : facts("1k-A")) {
    test += fmt::format("ret0,msr{},{},{}\n", fact.id, fact.id, quoted(fact.captions[0]));
  }
  dir.write("MSRVTT_JSFUSION_test.csv", test);
}

void run(const std::string& command) { ASSERT_EQ(std::system(command.c_str()), 0) << command; }

// The file in its authors' form, and that turned into JSON as a user would.
void ship(const test::TempDir& dir, const std::string& json, const std::string& form) {
  const std::string file = (dir / json).string(), stem = file.substr(0, file.rfind('.'));
  const std::string python = "/usr/bin/python3 " VTR_SOURCE "/";
  run(python + "tests/scripts/true_form.py " + file + " " + form);
  ASSERT_FALSE(fs::exists(file));
  const bool pickle = form == "pkl";
  run(python + (pickle ? "scripts/pickle_to_json.py " : "scripts/mmt_to_json.py ") + stem +
      (pickle ? ".pkl " : " ") + file + " > /dev/null");
}

void write_frozen(const test::TempDir& dir) {
  Json data = {{"annotations", Json::array()}};
  Json chosen = Json::object();
  for (const auto& fact : kFacts) {
    for (const auto& caption : fact.captions) {
      data["annotations"].push_back({{"image_id", fact.id}, {"caption", caption}});
    }
    if (!facts("1k-A").empty()) chosen[fact.id] = fact.chosen;
  }
  dir.write("annotation/MSR_VTT.json", data.dump());
  const std::string lists = "high-quality/structured-symlinks/";
  dir.write(lists + "jsfusion_val_caption_idx.json", chosen.dump());
  const std::map<std::string, std::string> names = {
      {"train_list_jsfusion.txt", "9k"},       {"val_list_jsfusion.txt", "1k-A"},
      {"train_list_miech.txt", "miech-train"}, {"test_list_miech.txt", "miech-test"},
      {"train_list_full.txt", "full-train"},   {"val_list_full.txt", "full-val"},
      {"test_list_full.txt", "full-test"}};
  for (const auto& [name, split] : names) dir.write(lists + name, id_list(split));
  ship(dir, lists + "jsfusion_val_caption_idx.json", "pkl");
}

void write_stan(const test::TempDir& dir) {
  const std::map<std::string, std::string> names = {
      {"train_9k.json", "9k"}, {"train_7k.json", "7k"}, {"test_JSFUSION.json", "1k-A"}};
  for (const auto& [name, split] : names) {
    Json data = Json::object();
    for (const auto& fact : facts(split)) data[fact.id + ".mp4"] = fact.captions;
    dir.write(name, data.dump());
  }
}

Json pairs(const std::string& split, const char* video, const char* text) {
  Json list = Json::array();
  for (const auto& fact : facts(split)) {
    for (const auto& caption : fact.captions) list.push_back({{video, fact.id}, {text, caption}});
  }
  return list;
}

void write_clover(const test::TempDir& dir) {
  dir.write("train_9k.json", pairs("9k", "filename", "text").dump());
  dir.write("train_7k.json", pairs("7k", "filename", "text").dump());
  dir.write("test_JSFUSION.json", pairs("1k-A", "filename", "text").dump());
  for (const char* file : {"train_9k.json", "train_7k.json", "test_JSFUSION.json"}) {
    ship(dir, file, "pkl");
  }
}

void write_clipbert(const test::TempDir& dir) {
  const std::map<std::string, std::string> names = {
      {"train_9k.jsonl", "9k"}, {"train_7k.jsonl", "7k"}, {"test_1ka.jsonl", "1k-A"}};
  for (const auto& [name, split] : names) {
    std::string lines;
    for (const auto& item : pairs(split, "clip_name", "caption")) lines += item.dump() + "\n";
    dir.write(name, lines);
  }
}

void write_cap4video(const test::TempDir& dir) {
  write_clip4clip(dir);
  fs::remove(dir / "MSRVTT_data.json");
  for (const std::string part : {"train", "test"}) {
    Json titles = Json::object();
    for (const auto& fact : kFacts) {
      if ((fact.part == "test") != (part == "test")) continue;
      titles[fact.id] = {{"gt", fact.captions}, {"titles", {"made by", "a machine"}}};
    }
    dir.write("msrvtt_" + part + "_titles.json", titles.dump());
  }
}

// Captions are lists of words.
void write_mmt(const test::TempDir& dir) {
  Json captions = Json::object(), chosen = Json::object();
  for (const auto& fact : kFacts) {
    captions[fact.id] = Json::array();
    for (const auto& caption : fact.captions) {
      std::istringstream in(caption);
      captions[fact.id].push_back(Texts(std::istream_iterator<std::string>(in), {}));
    }
    chosen[fact.id] = fact.chosen;
  }
  dir.write("mult_h5.json", captions.dump());
  ship(dir, "mult_h5.json", "h5");
  dir.write("jsfusion_val_caption_idx.json", chosen.dump());
  const std::map<std::string, std::string> names = {
      {"train_list_jsfusion.txt", "9k"},       {"val_list_jsfusion.txt", "1k-A"},
      {"train_list_miech.txt", "miech-train"}, {"test_list_miech.txt", "miech-test"},
      {"train_list.txt", "full-train"},        {"val_list.txt", "full-val"},
      {"test_list.txt", "full-test"}};
  for (const auto& [name, split] : names) dir.write(name, id_list(split));
}

struct Family {
  const char* name;
  void (*write)(const test::TempDir&);
  std::vector<std::string> splits;
};
const std::vector<Family> kFamilies = {
    {"CLIP4Clip", write_clip4clip, {"9k", "7k", "1k-A", "full-train", "full-val", "full-test"}},
    {"Frozen",
     write_frozen,
     {"9k", "7k", "1k-A", "full-train", "full-val", "full-test", "miech-train", "miech-test"}},
    {"STAN", write_stan, {"9k", "7k", "1k-A"}},
    {"Clover", write_clover, {"9k", "7k", "1k-A"}},
    {"ClipBERT", write_clipbert, {"9k", "7k", "1k-A"}},
    {"Cap4Video", write_cap4video, {"9k", "7k", "1k-A"}},
    {"MMT",
     write_mmt,
     {"9k", "7k", "1k-A", "full-train", "full-val", "full-test", "miech-train", "miech-test"}},
};

TEST(Families, EachGivesTheSameManifests) {
  for (const auto& family : kFamilies) {
    const test::TempDir dir;
    family.write(dir);
    for (const auto& fact : kFacts) dir.write("videos/" + fact.id + ".mp4", "x");
    DataOptions options;
    options.root = dir.path().string();
    for (const auto& split : family.splits) {
      SCOPED_TRACE(std::string(family.name) + " " + split);
      options.test = split;
      const Manifest manifest = read_split(options, Split::test, 0);
      const auto wanted = facts(split);
      ASSERT_EQ(manifest.videos.size(), wanted.size());
      for (size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_EQ(manifest.videos[i].id, wanted[i].id);
        EXPECT_EQ(manifest.videos[i].captions, wanted[i].captions);
        EXPECT_EQ(manifest.videos[i].path, dir / ("videos/" + wanted[i].id + ".mp4"));
      }
    }
  }
}

TEST(Families, AProtocolOfSeveralPartsGivesTheOneThatIsAskedFor) {
  const test::TempDir dir;
  write_frozen(dir);
  dir.write("videos/video7.mp4", "x");
  DataOptions options;
  options.root = dir.path().string();
  options.train = options.val = options.test = "full";
  for (const Split split : {Split::train, Split::val, Split::test}) {
    const std::string name = "full-" + split_name(split);
    const Manifest manifest = read_annotations(options, split, 0);
    EXPECT_EQ(manifest.name, "msrvtt " + name);
    EXPECT_EQ(manifest.videos.size(), facts(name).size());
    EXPECT_EQ(manifest.videos.front().captions, facts(name).front().captions);
  }
  options.val = "miech";
  test::expect_error([&] { read_annotations(options, Split::val, 0); },
                     "split 'miech': no miech in ");
}

TEST(Families, WhichCaptionOf1kANeedsItsFileAndAPickleIsNotRun) {
  const test::TempDir dir;
  write_frozen(dir);
  dir.write("videos/video7.mp4", "x");
  DataOptions options;
  options.root = dir.path().string();
  const auto expect = [&](const std::string& part) {
    test::expect_error([&] { read_annotations(options, Split::test, 0); }, part);
  };
  const std::string index = "high-quality/structured-symlinks/jsfusion_val_caption_idx";
  dir.write(index + ".json", R"({"video8": 2, "video3": 2})");
  expect("jsfusion_val_caption_idx.json: \"video3\" is no number of one of its 2 captions");
  dir.write(index + ".json", R"({"video8": 2})");
  expect("jsfusion_val_caption_idx.json: no field \"video3\"");
  fs::rename(dir / (index + ".json"), dir / (index + ".pkl"));
  expect(
      "jsfusion_val_caption_idx.pkl: a pickle is a program and is not run; turn it into JSON"
      " once: scripts/pickle_to_json.py " +
      (dir / (index + ".pkl")).string());
  fs::remove(dir / (index + ".pkl"));
  expect("split '1k-A': jsfusion_val_caption_idx.json (or .pkl) is needed");
}

}  // namespace
}  // namespace vtr::data
