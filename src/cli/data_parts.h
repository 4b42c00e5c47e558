// The parts of `vtr data` and `vtr bench` that have files of their own.
#pragma once

#include "commands.h"

#include "vtr/data/manifest.h"

namespace vtr::cli {

Action add_pack(CLI::App& app);          // vtr data pack
Action add_bench_loader(CLI::App& app);  // vtr bench loader

data::Split split_named(const std::string& name);  // "train", "val" or "test"; throws Error

}  // namespace vtr::cli
