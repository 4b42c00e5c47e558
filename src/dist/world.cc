#include "vtr/dist/world.h"

#include "vtr/core/error.h"

#include <charconv>
#include <cstdlib>
#include <optional>

namespace vtr::dist {
namespace {

constexpr int64_t kFirstPort = 15000,
                  kPorts = 15000;  // of SLURM's jobs, below those lent to clients

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value && *value ? std::optional<std::string>(value) : std::nullopt;
}

std::string needed(const char* name, const char* given) {
  const auto value = variable(name);
  VTR_CHECK(value,
            "{} is set but {} is not: processes of one job need RANK, WORLD_SIZE, "
            "MASTER_ADDR and MASTER_PORT (torchrun sets them)",
            given, name);
  return *value;
}

int64_t whole(const char* name, const std::string& text, int64_t min, int64_t max) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  VTR_CHECK(
      error == std::errc() && end == text.data() + text.size() && value >= min && value <= max,
      "{}: '{}' is no whole number from {} to {}", name, text, min, max);
  return value;
}

int64_t whole_or(const char* name, int64_t min, int64_t max, int64_t otherwise) {
  const auto text = variable(name);
  return text ? whole(name, *text, min, max) : otherwise;
}

constexpr int64_t kMost = 1 << 20, kMostPort = 65535;

// Of the step, which may have a part of the job's alone.
std::string slurm_nodes() {
  const auto step = variable("SLURM_STEP_NODELIST");
  return step ? *step : needed("SLURM_JOB_NODELIST", "SLURM_STEP_ID");
}

World of_slurm() {
  World world;
  world.by_srun = true;
  world.size = whole("SLURM_NTASKS", needed("SLURM_NTASKS", "SLURM_STEP_ID"), 1, kMost);
  if (world.size == 1) return world;
  world.rank = whole("SLURM_PROCID", needed("SLURM_PROCID", "SLURM_STEP_ID"), 0, world.size - 1);
  world.local_rank = whole_or("SLURM_LOCALID", 0, kMost, 0);
  // "4(x2),3": the first number, and no machine has more.
  const std::string tasks = variable("SLURM_STEP_TASKS_PER_NODE").value_or("1");
  world.local_size =
      whole("SLURM_STEP_TASKS_PER_NODE", tasks.substr(0, tasks.find_first_of("(,")), 1, kMost);
  world.host = variable("MASTER_ADDR").value_or(first_host(slurm_nodes()));
  const int64_t job = whole_or("SLURM_JOB_ID", 0, INT64_MAX, 0);
  world.port = whole_or("MASTER_PORT", 1, kMostPort, kFirstPort + job % kPorts);
  return world;
}

World of_variables() {
  World world;
  world.size = whole("WORLD_SIZE", needed("WORLD_SIZE", "RANK"), 1, kMost);
  world.rank = whole("RANK", needed("RANK", "WORLD_SIZE"), 0, world.size - 1);
  if (world.size == 1 && !variable("MASTER_ADDR")) return world;
  world.local_rank = whole_or("LOCAL_RANK", 0, kMost, world.rank);
  world.local_size = whole_or("LOCAL_WORLD_SIZE", 1, kMost, world.size);
  world.host = needed("MASTER_ADDR", "WORLD_SIZE");
  world.port = whole("MASTER_PORT", needed("MASTER_PORT", "WORLD_SIZE"), 1, kMostPort);
  return world;
}

}  // namespace

World World::of_environment() {
  World world;
  if (variable("RANK") || variable("WORLD_SIZE")) {
    world = of_variables();
  } else if (variable("SLURM_STEP_ID")) {  // of srun; a batch script by itself is one process
    world = of_slurm();
  }
  const bool launcher = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
  world.hosts_store = !world.host.empty() && world.rank == 0 && !launcher;
  world.attempt = variable("TORCHELASTIC_RESTART_COUNT").value_or("0");
  return world;
}

std::string first_host(const std::string& list) {
  const size_t open = list.find_first_of("[,");
  if (open == std::string::npos || list[open] == ',') return list.substr(0, open);
  const size_t close = list.find(']', open);
  VTR_CHECK(close != std::string::npos, "SLURM's list of nodes: '{}' has no end of its bracket",
            list);
  const size_t end = list.find_first_of(",-]", open);
  const size_t after = list.find(',', close);
  return list.substr(0, open) + list.substr(open + 1, end - open - 1) +
         list.substr(close + 1, after == std::string::npos ? after : after - close - 1);
}

}  // namespace vtr::dist
