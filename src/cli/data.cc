#include "parts.h"

#include "vtr/core/log.h"
#include "vtr/data/shapes.h"

#include <chrono>
#include <memory>

namespace vtr::cli {
namespace {

struct Flags {
  std::string out;
  StructFlags<data::ShapesOptions> options;
};

Action add_make_shapes(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("--out", flags->out, "folder to write")->required();
  flags->options.add(app);
  return [flags] {
    const auto options = flags->options.read();
    const auto start = std::chrono::steady_clock::now();
    data::make_shapes(flags->out, options);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    log::info("[data] {}: {} training and {} test videos in {:.0f} s", flags->out, options.train,
              options.test, seconds.count());
    return 0;
  };
}

Action add(CLI::App& app) {
  return add_subcommands(
      app,
      {{"check", "look through annotations and videos before anything is trained", add_data_check},
       {"make-shapes", "write the generated benchmark, in MSR-VTT's formats", add_make_shapes},
       {"pack", "decode the sampled frames of the splits once, into a frame store",
        add_data_pack}});
}

}  // namespace

Command data_command() { return {"data", "check data, make data", add}; }

}  // namespace vtr::cli
