#include "datasets/published.h"

#include "datasets/annotations.h"
#include "datasets/video_index.h"

#include "vtr/core/error.h"

#include <algorithm>
#include <iterator>
#include <set>

namespace vtr::data {
namespace {

class Reading {
 public:
  Reading(const Published& dataset, const DataOptions& options, Split role,
          const std::string& split)
      : dataset_(dataset), split_(split), folders_{root_folder(options), {""}} {
    std::copy(dataset.places.begin(), dataset.places.end(), std::back_inserter(folders_.places));
    if (const std::string part = split + "-" + split_name(role); find_protocol(part)) split_ = part;
    result_.name = dataset.name + " " + split_;
    videos_ = video_folder(options, dataset.video_places);
  }

  Manifest run() {
    std::vector<Entry> entries = listed();
    if (std::any_of(entries.begin(), entries.end(),
                    [](const Entry& entry) { return entry.captions.empty(); })) {
      add_captions(entries);
    }
    if (dataset_.adjust) dataset_.adjust(folders_, split_, entries, result_);
    const VideoIndex index(videos_);
    std::set<std::string> seen;
    for (auto& entry : entries) {
      result_.videos.push_back(record(std::move(entry), index));
      const Record& added = result_.videos.back();
      VTR_CHECK(seen.insert(added.id).second, "{}: '{}' is there twice", entry.where, added.id);
    }
    return std::move(result_);
  }

 private:
  const Protocol* find_protocol(const std::string& name) const {
    const auto found = std::ranges::find(dataset_.protocols, name, &Protocol::name);
    return found == dataset_.protocols.end() ? nullptr : &*found;
  }
  fs::path find(const std::string& name) const {
    return find_annotation(folders_.root, folders_.places, name);
  }
  // The file, or the pickle it is made from, so that reading it says how.
  fs::path find_or_pickle(const std::string& name) const {
    const fs::path path = find(name);
    return path.empty() ? find(fs::path(name).replace_extension(".pkl").string()) : path;
  }
  std::string searched() const {
    return fmt::format("{} (looked there and in {})", folders_.root.string(),
                       fmt::join(dataset_.places, ", "));
  }

  // The videos of the split, from the first of its lists that is there; else from a file.
  std::vector<Entry> listed() {
    if (const Protocol* protocol = find_protocol(split_)) return listed(*protocol);
    resolve_inside(folders_.root, split_, "split");
    const fs::path path = find(split_);
    std::vector<std::string> names;
    for (const auto& entry : dataset_.protocols) names.push_back(entry.name);
    VTR_CHECK(!path.empty(), "split '{}': no {} in {} (and it is no protocol: {})", split_, split_,
              folders_.root.string(), fmt::join(names, ", "));
    return dataset_.read(path, result_.sources);
  }

  std::vector<Entry> listed(const Protocol& protocol) {
    std::vector<std::string> known;
    for (const auto& lists : protocol.lists) {
      std::vector<fs::path> paths;
      for (const auto& file : lists.files) paths.push_back(find_or_pickle(file));
      if (std::none_of(paths.begin(), paths.end(), [](const fs::path& p) { return p.empty(); })) {
        return listed(paths, lists.splits);
      }
      known.push_back(fmt::format("{}", fmt::join(lists.files, " + ")));
    }
    throw Error(fmt::format("split '{}': none of its files ({}) is in {}", split_,
                            fmt::join(known, "; or "), searched()));
  }

  std::vector<Entry> listed(const std::vector<fs::path>& paths,
                            const std::vector<std::string>& splits) {
    std::vector<Entry> entries;
    for (const auto& path : paths) {
      for (auto& entry : dataset_.read(path, result_.sources)) {
        const bool wanted =
            splits.empty() || std::find(splits.begin(), splits.end(), entry.split) != splits.end();
        if (wanted) entries.push_back(std::move(entry));
      }
    }
    return entries;
  }

