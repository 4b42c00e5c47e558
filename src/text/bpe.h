// CLIP's byte-level byte-pair encoding of one word (Sennrich et al., ACL 2016; Radford et al.,
// 2019).
#pragma once

#include "vtr/core/files.h"

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vtr::text {

class Bpe {
 public:
  // `path`: CLIP's own file of merges (plain or gz), a Hugging Face folder with vocab.json and
  // merges.txt, or that merges.txt. Throws Error naming the file and line that is wrong.
  explicit Bpe(const fs::path& path);

  void encode(std::string_view word, std::vector<int64_t>& ids) const;  // appends
  int64_t start() const { return start_; }
  int64_t end() const { return end_; }
  int64_t size() const { return size_; }

 private:
  using Ids = std::unordered_map<std::string, int64_t>;
  struct Merge {
    int64_t rank, id;
  };
  void read_clip(const fs::path& path);
  void read_hugging_face(const fs::path& folder);
  void set_bytes(const Ids& ids, const fs::path& path);
  void add_merge(const Ids& ids, const std::string& line, int64_t rank, const std::string& where);
  const Merge* find(int64_t left, int64_t right) const;

  std::array<int64_t, 256> inner_{}, last_{};  // the ids of a byte inside of a word, and at its end
  std::unordered_map<uint64_t, Merge> merges_;
  int64_t start_ = 0, end_ = 0, size_ = 0;
};

}  // namespace vtr::text
