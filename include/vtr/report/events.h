// Event files that TensorBoard reads: events.out.tfevents.* in a run's folder.
// Records: https://www.tensorflow.org/tutorials/load_data/tfrecord; the messages are those of
// tensorboard/compat/proto/{event,summary}.proto, so few that they are put down by hand.
//
//   EventLog log("runs/a", 0);
//   log.add(10, {{"train/loss", 3.2}});
#pragma once

#include "vtr/core/files.h"

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vtr::report {

class EventLog {
 public:
  // Goes on after `last_step`: what earlier files hold of later steps no longer counts.
  EventLog(const fs::path& folder, int64_t last_step);
  void add(int64_t step, const std::vector<std::pair<std::string, double>>& scalars);
  void add_histogram(int64_t step, const std::string& tag, std::vector<double> values);

 private:
  void write(int64_t step, std::string_view content);  // content: the event's other fields

  fs::path path_;
  std::ofstream out_;
};

// As they lie in the file: a record around an event's bytes.
std::string event_record(std::string_view event);

}  // namespace vtr::report
