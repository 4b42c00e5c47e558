// What the readers of annotation files share.
#pragma once

#include "vtr/data/manifest.h"

#include <string>
#include <string_view>
#include <vector>

namespace vtr::data {

DatasetEntry msrvtt_dataset();
DatasetEntry lsmdc_dataset();
DatasetEntry msvd_dataset();
DatasetEntry didemo_dataset();
DatasetEntry activitynet_dataset();
DatasetEntry vatex_dataset();
DatasetEntry jsonl_dataset();
DatasetEntry shapes_dataset();

// data.root, which must be a folder.
fs::path root_folder(const DataOptions& options);

// The folder with the video files: data.videos (from here or from the root), else the first of
// `places` under the root that is there.
fs::path video_folder(const DataOptions& options, const std::vector<std::string>& places);

// Refuses a caption that is empty or no UTF-8. `where` names its place.
void check_caption(const std::string& caption, const std::string& where);

bool is_utf8(std::string_view text);

}  // namespace vtr::data