  // Files of captions that are there: by name, or any with an ending ("*_titles.json").
  std::vector<fs::path> find_captions(const std::string& name) const {
    if (!name.starts_with('*')) {
      const fs::path path = find_or_pickle(name);
      return path.empty() ? std::vector<fs::path>() : std::vector{path};
    }
    std::set<fs::path> paths;
    for (const auto& place : folders_.places) {
      std::error_code error;
      for (const auto& file : fs::directory_iterator(folders_.root / place, error)) {
        if (file.path().string().ends_with(name.substr(1))) paths.insert(file.path());
      }
    }
    return {paths.begin(), paths.end()};
  }

  void add_captions(std::vector<Entry>& entries) {
    VTR_CHECK(!dataset_.captions.empty(), "split '{}': a list without captions", split_);
    std::vector<std::string> read;
    for (const auto& name : dataset_.captions) {
      for (const auto& path : find_captions(name)) {
        read.push_back(path.filename().string());
        if (fill(entries, dataset_.read(path, result_.sources))) return;
      }
    }
    VTR_CHECK(!read.empty(), "data.root: no {} in {}", fmt::join(dataset_.captions, " nor "),
              searched());
    for (const auto& entry : entries) {
      VTR_CHECK(!entry.captions.empty(), "{}: no caption of '{}' in {}", entry.where, entry.video,
                fmt::join(read, ", "));
    }
  }

  // True when no video is without captions any more.
  static bool fill(std::vector<Entry>& entries, std::vector<Entry> all) {
    std::unordered_map<std::string, std::vector<std::string>> captions;
    for (auto& entry : all) captions[bare_name(entry.video)] = std::move(entry.captions);
    bool full = true;
    for (auto& entry : entries) {
      if (!entry.captions.empty()) continue;
      const auto found = captions.find(bare_name(entry.video));
      if (found != captions.end()) entry.captions = found->second;
      full = full && !entry.captions.empty();
    }
    return full;
  }

  Record record(Entry&& entry, const VideoIndex& index) const {
    resolve_inside(videos_, entry.video, entry.where);  // a name that climbs out is refused
    const std::string id = bare_name(entry.video);
    VTR_CHECK(!id.empty(), "{}: '{}' names no video", entry.where, entry.video);
    const auto clips = dataset_.clips ? dataset_.clips(id) : std::vector<Clip>{{id}};
    Record record{id, resolve_inside(videos_, clips.front().name + dataset_.extension, entry.where),
                  std::move(entry.captions), clips.front().start, clips.front().end};
    for (const auto& clip : clips) {
      fs::path path = index.find(fs::path(clip.name).filename().string());
      if (path.empty()) continue;
      record.path = std::move(path);
      record.start = clip.start;
      record.end = clip.end;
      break;
    }
    if (dataset_.paragraph) record.captions = {joined(record.captions)};
    return record;
  }

  // Sentences with one space between them.
  static std::string joined(const std::vector<std::string>& sentences) {
    std::string text;
    for (const auto& sentence : sentences) {
      const size_t begin = sentence.find_first_not_of(" \t\r\n");
      const size_t end = sentence.find_last_not_of(" \t\r\n") + 1;
      text += (text.empty() ? "" : " ") + sentence.substr(begin, end - begin);
    }
    return text;
  }

  const Published& dataset_;
  std::string split_;
  Folders folders_;
  fs::path videos_;
  Manifest result_;
};

}  // namespace

Manifest read_published(const Published& dataset, const DataOptions& options, Split role,
                        const std::string& split) {
  return Reading(dataset, options, role, split).run();
}

std::string describe_published(const Published& dataset, const DataOptions& options) {
  std::vector<std::string> protocols;
  for (const auto& protocol : dataset.protocols) {
    std::vector<std::string> files;
    for (const auto& lists : protocol.lists) {
      files.push_back(fmt::format("{}", fmt::join(lists.files, " + ")));
    }
    protocols.push_back(fmt::format("{}: {}", protocol.name, fmt::join(files, " or ")));
  }
  return fmt::format(
      "in {} or its folders {}: {}; captions in {}; videos in {}", options.root,
      fmt::join(dataset.places, ", "), fmt::join(protocols, "; "),
      dataset.captions.empty() ? "the same files"
                               : fmt::format("{}", fmt::join(dataset.captions, " or ")),
      options.videos.empty() ? fmt::format("{}", fmt::join(dataset.video_places, ", "))
                             : options.videos);
}

}  // namespace vtr::data
