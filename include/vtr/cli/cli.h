// The program: a table of commands.
#pragma once

#include <string>
#include <vector>

namespace vtr::cli {

// Runs a command line and returns the exit code: 0, 1 failed, 2 wrong usage, 143 saved and stopped
// by SIGTERM. Prints one line `vtr: ...` for an Error.
int main(int argc, char** argv);

// The same, for tests: run({"train", "--config", "shapes.yaml"}).
int run(std::vector<std::string> arguments);

}  // namespace vtr::cli
