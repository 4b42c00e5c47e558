// The commands that several processes can do together, whoever launches them (vtr/dist/world.h).
#pragma once

#include "vtr/dist/group.h"

#include <chrono>
#include <functional>
#include <string>

namespace vtr::cli {

// Runs `work` in this process of the job; a process alone is a job, too. The first process writes,
// the others only warn. What one throws ends all.
int as_job(std::chrono::seconds limit, const std::function<int(dist::Group&)>& work);

// The device of this process: where there are several, each has a GPU of its machine for itself,
// unless one is named by its number. Loads CUDA's libraries where they are needed.
std::string own_device(const std::string& device, const dist::Group& group);

}  // namespace vtr::cli
