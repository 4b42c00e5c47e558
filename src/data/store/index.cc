#include "store/index.h"

#include "datasets/json_file.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"

#include <algorithm>
#include <numeric>
#include <sstream>
#include <xxhash.h>

namespace vtr::data {
namespace {

using Json = nlohmann::ordered_json;

// The frames of an entry must lie in the shard and have the shape the store says.
void check_entry(const StoreEntry& entry, const StoreSpec& spec, int64_t shard_bytes,
                 const std::string& where) {
  if (!entry.error.empty()) return;
  const auto sides = std::minmax(entry.height, entry.width);
  const bool shaped = sides.first == spec.resolution && sides.second < (1 << 20) &&
                      (spec.crop == "whole" || sides.second == spec.resolution);
  VTR_CHECK(shaped, "{}: a frame of {} x {} in a store of {} {}", where, entry.height, entry.width,
            spec.crop, spec.resolution);
  const auto frames = static_cast<int64_t>(entry.sizes.size());
  VTR_CHECK(frames >= 1 && frames <= spec.frames && entry.seconds.size() == entry.sizes.size(),
            "{}: {} frames and {} times, where 1 to {} of both are needed", where, frames,
            entry.seconds.size(), spec.frames);
  int64_t end = entry.offset;
  for (const int64_t size : entry.sizes) {
    const bool right = spec.format == "raw" ? size == 3 * entry.height * entry.width : size > 0;
    VTR_CHECK(right && end >= 0 && size <= shard_bytes - end,
              "{}: a frame of {} bytes at {} of a shard of {}", where, size, end, shard_bytes);
    end += size;
  }
}

StoreEntry parse_entry(const std::string& line, const std::string& where) {
  const auto json = parse_json(line, where);
  StoreEntry entry;
  try {
    json.at("id").get_to(entry.id);
    json.at("file").get_to(entry.file);
    json.at("bytes").get_to(entry.file_bytes);
    json.at("start").get_to(entry.start);
    json.at("end").get_to(entry.end);
    if (json.contains("error")) {
      json["error"].get_to(entry.error);
      VTR_CHECK(!entry.error.empty(), "{}: an error without words", where);
      return entry;
    }
    json.at("offset").get_to(entry.offset);
    json.at("height").get_to(entry.height);
    json.at("width").get_to(entry.width);
    json.at("sizes").get_to(entry.sizes);
    json.at("seconds").get_to(entry.seconds);
    json.at("xxh3").get_to(entry.checksum);
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("{}: {}", where, error.what()));
  }
  return entry;
}

}  // namespace

int64_t StoreEntry::bytes() const {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
}

StoreEntry identity(const Record& record) {
  StoreEntry entry;
  entry.id = record.id;
  entry.file = record.path.filename().string();
  std::error_code missing;
  const auto bytes = fs::file_size(record.path, missing);
  entry.file_bytes = missing ? 0 : static_cast<int64_t>(bytes);
  entry.start = record.start;
  entry.end = record.end;
  return entry;
}

std::string to_line(const StoreEntry& entry) {
  Json json = {{"id", entry.id},
               {"file", entry.file},
               {"bytes", entry.file_bytes},
               {"start", entry.start},
               {"end", entry.end}};
  if (!entry.error.empty()) {
    json["error"] = entry.error;
  } else if (!entry.sizes.empty()) {
    json["offset"] = entry.offset;
    json["height"] = entry.height;
    json["width"] = entry.width;
    json["sizes"] = entry.sizes;
    json["seconds"] = entry.seconds;
    json["xxh3"] = entry.checksum;
  }
  // A file's name may hold any bytes: what is not UTF-8 becomes a mark instead of an exception.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string identity_line(StoreEntry entry) {
  entry.sizes.clear();
  entry.error.clear();
  return to_line(entry);
}

std::vector<StoreEntry> read_entries(const fs::path& path, const StoreSpec& spec,
                                     int64_t shard_bytes) {
  std::istringstream in(read_file(path));
  std::vector<StoreEntry> entries;
  for (std::string line; std::getline(in, line);) {
    const auto where = fmt::format("{}:{}", path.string(), entries.size() + 1);
    entries.push_back(parse_entry(line, where));
    check_entry(entries.back(), spec, shard_bytes, where);
  }
  return entries;
}

fs::path spec_file(const fs::path& folder) { return folder / "store.yaml"; }

fs::path shard_file(const fs::path& folder, int64_t shard, const char* extension) {
  return folder / fmt::format("frames_{:05}.{}", shard, extension);
}

StoreSpec read_spec(const fs::path& folder) {
  const auto path = spec_file(folder);
  VTR_CHECK(fs::exists(path), "{}: is no frame store (no {} in it); `vtr data pack` writes one",
            folder.string(), path.filename().string());
  try {
    return config::read<StoreSpec>(YAML::Load(read_file(path)), "");
  } catch (const std::exception& error) {  // yaml-cpp's own, or an option's
    throw Error(fmt::format("{}: {}", path.string(), error.what()));
  }
}

