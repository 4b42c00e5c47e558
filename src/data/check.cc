#include "vtr/data/check.h"

#include "datasets/annotations.h"
#include "worker_pool.h"

#include "vtr/core/error.h"
#include "vtr/video/probe.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>

namespace vtr::data {
namespace {

constexpr int64_t kSmall = 32;  // resolution

// A problem of one video, without its split and name.
struct Finding {
  std::string reason, message;
  bool fatal = false;
};

Finding fault(video::Fault kind, const fs::path& path) {
  return {video::fault_name(kind), fmt::format("{}: {}", path.string(), video::fault_name(kind)),
          true};
}

// Frames in the part of the file that is meant; of the whole file where no rate is stated.
int64_t frames_of(const video::Info& info, const Record& record) {
  if (info.fps <= 0 || (record.end <= 0 && record.start <= 0)) return info.frames;
  const double end = record.end > 0 ? std::min(record.end, info.seconds) : info.seconds;
  return std::llround(std::max(0.0, end - record.start) * info.fps);
}

std::vector<Finding> told(const video::Info& info, const Record& record, int64_t wanted) {
  std::vector<Finding> findings;
  const std::string file = record.path.string();
  if (info.fps <= 0) findings.push_back({"zero fps", file + ": no frame rate is stated"});
  if (record.start >= info.seconds && record.start > 0) {
    findings.push_back({video::fault_name(video::Fault::no_frames),
                        fmt::format("{}: no frame from {} s on, it ends at {:.2f} s (check the "
                                    "annotation)",
                                    file, record.start, info.seconds),
                        true});
  } else if (const int64_t frames = frames_of(info, record); frames < wanted) {
    findings.push_back({"short", fmt::format("{}: {} frames, and video.frames is {}: the last is "
                                             "repeated",
                                             file, frames, wanted)});
  }
  return findings;
}

class Examiner {
 public:
  Examiner(const DataOptions& data, const video::VideoOptions& video, const CheckOptions& options)
      : limit_(data.decode_seconds),
        video_(video),
        depth_(options.depth),
        strict_(options.strict) {}

  std::vector<Finding> operator()(const Record& record) const {
    try {
      return examine(record);
    } catch (const video::VideoError& error) {
      return {{video::fault_name(error.fault()), error.what(), true}};
    } catch (const std::exception& error) {
      return {{video::fault_name(video::Fault::unreadable), error.what(), true}};
    }
  }

 private:
  std::vector<Finding> examine(const Record& record) const {
    if (depth_ == CheckDepth::files) {
      if (!fs::is_regular_file(record.path)) return {fault(video::Fault::missing, record.path)};
      if (fs::file_size(record.path) == 0) return {fault(video::Fault::empty, record.path)};
      return {};
    }
    const video::Info info = video::probe(record.path, limit_);
    auto findings = told(info, record, video_.frames);
    if (depth_ == CheckDepth::decode) {
      read(record);
      // A whole file may take long, but not longer than it plays.
      const double limit = limit_ > 0 ? std::max(limit_, info.seconds) : 0;
      if (const int64_t damaged = video::count_damage(record.path, limit); damaged > 0) {
        findings.push_back(
            {"damaged",
             fmt::format("{}: {} of its {} packets", record.path.string(), damaged, info.frames),
             strict_ && record.start == 0 && record.end == 0});
      }
    }
    return findings;
  }

  // As evaluation will, of a size nobody looks at.
  void read(const Record& record) const {
    auto request = video_.evaluation(kSmall);
    request.start = record.start;
    request.end = record.end;
    request.time_limit = limit_;
    video::read_frames(record.path, request);
  }

