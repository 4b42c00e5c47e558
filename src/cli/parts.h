// The parts of `vtr data` and `vtr bench` that have files of their own.
#pragma once

#include "commands.h"

namespace vtr::cli {

Action add_data_check(CLI::App& app);
Action add_data_pack(CLI::App& app);
Action add_bench_decode(CLI::App& app);
Action add_bench_loader(CLI::App& app);
Action add_bench_score(CLI::App& app);
Action add_bench_step(CLI::App& app);
Action add_bench_encode(CLI::App& app);

}  // namespace vtr::cli
