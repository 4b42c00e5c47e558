#include "folder.h"

#include "support/error_of.h"
#include "support/files_of.h"
#include "support/temp_dir.h"

#include "vtr/config/load.h"

#include <gtest/gtest.h>

#include <sys/inotify.h>
#include <unistd.h>

namespace vtr::sweep {
namespace {

using Names = std::vector<std::string>;

class Folder : public testing::Test {
 protected:
  test::TempDir dir;

  // Of the variants a and b.
  Request request(const std::vector<int64_t>& seeds, const std::string& lr = "1",
                  const Names& rerun = {}, const std::string& device = "cpu") const {
    Request result;
    result.folder = dir.path();
    result.rerun = rerun;
    result.without_places = [](const config::Node& experiment) {
      VTR_CHECK(experiment["train"], "train: is needed");
      return config::Node(experiment["train"]);
    };
    for (const auto* variant : {"a", "b"}) {
      for (const int64_t seed : seeds) {
        result.cells.push_back(
            {variant,
             {},
             seed,
             YAML::Load(fmt::format("{{train: {{seed: {}, lr: {}, name: ''}}, device: {}}}", seed,
                                    lr, device))});
      }
    }
    return result;
  }
  void finish(const std::string& cell) const {
    dir.write(cell + ".json",
              R"([{"captions": "single", "direction": "t2v", "R@1": 1, "R@5": 2, "R@10": 3,)"
              R"( "R@50": 4, "MdR": 5, "MnR": 6}])");
  }
  static Names names(const Request& request) {
    Names result;
    for (const auto& cell : with_finished(request)) result.push_back(cell.name());
    return result;
  }
};

TEST_F(Folder, FinishedCellsOfOtherSeedsAreKept) {
  open_folder(request({1, 2, 10}));
  for (const auto* cell : {"a/seed10", "a/seed2", "b/seed1"}) finish(cell);
  Request now = request({3, 1});
  open_folder(now);
  EXPECT_EQ(names(now), (Names{"a/seed3", "a/seed1", "a/seed2", "a/seed10", "b/seed3", "b/seed1"}));
  now.options.evaluate = {"single"};
  EXPECT_EQ(names(now).size(), 6U);
  now.options.evaluate = {"single", "mixed"};
  EXPECT_EQ(names(now).size(), 4U) << "the others have no figures of one of the splits";
}

TEST_F(Folder, CellsOfOtherOptionsAreNotKept) {
  open_folder(request({1}, "2"));
  finish("a/seed1");
  const Request now = request({3});
  open_folder(now);
  EXPECT_EQ(names(now), (Names{"a/seed3", "b/seed3"}));
}

TEST_F(Folder, OtherFilesAreNoCells) {
  open_folder(request({1}));
  for (const auto* name : {"a/seed01", "a/seed1 (copy)", "a/seeds", "a/7", "a/seed7"}) finish(name);
  dir.write("a/seed1 (copy).yaml", "");
  const Request now = request({3});
  open_folder(now);
  EXPECT_EQ(names(now), (Names{"a/seed3", "b/seed3"}));
}

TEST_F(Folder, ACellBegunAsAnotherIsRefusedUnlessItIsRerun) {
  open_folder(request({1}));
  finish("a/seed1");
  check_folder(request({1}));
  const auto before = test::files_of(dir.path());
  test::expect_error([&] { check_folder(request({1}, "2")); }, "seed1.yaml: was begun with other");
  test::expect_error([&] { check_folder(request({1}, "2", {"a"})); }, "b/seed1.yaml: was begun");
  EXPECT_EQ(test::files_of(dir.path()), before);
  const Request anew = request({1}, "2", {"a", "b/seed1"});
  check_folder(anew);
  open_folder(anew);
  EXPECT_FALSE(fs::exists(dir / "a/seed1.json"));
  check_folder(request({1}, "2"));
}

TEST_F(Folder, ACellGoesOnInAnotherPlace) {
  const Request begun = request({1, 2});
  open_folder(begun);
  finish("a/seed1");
  finish("a/seed2");
  const Request now = request({1}, "1", {}, "cuda");
  check_folder(now);
  open_folder(now);
  EXPECT_EQ(read_file(dir / "a/seed1.yaml"), config::to_text(begun.cells.front().experiment))
      << "where its figures were made";
  EXPECT_EQ(read_file(dir / "b/seed1.yaml"), config::to_text(now.cells.back().experiment));
  EXPECT_EQ(names(now), (Names{"a/seed1", "a/seed2", "b/seed1"}));
}

TEST_F(Folder, ACellOfAnUnknownExperimentIsRefusedByItsName) {
  dir.write("sweep.yaml", "");
  dir.write("a/seed1.yaml", "{}");
  test::expect_error([&] { check_folder(request({1})); },
                     "a/seed1.yaml: was begun with other options: train: is needed");
}

// In the order in which the files of a cell go.
TEST_F(Folder, OfARerunCellTheFiguresGoFirstAndTheExperimentLast) {
  open_folder(request({1}));
  finish("a/seed1");
  dir.write("a/seed1/config.yaml", "");
  dir.write("a/seed1.log", "");
  const int events = ::inotify_init1(IN_NONBLOCK);
  ASSERT_GE(::inotify_add_watch(events, (dir / "a").c_str(), IN_DELETE), 0);
  open_folder(request({1}, "2", {"a"}));
  alignas(inotify_event) char bytes[4096];
  const ssize_t size = ::read(events, bytes, sizeof(bytes));
  ::close(events);
  Names gone;
  for (ssize_t at = 0; at < size;) {
    const auto* event = reinterpret_cast<const inotify_event*>(bytes + at);
    gone.emplace_back(event->name);
    at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
  }
  EXPECT_EQ(gone, (Names{"seed1.json", "seed1", "seed1.log", "seed1.yaml"}));
}

TEST_F(Folder, OneOfSomethingElseIsRefused) {
  dir.write("sweep.yaml.tmp", "");  // of a sweep that was killed
  check_folder(request({1}));
  dir.write("notes.txt", "");
  test::expect_error([&] { check_folder(request({1})); }, "holds something else (notes.txt)");
  dir.write("sweep.yaml", "");
  check_folder(request({1}));
}

TEST_F(Folder, ARerunOfNoCellIsRefused) {
  check_rerun(request({1}, "1", {"a", "b/seed1"}));
  test::expect_error([&] { check_rerun(request({1}, "1", {"a/seed2"})); },
                     "--rerun a/seed2: the sweep has no such cell");
}

}  // namespace
}  // namespace vtr::sweep