  const double limit_;
  const video::VideoOptions& video_;
  const CheckDepth depth_;
  const bool strict_;
};

// Runs `work` on 0..count-1 with data.workers threads; returns when all are done.
void for_each(size_t count, int64_t workers, const std::function<void(size_t)>& work,
              const std::function<void(int64_t)>& progress) {
  std::mutex mutex;
  std::condition_variable done;
  size_t left = count;
  WorkerPool pool(workers);
  for (size_t i = 0; i < count; ++i) {
    pool.submit([&, i] {
      work(i);
      const std::lock_guard lock(mutex);
      if (progress) progress(static_cast<int64_t>(count));
      if (--left == 0) done.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  done.wait(lock, [&] { return left == 0; });
}

SplitCheck summary(const std::string& split, const Manifest& manifest, const std::string& error) {
  SplitCheck result{.split = split,
                    .name = manifest.name,
                    .error = error,
                    .videos = static_cast<int64_t>(manifest.videos.size()),
                    .captions = manifest.captions(),
                    .skipped = std::ssize(manifest.skipped),
                    .notes = manifest.notes,
                    .sources = manifest.sources};
  for (const auto& video : manifest.videos) {
    const auto count = static_cast<int64_t>(video.captions.size());
    result.fewest = result.fewest == 0 ? count : std::min(result.fewest, count);
    result.most = std::max(result.most, count);
  }
  return result;
}

// Finds videos that an earlier split has too, by id or by file and part.
class Seen {
 public:
  std::optional<Finding> meet(const Record& video, const std::string& split) {
    const std::string part = fmt::format("{} {} {}", video.path.string(), video.start, video.end);
    const auto [id, new_id] = ids_.try_emplace(video.id, split);
    const auto [file, new_file] = files_.try_emplace(part, split);
    if (!new_id && id->second != split) {
      return Finding{"in two splits", fmt::format("{}: is in {} too", video.id, id->second)};
    }
    if (!new_file && file->second != split) {
      return Finding{"file in two splits", fmt::format("{}: is in {} too, called otherwise",
                                                       video.path.string(), file->second)};
    }
    return std::nullopt;
  }

 private:
  std::unordered_map<std::string, std::string> ids_, files_;
};

// Reads the splits' annotations; one manifest a split of the report.
std::vector<Manifest> read_all(const DataOptions& data, uint64_t seed, CheckReport& report) {
  std::vector<Manifest> manifests;
  const std::vector<std::pair<std::string, Split>> splits = {
      {"train", Split::train}, {"val", Split::val}, {"test", Split::test}};
  for (const auto& [name, split] : splits) {
    Manifest manifest;
    std::string error;
    try {
      manifest = read_annotations(data, split, seed);
      if (manifest.name.empty()) continue;  // there is no validation split
    } catch (const Error& caught) {
      error = caught.what();
    }
    report.splits.push_back(summary(name, manifest, error));
    manifests.push_back(std::move(manifest));
  }
  return manifests;
}

// What data.skip_list holds, and which of it no split has: another data set's ids, or misspelt
// ones.
void read_listed(const DataOptions& data, const std::vector<Manifest>& manifests,
                 CheckReport& report) {
  if (data.skip_list.empty()) return;
  const auto ids = read_skip_list(data.skip_list);
  report.listed.insert(ids.begin(), ids.end());
  const bool all_read = std::ranges::all_of(report.splits, &std::string::empty, &SplitCheck::error);
  if (!all_read) return;
  std::set<std::string> left = report.listed;
  for (const auto& manifest : manifests) {
    for (const auto& id : manifest.skipped) left.erase(id);
  }
  report.unknown.assign(left.begin(), left.end());
}

}  // namespace

bool CheckReport::shrinks() const {
  return std::any_of(splits.begin(), splits.end(), [](const SplitCheck& split) {
    return !split.error.empty() || split.unusable > 0;
  });
}

std::string CheckReport::fix_list() const {
  std::string text;
  std::set<std::string> told;
  for (const auto& id : listed) {
    told.insert(id);
    text += id + "\tlisted before\n";
  }
  for (const auto& problem : problems) {
    if (problem.fatal && told.insert(problem.id).second) {
      text += problem.id + "\t" + problem.reason + "\n";
    }
  }
  return text;
}

CheckReport check(const DataOptions& data, const video::VideoOptions& video,
                  const CheckOptions& options) {
  root_folder(data);
  CheckReport report;
  const auto manifests = read_all(data, options.seed, report);
  std::vector<std::pair<size_t, const Record*>> videos;  // of which split
  for (size_t i = 0; i < manifests.size(); ++i) {
    for (const auto& record : manifests[i].videos) videos.emplace_back(i, &record);
  }
  read_listed(data, manifests, report);
  std::vector<std::vector<Finding>> findings(videos.size());
  const Examiner examine(data, video, options);
  for_each(
      videos.size(), data.workers, [&](size_t i) { findings[i] = examine(*videos[i].second); },
      options.progress);
  Seen seen;
  for (size_t i = 0; i < videos.size(); ++i) {
    const auto& [place, record] = videos[i];
    SplitCheck& split = report.splits[place];
    if (auto twice = seen.meet(*record, split.split)) findings[i].push_back(std::move(*twice));
    for (auto& [reason, message, fatal] : findings[i]) {
      split.unusable += fatal ? 1 : 0;
      report.problems.push_back({split.split, record->id, record->path, reason, message, fatal});
    }
  }
  return report;
}

}  // namespace vtr::data
