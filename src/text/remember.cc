#include "vtr/text/tokenizer.h"

#include <mutex>
#include <shared_mutex>
#include <unordered_map>

namespace vtr::text {
namespace {

class RememberingTokenizer : public Tokenizer {
 public:
  RememberingTokenizer(std::unique_ptr<Tokenizer> tokenizer, int64_t megabytes)
      : tokenizer_(std::move(tokenizer)), room_(megabytes << 20) {}

  std::vector<int64_t> encode(std::string_view text, int64_t max_tokens) const override {
    const std::string key = std::to_string(max_tokens) + " " + std::string(text);
    {
      const std::shared_lock lock(mutex_);
      const auto found = known_.find(key);
      if (found != known_.end()) return {found->second.begin(), found->second.end()};
    }
    auto ids = tokenizer_->encode(text, max_tokens);
    constexpr size_t kNode = 128;  // of the map, about
    const auto bytes = static_cast<int64_t>(key.size() + ids.size() * sizeof(int32_t) + kNode);
    const std::unique_lock lock(mutex_);
    if (bytes <= room_ && known_.try_emplace(key, ids.begin(), ids.end()).second) room_ -= bytes;
    return ids;
  }
  int64_t vocab_size() const override { return tokenizer_->vocab_size(); }
  int64_t pad() const override { return tokenizer_->pad(); }

 private:
  const std::unique_ptr<Tokenizer> tokenizer_;
  mutable std::shared_mutex mutex_;
  mutable int64_t room_;
  mutable std::unordered_map<std::string, std::vector<int32_t>> known_;
};

}  // namespace

std::unique_ptr<Tokenizer> remember(std::unique_ptr<Tokenizer> tokenizer, int64_t megabytes) {
  return std::make_unique<RememberingTokenizer>(std::move(tokenizer), megabytes);
}

}  // namespace vtr::text
