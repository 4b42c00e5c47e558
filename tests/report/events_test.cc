#include "vtr/report/events.h"

#include "support/temp_dir.h"

#include "vtr/core/error.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace vtr::report {
namespace {

std::string hex(const std::string& bytes) {
  return fmt::format("{:02x}", fmt::join(std::vector<uint8_t>(bytes.begin(), bytes.end()), ""));
}

std::vector<std::string> names(const fs::path& folder) {
  std::vector<std::string> result;
  for (const auto& entry : fs::directory_iterator(folder)) {
    result.push_back(entry.path().filename().string());
  }
  std::sort(result.begin(), result.end());
  return result;
}

// The events of a file, without their times and the records around them.
std::vector<std::string> contents(const fs::path& file) {
  const std::string bytes = read_file(file);
  std::vector<std::string> events;
  for (size_t at = 0; at < bytes.size();) {
    uint64_t size = 0;
    std::memcpy(&size, &bytes[at], sizeof size);
    const std::string event = bytes.substr(at + 12, size);
    const std::string record = event_record(event);
    EXPECT_EQ(hex(bytes.substr(at, record.size())), hex(record));
    EXPECT_EQ(event[0], 0x09) << "the time, a double";
    events.push_back(hex(event.substr(9)));
    at += record.size();
  }
  return events;
}

// The bytes that TensorBoard's own writer (2.21.0) makes of the same events.
TEST(EventLog, WritesTensorBoardsBytes) {
  const std::string scalars = "10ac022a140a080a016115000020400a080a016215000080bf";
  std::string event;
  for (size_t i = 0; i < scalars.size(); i += 2) {
    event += static_cast<char>(std::stoi(scalars.substr(i, 2), nullptr, 16));
  }
  EXPECT_EQ(hex(event_record(event)), "19000000000000008bf10828" + scalars + "515746ce");
  const test::TempDir run;
  EventLog(run.path(), 20).add(300, {{"a", 2.5}, {"b", -1}});
  EXPECT_EQ(contents(run / "events.out.tfevents.0000000020.vtr"),
            (std::vector<std::string>{"1014"
                                      "1a0d627261696e2e4576656e743a32",
                                      "1015"
                                      "3a020801",
                                      scalars}));
}

TEST(EventLog, AResumedRunReplacesTheFilesOfLaterSteps) {
  const test::TempDir run;
  for (const int64_t step : {0, 20, 30, 20}) EventLog(run.path(), step).add(step + 1, {{"a", 1}});
  EXPECT_EQ(names(run.path()), (std::vector<std::string>{"events.out.tfevents.0000000000.vtr",
                                                         "events.out.tfevents.0000000020.vtr"}));
}

TEST(EventLog, AHistogramOfNothingIsNotWritten) {
  const test::TempDir run;
  EventLog log(run.path(), 0);
  const auto size = [&] { return fs::file_size(run / "events.out.tfevents.0000000000.vtr"); };
  const auto before = size();
  log.add_histogram(1, "h", {-INFINITY, NAN});
  EXPECT_EQ(size(), before);
  log.add_histogram(1, "h", {-INFINITY, 2, 2});
  EXPECT_GT(size(), before);
}

}  // namespace
}  // namespace vtr::report
