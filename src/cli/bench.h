// The benchmarks, a file each.
#pragma once

#include "commands.h"

#include "vtr/report/run.h"

namespace vtr::cli {

// A line a value, and where `json` is not "" an object there.
void print_record(const report::Record& record, const std::string& json);

Action add_bench_score(CLI::App& app);
Action add_bench_decode(CLI::App& app);

}  // namespace vtr::cli
