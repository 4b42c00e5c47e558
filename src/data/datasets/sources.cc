#include "datasets/sources.h"

#include "vtr/core/error.h"
#include "vtr/core/hash.h"

#include <algorithm>
#include <array>
#include <utility>

namespace vtr::data {
namespace {

// The lists every repository of the CLIP era copies byte for byte.
constexpr std::array<std::pair<const char*, const char*>, 4> kPublished = {{
    {"MSRVTT_train.9k.csv", "ef90cc53358a143f2f56692c4e3a7232"},
    {"MSRVTT_train.7k.csv", "97e0244f1bd3d0617f3c1f81403937f1"},
    {"MSRVTT_JSFUSION_test.csv", "612aec578f1324a550ecc552b3bdbf6c"},
    {"captions_msvd.json", "906ab119853c405c0db08fcbdeade907"},
}};

std::string published_md5(const std::string& name) {
  for (const auto& [file, md5] : kPublished) {
    if (name == file) return md5;
  }
  return "";
}

}  // namespace

fs::path find_annotation(const fs::path& root, const std::vector<std::string>& places,
                         const std::string& name) {
  for (const auto& place : places) {
    const fs::path path = (root / place / name).lexically_normal();
    if (fs::is_regular_file(path)) return path;
  }
  return {};
}

std::string without_mark(std::string text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return text;
}

std::string read_source(const fs::path& path, std::vector<Source>& sources) {
  VTR_CHECK(path.extension() != ".pkl" && path.extension() != ".pickle",
            "{}: a pickle is a program and is not run; turn it into JSON once: "
            "scripts/pickle_to_json.py {} {}",
            path.string(), path.string(), fs::path(path).replace_extension(".json").string());
  std::string bytes = read_file(path);
  const auto same = [&](const Source& source) { return source.path == path; };
  if (std::none_of(sources.begin(), sources.end(), same)) {
    sources.push_back({path, md5(bytes), published_md5(path.filename().string())});
  }
  return without_mark(std::move(bytes));
}

}  // namespace vtr::data
