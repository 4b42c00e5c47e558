#include "vtr/sweep/sweep.h"

#include "board.h"
#include "folder.h"
#include "runner.h"
#include "share.h"
#include "summary.h"

#include "vtr/core/cores.h"
#include "vtr/core/log.h"

#include <algorithm>
#include <chrono>

namespace vtr::sweep {
namespace {

constexpr std::chrono::seconds kTellEvery{30};  // how far the shared stores are

std::vector<Result> read_results(const Request& request) {
  std::vector<Result> results;
  for (const auto& cell : request.cells) {
    results.push_back(
        {cell, read_figures(file_of(request.folder, cell, ".json"), request.options.evaluate), ""});
  }
  return results;
}

Job cell_job(const Request& request, const Cell& cell) {
  const auto path = [&](const char* extension) {
    return file_of(request.folder, cell, extension).string();
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
  return {.slots = slots,
          .retries = request.options.retries,
          .devices = request.devices,
          .threads = slots > 1 ? std::max<int64_t>(1, cores() / slots) : 0};
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
          read_figures(file_of(request.folder, result.cell, ".json"), request.options.evaluate);
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

Ending run(const Request& asked, const Extras& extras) {
  check_rerun(asked);
  fs::create_directories(asked.folder);
  const FolderLock lock(asked.folder);
  check_folder(asked);
  open_folder(asked);
  Request request = asked;
  request.cells = with_finished(asked);
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
