#include "experiment.h"
#include "parts.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

namespace vtr::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Flags : ConfigFlags {
  std::string split = "test", json;
  int64_t batch = 32, repeat = 5;
  bool decode = false;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

struct Pass {
  int64_t videos = 0, skipped = 0, bytes = 0;  // bytes: of the frames handed on
  double seconds = 0;
};

// Every video once, as evaluation reads them.
Pass read_all(const data::Manifest& manifest, const data::LoaderSettings& settings, int64_t batch) {
  Pass pass;
  const auto start = Clock::now();
  data::VideoLoader loader(manifest, settings, batch);
  while (const auto videos = loader.next()) {
    pass.videos += videos->pixels.size(0);
    pass.bytes += videos->pixels.numel();
  }
  pass.seconds = seconds_since(start);
  pass.skipped = std::ssize(loader.skipped());
  VTR_CHECK(pass.videos > 0, "{}: no video can be read", manifest.name);
  return pass;
}

// Bytes a second of reading the store's files from first to last, a megabyte at a time.
double plain_read(const fs::path& folder) {
  std::vector<char> buffer(1 << 20);
  int64_t bytes = 0;
  const auto start = Clock::now();
  for (const auto& file : fs::directory_iterator(folder)) {
    if (file.path().extension() != ".bin") continue;
    const int fd = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
    VTR_CHECK(fd >= 0, "{}: cannot be opened", file.path().string());
    for (ssize_t n = 0; (n = ::read(fd, buffer.data(), buffer.size())) > 0;) bytes += n;
    ::close(fd);
  }
  return static_cast<double>(bytes) / seconds_since(start);
}

int bench_loader(const Flags& flags) {
  auto experiment = read_experiment(flags.config, flags.overrides);
  VTR_CHECK(experiment.data.features.empty(),
            "data.features: bench loader times frames, decoded or read from data.store, and reads "
            "no features; leave it empty");
  resolve_inputs(experiment, /*read_weights=*/true);
  auto settings = loader_settings(experiment, *build_model(experiment, /*load_weights=*/false));
  const auto manifest =
      data::read_split(experiment.data, data::split_named(flags.split), settings.seed);
  const bool packed = settings.store != nullptr;
  std::vector<double> rates, plain;
  double first_rate = 0;
  Pass pass;
  // In turns, so that what else the machine does meets both; the first warms the cache and
  // verifies.
  for (int64_t i = -1; i < flags.repeat; ++i) {
    const double bytes_per_second = packed ? plain_read(settings.data.store) : 0;
    pass = read_all(manifest, settings, flags.batch);
    const double now = static_cast<double>(pass.videos) / pass.seconds;
    if (i < 0) {
      first_rate = now;
      continue;
    }
    rates.push_back(now);
    plain.push_back(bytes_per_second);
  }
  const double rate = median(rates);
  const double bytes = rate * static_cast<double>(pass.bytes) / static_cast<double>(pass.videos);
  report::Record record = {{"source", std::string(packed ? "store" : "decode")},
                           {"videos", pass.videos},
                           {"skipped", std::ssize(manifest.skipped) + pass.skipped},
                           {"frames", settings.video.frames},
                           {"resolution", settings.resolution},
                           {"first_pass_videos_per_second", first_rate},
                           {"videos_per_second", rate},
                           {"bytes_per_second", bytes}};
  if (packed) {
    record.emplace_back("plain_read_bytes_per_second", median(plain));
    record.emplace_back("of_plain_read", bytes / median(plain));
  }
  if (packed && flags.decode) {
    settings.store.reset();
    const Pass decoded = read_all(manifest, settings, flags.batch);
    const double decode_rate = static_cast<double>(decoded.videos) / decoded.seconds;
    record.emplace_back("decode_videos_per_second", decode_rate);
    record.emplace_back("of_decode", rate / decode_rate);
  }
  print_record(record, flags.json);
  return 0;
}

}  // namespace

Action add_bench_loader(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->add(app);
  app.add_option("--split", flags->split, "train, val or test")
      ->check(CLI::IsMember({"train", "val", "test"}))
      ->capture_default_str();
  app.add_option("--batch", flags->batch, "videos")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--repeat", flags->repeat, "passes over the split; the median counts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--decode", flags->decode,
               "with data.store: decode the videos once too, to compare");
  app.add_option("--json", flags->json, "write it there too, as an object");
  return [flags] { return bench_loader(*flags); };
}

}  // namespace vtr::cli
