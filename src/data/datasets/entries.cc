#include "datasets/entries.h"

#include "datasets/annotations.h"
#include "datasets/csv.h"
#include "datasets/json_file.h"

#include "vtr/core/error.h"

#include <algorithm>
#include <sstream>

namespace vtr::data {
namespace {

using Json = nlohmann::json;
using Names = std::vector<const char*>;

const Names kVideo = {"video_id", "image_id", "clip_name", "filename", "videoID", "video"};
const Names kCaption = {"caption", "text", "sentence", "description", "enCap", "captions"};
const Names kCaptions = {"gt", "sentences", "captions", "enCap"};  // of a video's own object

// The first of `names` that the object has, or null.
const Json* first_of(const Json& object, const Names& names) {
  for (const char* name : names) {
    const auto found = object.find(name);
    if (found != object.end()) return &*found;
  }
  return nullptr;
}

const Json& one_of(const Json& object, const Names& names, const std::string& where) {
  VTR_CHECK(object.is_object(), "{}: an object is needed", where);
  const Json* field = first_of(object, names);
  VTR_CHECK(field != nullptr, "{}: no field \"{}\" (nor {})", where, names.front(),
            fmt::join(names.begin() + 1, names.end(), ", "));
  return *field;
}

std::string video_of(const Json& object, const std::string& where) {
  const Json& name = one_of(object, kVideo, where);
  VTR_CHECK(name.is_string() && !name.get_ref<const std::string&>().empty(),
            "{}: the video's name is not a text", where);
  return name.get<std::string>();
}

// A text, or the list of its words.
std::string caption_of(const Json& value, const std::string& where) {
  if (value.is_string()) {
    check_caption(value.get_ref<const std::string&>(), where);
    return value.get<std::string>();
  }
  std::vector<std::string> words;
  VTR_CHECK(value.is_array(), "{}: a caption is not a string", where);
  for (const auto& word : value) {
    VTR_CHECK(word.is_string(), "{}: a caption is neither a text nor a list of words", where);
    words.push_back(word.get<std::string>());
  }
  const std::string caption = fmt::format("{}", fmt::join(words, " "));
  check_caption(caption, where);
  return caption;
}

// One caption, several, or an object that holds them.
void add_captions(const Json& value, Entry& entry, const std::string& where) {
  const Json& inner = value.is_object() ? one_of(value, kCaptions, where) : value;
  if (!inner.is_array()) {
    entry.captions.push_back(caption_of(inner, where));
    return;
  }
  for (const auto& caption : inner) entry.captions.push_back(caption_of(caption, where));
}

// MSR-VTT's own form.
std::vector<Entry> from_sentences(const Json& json, const std::string& file) {
  Gatherer gathered;
  size_t i = 0;
  for (const auto& video : json_list(json, "videos", file)) {
    const std::string where = fmt::format("{}: videos[{}]", file, i++);
    const std::string id = json_text(video, "video_id", where);
    VTR_CHECK(gathered.find(id) == nullptr, "{}: video_id '{}' is there twice", where, id);
    Entry& entry = gathered.at(id, where);
    if (video.contains("split")) entry.split = json_text(video, "split", where);
  }
  i = 0;
  for (const auto& sentence : json_list(json, "sentences", file)) {
    const std::string where = fmt::format("{}: sentences[{}]", file, i++);
    Entry* entry = gathered.find(json_text(sentence, "video_id", where));
    VTR_CHECK(entry != nullptr, "{}: no such video in \"videos\"", where);
    entry->captions.push_back(json_text(sentence, "caption", where));
    check_caption(entry->captions.back(), where);
  }
  return gathered.take();
}

std::vector<Entry> from_list(const Json& list, const std::string& place) {
  Gatherer gathered;
  size_t i = 0;
  for (const auto& item : list) {
    const std::string where = fmt::format("{}[{}]", place, i++);
    add_captions(one_of(item, kCaption, where), gathered.at(video_of(item, where), where), where);
  }
  return gathered.take();
}

std::vector<Entry> from_map(const OrderedJson& json, const std::string& file) {
  std::vector<Entry> entries;
  for (const auto& video : json.keys) {
    entries.push_back({video, fmt::format("{}: \"{}\"", file, video), {}, ""});
    add_captions(json.value.at(video), entries.back(), entries.back().where);
  }
  return entries;
}

std::vector<Entry> from_json(const std::string& text, const std::string& file) {
  const OrderedJson json = parse_ordered(text, file);
  if (json.value.is_array()) return from_list(json.value, file + ": ");
  VTR_CHECK(json.value.is_object(), "{}: an object is needed", file);
  if (json.value.contains("annotations")) {
    return from_list(json_list(json.value, "annotations", file), file + ": annotations");
  }
  const bool own = json.value.contains("videos") || json.value.contains("sentences");
  return own ? from_sentences(json.value, file) : from_map(json, file);
}

std::vector<Entry> from_lines(const std::string& text, const std::string& file, bool json) {
  Gatherer gathered;
  std::istringstream in(text);
  std::string line;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (line.empty()) continue;
    const std::string where = fmt::format("{}:{}", file, number);
    if (json) {
      const Json item = parse_json(line, where);
      add_captions(one_of(item, kCaption, where), gathered.at(video_of(item, where), where), where);
      continue;
    }
    VTR_CHECK(gathered.find(line) == nullptr, "{}: '{}' is there twice", where, line);
    gathered.at(line, where);
  }
  return gathered.take();
}

std::vector<Entry> from_csv(const std::string& text, const fs::path& path) {
  const Csv csv = parse_csv(text, path);
  const int64_t video = csv.column("video_id"), sentence = csv.column("sentence");
  VTR_CHECK(video >= 0, "{}: the header has no column video_id", path.string());
  Gatherer gathered;
  for (const auto& row : csv.rows) {
    const std::string where = csv.where(row), &id = row.fields[static_cast<size_t>(video)];
    VTR_CHECK(!id.empty(), "{}: the video_id is empty", where);
    const bool fresh = gathered.find(id) == nullptr;
    Entry& entry = gathered.at(id, where);
    if (sentence < 0) {
      VTR_CHECK(fresh, "{}: video_id '{}' is there twice", where, id);
      continue;
    }
    const std::string& caption = row.fields[static_cast<size_t>(sentence)];
    check_caption(caption, where);
    VTR_CHECK(
        std::find(entry.captions.begin(), entry.captions.end(), caption) == entry.captions.end(),
        "{}: video_id '{}' is there twice with the same sentence", where, id);
    entry.captions.push_back(caption);
  }
  return gathered.take();
}

}  // namespace

Entry* Gatherer::find(const std::string& video) {
  const auto found = places_.find(video);
  return found == places_.end() ? nullptr : &entries_[found->second];
}

Entry& Gatherer::at(const std::string& video, const std::string& where) {
  const auto [place, fresh] = places_.try_emplace(video, entries_.size());
  if (fresh) entries_.push_back({video, where, {}, ""});
  return entries_[place->second];
}

std::vector<Entry> read_entries(const fs::path& path, std::vector<Source>& sources) {
  const std::string text = read_source(path, sources), file = path.string();
  const fs::path extension = path.extension();
  if (extension == ".json") return from_json(text, file);
  if (extension == ".jsonl" || extension == ".txt") {
    return from_lines(text, file, extension == ".jsonl");
  }
  return from_csv(text, path);
}

}  // namespace vtr::data
