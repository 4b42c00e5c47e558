#include "vtr/sweep/sweep.h"

#include "board.h"
#include "runner.h"
#include "share.h"
#include "summary.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/core/log.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace vtr::sweep {
namespace {

constexpr std::chrono::seconds kTellEvery{30};  // how far the shared stores are

// Where a cell's things are: `seed1` is the run.
fs::path file_of(const Request& request, const Cell& cell, const char* extension) {
  return request.folder / (cell.name() + extension);
}

void throw_away(const Request& request) {
  for (const auto& name : request.rerun) {
    bool known = false;
    for (const auto& cell : request.cells) {
      if (cell.variant != name && cell.name() != name) continue;
      known = true;
      for (const char* extension : {"", ".yaml", ".log", ".json"}) {
        fs::remove_all(file_of(request, cell, extension));
      }
    }
    VTR_CHECK(known, "--rerun {}: the sweep has no such cell", name);
  }
}

// A cell that was begun as another experiment is never taken for this one.
void open_cells(const Request& request) {
  for (const auto& cell : request.cells) {
    const fs::path file = file_of(request, cell, ".yaml");
    const std::string text = config::to_text(cell.experiment);
    if (!fs::exists(file)) {
      fs::create_directories(file.parent_path());
      write_file(file, text);
      continue;
    }
    if (read_file(file) == text) continue;
    throw Error(fmt::format(
        "{}: was begun with other options: {}, first then, then now; --rerun {} does it anew, or "
        "give another --out",
        file.string(), first_difference(config::load(file.string()), cell.experiment),
        cell.variant));
  }
}

std::vector<Result> read_results(const Request& request) {
  std::vector<Result> results;
  for (const auto& cell : request.cells) {
    results.push_back(
        {cell, read_figures(file_of(request, cell, ".json"), request.options.evaluate), ""});
  }
  return results;
}

Job cell_job(const Request& request, const Cell& cell) {
  const auto path = [&](const char* extension) {
    return file_of(request, cell, extension).string();
  };
  std::vector<std::string> evaluation = {"eval", "--run", path(""), "--json", path(".json")};
  for (const auto& split : request.options.evaluate) {
    evaluation.insert(evaluation.end(), {"--split", split});
  }
  return {
      .name = cell.name(),
      .commands = {{"train", "--config", path(".yaml"), "--run", path(""), "--resume"}, evaluation},
      .log = path(".log")};
}

RunnerOptions runner_options(const Request& request) {
  const auto gpus = static_cast<int64_t>(request.devices.size());
  const int64_t slots =
      request.options.jobs > 0 ? request.options.jobs : std::max<int64_t>(1, gpus);
  const auto cores = static_cast<int64_t>(std::thread::hardware_concurrency());
  return {.slots = slots,
          .retries = request.options.retries,
          .devices = request.devices,
          .threads = slots > 1 ? std::max<int64_t>(1, cores / slots) : 0};
}

// Makes what cells share, and tells them where it is. What fails takes its cells with it.
int make_stores(const Request& request, const Extras& extras, const RunnerOptions& options,
                std::vector<Job>& jobs) {
  std::vector<size_t> wanted;
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (jobs[i].state == State::waiting) wanted.push_back(i);
  }
  const auto stores = shared_stores(request, wanted, extras);
  std::vector<Job> makers;
  for (const auto& store : stores) {
    log::info("[sweep] {}: for {} cells", store.job.name, store.cells.size());
    fs::create_directories(store.file.parent_path());
    write_file(store.file, store.experiment);
    makers.push_back(store.job);
  }
  Runner runner(makers, options);
  const auto tell = [&, told = std::chrono::steady_clock::now()]() mutable {
    if (std::chrono::steady_clock::now() - told < kTellEvery) return;
    told = std::chrono::steady_clock::now();
    for (const auto& job : runner.jobs()) {
      if (job.state == State::running) log::info("[sweep] {}: {}", job.name, last_words(job.log));
    }
  };
  if (const int signal = runner.run(tell)) return signal;
  for (size_t i = 0; i < stores.size(); ++i) {
    const Job& made = runner.jobs()[i];
    for (const size_t cell : stores[i].cells) {
      jobs[cell].commands.front().push_back(stores[i].option);
      if (made.state != State::failed) continue;
      jobs[cell].state = State::failed;
      jobs[cell].error =
          fmt::format("{} failed: {} ({})", made.name, made.error, made.log.string());
    }
  }
  return 0;
}

// Takes in what has ended since; whether anything has.
bool take_in(const Request& request, const std::vector<Job>& jobs, std::vector<Result>& results) {
  bool changed = false;
  for (size_t i = 0; i < jobs.size(); ++i) {
    Result& result = results[i];
    if (jobs[i].state == State::finished && result.figures.empty()) {
      result.figures =
          read_figures(file_of(request, result.cell, ".json"), request.options.evaluate);
      changed = true;
    }
    if (jobs[i].state == State::failed && result.error.empty()) {
      result.error = fmt::format("{} ({})", jobs[i].error, jobs[i].log.string());
      changed = true;
    }
  }
  return changed;
}

}  // namespace

Ending run(const Request& request, const Extras& extras) {
  fs::create_directories(request.folder);
  const FolderLock lock(request.folder);
  throw_away(request);
  open_cells(request);
  write_file(request.folder / "sweep.yaml", config::to_text(config::write(request.options)));
  auto results = read_results(request);
  std::vector<Job> jobs;
  for (const auto& result : results) {
    jobs.push_back(cell_job(request, result.cell));
    if (!result.figures.empty()) jobs.back().state = State::finished;
  }
  const auto options = runner_options(request);
  int signal = make_stores(request, extras, options, jobs);
  if (signal == 0) {
    Runner runner(jobs, options);
    Board board(request.folder, jobs, options.slots);
    signal = runner.run([&] {
      if (take_in(request, runner.jobs(), results)) {
        write_results(request.folder, request.options, results);
      }
      board.show(runner.jobs(), results);
    });
  }
  write_results(request.folder, request.options, results);
  const auto failed = std::ranges::count_if(results, [](auto& r) { return !r.error.empty(); });
  return {signal, failed, table_text(request.options, results)};
}

}  // namespace vtr::sweep
