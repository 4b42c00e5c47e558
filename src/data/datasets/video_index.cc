#include "datasets/video_index.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <tuple>

namespace vtr::data {
namespace {

constexpr std::array<const char*, 12> kEndings = {".mp4", ".webm", ".avi",  ".mkv", ".mov", ".m4v",
                                                  ".3gp", ".mpg",  ".mpeg", ".wmv", ".flv", ".ogv"};
constexpr int kDepth = 3;

// The place of a path's ending among kEndings; their number for any other.
size_t ending_of(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return static_cast<size_t>(std::find(kEndings.begin(), kEndings.end(), ending) -
                             kEndings.begin());
}

}  // namespace

std::string bare_name(const std::string& name) {
  fs::path path = fs::path(name).filename();
  while (ending_of(path) < kEndings.size()) path = path.stem();
  return path.string();
}

VideoIndex::VideoIndex(const fs::path& folder) {
  using Options = fs::directory_options;
  std::error_code error;  // a folder that cannot be listed hides its files, which are then missing
  fs::recursive_directory_iterator at(
      folder, Options::follow_directory_symlink | Options::skip_permission_denied, error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    if (at.depth() >= kDepth) at.disable_recursion_pending();
    const fs::path& path = at->path();
    const size_t rank = ending_of(path);
    if (rank == kEndings.size() || at->is_directory(error)) continue;
    fs::path& kept = files_[bare_name(path.filename().string())];
    if (kept.empty() || std::tuple(rank, path) < std::tuple(ending_of(kept), kept)) kept = path;
  }
}

fs::path VideoIndex::find(const std::string& name) const {
  const auto found = files_.find(name);
  return found == files_.end() ? fs::path() : found->second;
}

}  // namespace vtr::data
