// A checkpoint under its authors' names through the program: imported, evaluated, trained further.
#include "support/program.h"

#include "vtr/core/files.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstring>

namespace vtr::test {
namespace {

using Json = nlohmann::json;

// A copy of a safetensors file, "head.x" renamed to X-Pool's "pool_frames.x".
void write_as_xpool(const fs::path& from, const fs::path& to) {
  const std::string bytes = read_file(from);
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  const std::string data = bytes.substr(sizeof length + length);
  const Json ours = Json::parse(bytes.substr(sizeof length, length));
  Json header;
  for (const auto& [name, value] : ours.items()) {
    header[name.starts_with("head.") ? "pool_frames." + name.substr(5) : name] = value;
  }
  const std::string text = header.dump();
  length = text.size();
  std::string prefix(sizeof length, '\0');
  std::memcpy(prefix.data(), &length, sizeof length);
  write_file(to, prefix + text + data);
}

Json rows_of(const fs::path& path) {
  Json rows = Json::parse(read_file(path));
  for (auto& row : rows) {
    row.erase("run");
    row.erase("seconds");
  }
  return rows;
}

TEST(ImportedRun, EvaluatesAsItsAuthorsAndTrainsOn) {
  const TempDir dir;
  const auto config = write_tiny_experiment(dir, 16, 8);
  const auto path = [&](const std::string& name) { return (dir / name).string(); };
  const std::vector<std::string> head = {"model.head.name=cross", "train.max_steps=4"};
  const auto run = [&](std::vector<std::string> arguments, bool with_head = false) {
    if (with_head) arguments.insert(arguments.end(), head.begin(), head.end());
    return run_program(arguments);
  };
  ASSERT_EQ(run({"train", "--config", config, "--run", path("own")}, true).code, 0);
  write_as_xpool(dir / "own/checkpoints/step_00000004/model.safetensors",
                 dir / "authors.safetensors");
  dir.write("skip.txt", "# nothing\n");
  const std::vector<std::string> import = {
      "import",
      "--from",
      "xpool",
      "--weights",
      path("authors.safetensors"),
      "--config",
      config,
      "--out",
      path("run"),
      "data.skip_list=" + fs::relative(dir / "skip.txt").string()};
  const auto imported = run(import, true);
  ASSERT_EQ(imported.code, 0) << imported.output;
  EXPECT_EQ(run(import, true).code, 1) << "a run that is there is kept";
  EXPECT_NE(read_file(dir / "run/config.yaml").find("skip_list: /"), std::string::npos)
      << "to be found from any folder";

  for (const std::string name : {"own", "run"}) {
    const auto done = run({"eval", "--run", path(name), "--json", path(name + ".json")});
    ASSERT_EQ(done.code, 0) << done.output;
  }
  EXPECT_EQ(rows_of(dir / "own.json"), rows_of(dir / "run.json"));

  const auto resumed = run({"train", "--run", path("run"), "--resume", "train.max_steps=2"});
  ASSERT_EQ(resumed.code, 0) << resumed.output;
  EXPECT_EQ(losses_of(dir / "run").size(), 2U);
  const auto newest = run({"eval", "--run", path("run")});
  EXPECT_NE(newest.output.find("step_00000002"), std::string::npos) << newest.output;

  const auto wrong = run({"import", "--from", "xpool", "--weights", path("authors.safetensors"),
                          "--config", config, "--out", path("other")});  // the head is joint
  EXPECT_EQ(wrong.code, 1) << wrong.output;
  EXPECT_NE(wrong.output.find("missing: head.temporal.positions"), std::string::npos)
      << wrong.output;
  EXPECT_FALSE(fs::exists(dir / "other"));
}

}  // namespace
}  // namespace vtr::test
