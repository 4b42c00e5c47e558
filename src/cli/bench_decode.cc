#include "parts.h"

#include "vtr/core/cores.h"
#include "vtr/core/error.h"
#include "vtr/core/files.h"
#include "vtr/report/run.h"
#include "vtr/video/frames.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>

namespace vtr::cli {
namespace {

struct Flags {
  std::string folder, json;
  int64_t frames = 12, resolution = 224, threads = 0, repeat = 3;
};

std::vector<fs::path> files_in(const fs::path& folder) {
  VTR_CHECK(fs::is_directory(folder), "{}: no such folder", folder.string());
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  VTR_CHECK(!files.empty(), "{}: there is no file in it", folder.string());
  std::sort(files.begin(), files.end());
  return files;
}

// Reads every file once, each thread the next that none has begun; the seconds it took. Throws the
// first error met.
double read_all(const std::vector<fs::path>& files, const video::Request& request,
                int64_t threads) {
  const auto start = std::chrono::steady_clock::now();
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr error;
  {
    std::vector<std::jthread> workers;
    for (int64_t i = 0; i < threads; ++i) {
      workers.emplace_back([&] {
        try {
          for (size_t file = next++; file < files.size(); file = next++) {
            video::read_frames(files[file], request);
          }
        } catch (...) {
          next = files.size();
          const std::lock_guard lock(mutex);
          error = std::current_exception();
        }
      });
    }
  }
  if (error) std::rethrow_exception(error);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int bench_decode(const Flags& flags) {
  const auto files = files_in(flags.folder);
  const int64_t threads = flags.threads > 0 ? flags.threads : cores();
  const video::Request request{.frames = flags.frames, .resolution = flags.resolution};
  std::vector<double> seconds;
  for (int64_t i = 0; i < flags.repeat; ++i) seconds.push_back(read_all(files, request, threads));
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  int64_t bytes = 0;
  for (const auto& file : files) bytes += static_cast<int64_t>(fs::file_size(file));
  const auto videos = static_cast<double>(files.size());
  const report::Record record = {
      {"videos", std::ssize(files)},
      {"bytes", bytes},
      {"frames", flags.frames},
      {"resolution", flags.resolution},
      {"threads", threads},
      {"seconds", median},
      {"videos_per_second", videos / median},
      {"frames_per_second", videos * static_cast<double>(flags.frames) / median}};
  print_record(record, flags.json);
  return 0;
}

}  // namespace

Action add_bench_decode(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("folder", flags->folder, "every file in it is read")->required();
  const auto number = [&](const char* name, int64_t& value, const char* help) {
    app.add_option(name, value, help)->check(CLI::PositiveNumber)->capture_default_str();
  };
  number("--frames", flags->frames, "T, taken uniformly");
  number("--resolution", flags->resolution, "R");
  app.add_option("--threads", flags->threads, "one video each; 0: one per core")
      ->check(CLI::NonNegativeNumber);
  number("--repeat", flags->repeat, "runs; the median counts");
  app.add_option("--json", flags->json, "write it there too, as an object");
  return [flags] { return bench_decode(*flags); };
}

}  // namespace vtr::cli
