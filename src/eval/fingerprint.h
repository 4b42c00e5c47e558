// What features depend on, part by part, each by the name a user knows it by: two of them that are
// equal stand for equal features.
#pragma once

#include "vtr/eval/features.h"

#include <string>
#include <utility>
#include <vector>

namespace vtr::eval {

using Fingerprint = std::vector<std::pair<std::string, std::string>>;

// `weights` is the tower_hash of the image or the text tower. A choice's option that names a file
// stands for the file's bytes.
Fingerprint image_fingerprint(const Encoding& encoding, const std::string& weights);
Fingerprint text_fingerprint(const Encoding& encoding, const std::string& weights);

// "video.frames is 12 there and 8 here, ...": the parts that differ, "" when none does.
std::string difference(const Fingerprint& there, const Fingerprint& here);

}  // namespace vtr::eval
