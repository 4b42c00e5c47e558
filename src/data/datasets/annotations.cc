#include "datasets/annotations.h"

#include "vtr/core/error.h"

namespace vtr::data {

fs::path root_folder(const DataOptions& options) {
  VTR_CHECK(!options.root.empty(),
            "data.root is not set: the folder with the annotations and videos");
  const fs::path root = options.root;
  VTR_CHECK(fs::is_directory(root), "data.root: {} is not a folder", root.string());
  return root;
}

fs::path video_folder(const DataOptions& options, const std::vector<std::string>& places) {
  const fs::path root = root_folder(options);
  const bool unread = !options.store.empty() || !options.features.empty();
  if (!options.videos.empty()) {
    for (const fs::path& path : {fs::path(options.videos), root / options.videos}) {
      if (fs::is_directory(path)) return path;
    }
    VTR_CHECK(unread, "data.videos: {} is not a folder", options.videos);
    return options.videos;
  }
  for (const auto& place : places) {
    if (fs::is_directory(root / place)) return root / place;
  }
  VTR_CHECK(unread && !places.empty(),
            "data.videos is not set and {} has no folder of videos (looked for {})", root.string(),
            fmt::join(places, ", "));
  return root / places.front();
}

void check_caption(const std::string& caption, const std::string& where) {
  VTR_CHECK(caption.find_first_not_of(" \t\r\n") != std::string::npos, "{}: the caption is empty",
            where);
  VTR_CHECK(is_utf8(caption), "{}: the caption is not UTF-8 (convert the file, e.g. with iconv)",
            where);
}

// Well-formed UTF-8 of the Unicode standard, table 3-7: no overlong forms, no surrogates.
bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if ((lead >= 0x80 && lead < 0xC2) || lead > 0xF4 || i + length > text.size()) return false;
    for (size_t k = 1; k < length; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + k]);
      const unsigned char low = k > 1 ? 0x80 : lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
      const unsigned char high = k > 1 ? 0xBF : lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
      if (byte < low || byte > high) return false;
    }
    i += length;
  }
  return true;
}

}  // namespace vtr::data
