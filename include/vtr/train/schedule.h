// The learning rate over a run: a factor on the peak rates, step by step.
//
//   Schedule schedule = make_schedule({"cosine", {}}, {.steps = 1000, .epoch = 200});
//   double factor = schedule(0);
#pragma once

#include "vtr/config/options.h"
#include "vtr/core/table.h"

#include <functional>
#include <string>

namespace vtr::train {

struct RunLength {
  int64_t steps = 1;  // in all
  int64_t epoch = 1;  // of an epoch
};

using Schedule = std::function<double(int64_t step)>;  // steps from 0

struct ScheduleEntry {
  std::string name, summary;
  config::Schema schema;
  std::function<Schedule(const config::Node& options, const RunLength& run)> make;
};

const Table<ScheduleEntry>& schedules();
Schedule make_schedule(const config::Choice& choice, const RunLength& run);

}  // namespace vtr::train
