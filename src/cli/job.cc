#include "job.h"

#include "vtr/core/log.h"
#include "vtr/models/device.h"

#include <fmt/format.h>

namespace vtr::cli {

int as_job(std::chrono::seconds limit, const std::function<int(dist::Group&)>& work) {
  dist::Group group(dist::World::of_environment(), limit);
  if (group.rank() != 0 && log::shows(log::Level::info)) log::set_level("warning");
  try {
    return work(group);
  } catch (const std::exception& error) {
    group.fail(error.what());
    throw;
  }
}

std::string own_device(const std::string& device, const dist::Group& group) {
  const bool is_gpu = models::open_device(device).is_cuda();
  if (!is_gpu || group.alone() || device.starts_with("cuda:")) return device;
  return fmt::format("cuda:{}", group.local_rank());
}

}  // namespace vtr::cli