StoreSpec spec_for(const PackOptions& options, const std::vector<video::Request>& requests) {
  const auto some = [&](auto condition) {
    return std::any_of(requests.begin(), requests.end(), condition);
  };
  const auto& first = requests.front();
  const bool random = some(video::picks_at_random);
  const bool changes = some(video::changes_pictures);
  StoreSpec spec;
  spec.format = options.format;
  spec.quality = options.format == "jpeg" ? options.quality : 0;
  spec.sampling = random ? "uniform" : first.sampling;
  spec.fps = spec.sampling == "fps" ? first.fps : 0;
  spec.frames = options.frames > 0 ? options.frames : first.frames * (random ? 3 : 1);
  spec.crop = options.whole || changes ? "whole" : "center";
  spec.resolution = options.resolution > 0 ? options.resolution : first.resolution;
  for (const auto& request : requests) {
    const bool served = request.sampling == spec.sampling || video::picks_at_random(request);
    VTR_CHECK(
        served,
        "one store cannot serve splits sampled by '{}' and by '{}': pack each into a store of "
        "its own (--split)",
        first.sampling == request.sampling ? requests.back().sampling : first.sampling,
        request.sampling);
    const std::string why = refusal(spec, request);
    VTR_CHECK(why.empty(), "one store cannot serve all that is asked for: {}", why);
  }
  // The sides of a whole frame are known to the decoder only; 16:9 is common. JPEG takes a tenth.
  const double frame = 3.0 * static_cast<double>(spec.resolution * spec.resolution) *
                       (spec.crop == "whole" ? 16.0 / 9 : 1) * (spec.format == "jpeg" ? 0.1 : 1);
  spec.shard_videos =
      std::max<int64_t>(1, static_cast<int64_t>(options.shard_mb * (1 << 20) /
                                                (frame * static_cast<double>(spec.frames))));
  return spec;
}

std::string refusal(const StoreSpec& spec, const video::Request& request) {
  const int64_t stored = spec.frames, wanted = request.frames;
  if (spec.sampling != request.sampling || stored != wanted) {
    const bool uniform = spec.sampling == "uniform";
    if (uniform && video::picks_at_random(request)) {
      if (stored < 2 * wanted)
        return fmt::format("frames: {} in the store, {} sampling of {} needs {} or more", stored,
                           request.sampling, wanted, 2 * wanted);
    } else if (uniform && request.sampling == "uniform") {
      if (stored % (2 * wanted) != wanted)
        return fmt::format("frames: {} in the store, {} are asked for (an odd multiple serves)",
                           stored, wanted);
    } else {
      return fmt::format("sampling: {} of {} frames in the store, {} of {} is asked for",
                         spec.sampling, stored, request.sampling, wanted);
    }
  }
  if (spec.sampling == "fps" && spec.fps != request.fps)
    return fmt::format("fps: {} in the store, {} is asked for", spec.fps, request.fps);
  if (spec.crop == "center" && video::changes_pictures(request))
    return fmt::format("crop: {} in the store, {} is asked for (pack with --whole)", spec.crop,
                       request.crop != "center" ? request.crop : "a flip or jitter");
  const bool sized = spec.crop == "whole" ? spec.resolution >= request.resolution
                                          : spec.resolution == request.resolution;
  return sized ? ""
               : fmt::format("resolution: {} in the store, {} is asked for", spec.resolution,
                             request.resolution);
}

std::string caution(const StoreSpec& spec, const video::Request& request) {
  if (request.crop == "random_resized" && spec.resolution < 2 * request.resolution)
    return fmt::format(
        "crops down to half of a frame's area are cut from frames stored at {} and enlarged to {}: "
        "softer than decoding gives, where the videos are larger (pack with a larger --resolution)",
        spec.resolution, request.resolution);
  if (spec.crop == "whole" && spec.resolution != request.resolution)
    return fmt::format("frames stored at {} are resized again to {}: near what decoding gives",
                       spec.resolution, request.resolution);
  return "";
}

std::vector<int64_t> chosen_frames(int64_t valid, const StoreSpec& spec,
                                   const video::Request& request) {
  if (spec.sampling != request.sampling || spec.frames != request.frames)
    return video::sample_indices(
        {.seconds = std::vector<double>(static_cast<size_t>(valid)), .fps = 0}, request);
  std::vector<int64_t> all(static_cast<size_t>(valid));
  std::iota(all.begin(), all.end(), int64_t{0});
  return all;
}

uint64_t checksum_of(const void* data, size_t bytes) { return XXH3_64bits(data, bytes); }

}  // namespace vtr::data
