#include "bpe.h"

#include "unicode.h"

#include "vtr/core/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <queue>
#include <tuple>
#include <zlib.h>

namespace vtr::text {
namespace {

constexpr const char* kEndOfWord = "</w>";
constexpr int64_t kClipMerges = 49152 - 256 - 2;  // CLIP reads so many and leaves the file's rest

// The whole file; gz or plain is told by its first bytes.
std::string read_gz(const fs::path& path) {
  if (!fs::is_regular_file(path)) return read_file(path);  // says what is wrong
  gzFile file = gzopen(path.c_str(), "rb");
  VTR_CHECK(file, "{}: cannot be read", path.string());
  std::string result;
  std::vector<char> block(1 << 18);
  int n = 0;
  while ((n = gzread(file, block.data(), static_cast<unsigned>(block.size()))) > 0) {
    result.append(block.data(), static_cast<size_t>(n));
  }
  const int closed = gzclose(file);
  VTR_CHECK(n == 0 && closed == Z_OK, "{}: a broken or truncated gz file", path.string());
  return result;
}

// Without the empty line after the last newline.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> result;
  for (size_t i = 0; i < text.size();) {
    const size_t end = std::min(text.find('\n', i), text.size());
    result.push_back(text.substr(i, end - i));
    if (!result.back().empty() && result.back().back() == '\r') result.back().pop_back();
    i = end + 1;
  }
  return result;
}

// The two symbols of a merge, or two empty ones.
std::pair<std::string, std::string> parts_of(const std::string& line) {
  const size_t space = line.find(' ');
  if (space == std::string::npos || space != line.rfind(' ')) return {};
  return {line.substr(0, space), line.substr(space + 1)};
}

struct ByteSymbol {
  uint8_t byte;
  std::string symbol;
};

// The printable character that stands for each byte, in the vocabulary's order: those of Latin-1
// that can be seen are themselves, the others follow from U+0100 on.
std::vector<ByteSymbol> byte_symbols() {
  std::vector<ByteSymbol> seen, unseen;
  for (unsigned b = 0; b < 256; ++b) {
    const bool visible = (b > ' ' && b <= '~') || (b >= 0xA1 && b != 0xAD);
    const char32_t c = visible ? b : 256 + static_cast<char32_t>(unseen.size());
    (visible ? seen : unseen).push_back({static_cast<uint8_t>(b), encode_utf8({&c, 1})});
  }
  seen.insert(seen.end(), unseen.begin(), unseen.end());
  return seen;
}

uint64_t pair_key(int64_t left, int64_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint64_t>(right);
}

int64_t id_of(const std::unordered_map<std::string, int64_t>& ids, const std::string& symbol,
              const std::string& where) {
  const auto at = ids.find(symbol);
  VTR_CHECK(at != ids.end(), "{}: '{}' is not in the vocabulary", where, symbol);
  return at->second;
}

}  // namespace

Bpe::Bpe(const fs::path& path) {
  if (fs::is_directory(path)) {
    read_hugging_face(path);
  } else if (path.filename() == "merges.txt") {
    read_hugging_face(path.parent_path());
  } else {
    read_clip(path);
  }
}

// The vocabulary follows from the merges: bytes, bytes that end a word, merges, start, end.
void Bpe::read_clip(const fs::path& path) {
  const auto lines = lines_of(read_gz(path));
  VTR_CHECK(lines.size() > 1, "{}: holds no merges (is it CLIP's vocabulary?)", path.string());
  const int64_t n = std::min<int64_t>(static_cast<int64_t>(lines.size()) - 1, kClipMerges);
  Ids ids;
  for (const char* ending : {"", kEndOfWord}) {
    for (const auto& [byte, symbol] : byte_symbols()) ids[symbol + ending] = size_++;
  }
  set_bytes(ids, path);
  for (int64_t rank = 0; rank < n; ++rank) {
    const auto [left, right] = parts_of(lines[static_cast<size_t>(rank) + 1]);
    ids[left + right] = size_++;
    const std::string where = fmt::format("{}: line {}", path.string(), rank + 2);
    add_merge(ids, lines[static_cast<size_t>(rank) + 1], rank, where);
  }
  start_ = size_++;
  end_ = size_++;
}

void Bpe::read_hugging_face(const fs::path& folder) {
  const fs::path vocab = folder / "vocab.json", merges = folder / "merges.txt";
  Ids ids;
  try {
    ids = nlohmann::json::parse(read_file(vocab)).get<Ids>();
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("{}: not a map of tokens to ids: {}", vocab.string(), error.what()));
  }
  for (const auto& [symbol, id] : ids) {
    VTR_CHECK(id >= 0 && id < (int64_t{1} << 31), "{}: '{}' has the id {}", vocab.string(), symbol,
              id);
    size_ = std::max(size_, id + 1);
  }
  start_ = id_of(ids, "<|startoftext|>", vocab.string());
  end_ = id_of(ids, "<|endoftext|>", vocab.string());
  set_bytes(ids, vocab);
  const auto lines = lines_of(read_file(merges));
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i == 0 && lines[i].starts_with("#version")) continue;
    add_merge(ids, lines[i], static_cast<int64_t>(i),
              fmt::format("{}: line {}", merges.string(), i + 1));
  }
}

void Bpe::set_bytes(const Ids& ids, const fs::path& path) {
  for (const auto& [byte, symbol] : byte_symbols()) {
    inner_[byte] = id_of(ids, symbol, path.string());
    last_[byte] = id_of(ids, symbol + kEndOfWord, path.string());
  }
}

void Bpe::add_merge(const Ids& ids, const std::string& line, int64_t rank,
                    const std::string& where) {
  const auto [left, right] = parts_of(line);
  VTR_CHECK(!left.empty() && !right.empty(), "{}: a merge is two symbols, got '{}'", where, line);
  merges_[pair_key(id_of(ids, left, where), id_of(ids, right, where))] = {
      rank, id_of(ids, left + right, where)};
}

const Bpe::Merge* Bpe::find(int64_t left, int64_t right) const {
  const auto at = merges_.find(pair_key(left, right));
  return at == merges_.end() ? nullptr : &at->second;
}

// The lowest rank first, and of equals the leftmost. The symbols are a linked list and the
// candidates a heap: a word of ten thousand characters costs n log n, not its square.
void Bpe::encode(std::string_view word, std::vector<int64_t>& ids) const {
  struct Symbol {
    int64_t id, previous, next;
  };
  struct Candidate {
    int64_t rank, at, left, right;  // symbols[at] and its next, as long as their ids are these
    bool operator>(const Candidate& other) const {
      return std::tie(rank, at) > std::tie(other.rank, other.at);
    }
  };
  const auto n = static_cast<int64_t>(word.size());
  if (n == 0) return;
  std::vector<Symbol> symbols;
  for (int64_t i = 0; i < n; ++i) {
    const auto byte = static_cast<uint8_t>(word[static_cast<size_t>(i)]);
    symbols.push_back({i + 1 == n ? last_[byte] : inner_[byte], i - 1, i + 1 == n ? -1 : i + 1});
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto consider = [&](int64_t at) {
    if (at < 0 || symbols[at].next < 0) return;
    const int64_t left = symbols[at].id, right = symbols[symbols[at].next].id;
    if (const Merge* merge = find(left, right)) queue.push({merge->rank, at, left, right});
  };
  for (int64_t i = 0; i < n; ++i) consider(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& symbol = symbols[best.at];
    if (symbol.id != best.left || symbol.next < 0 || symbols[symbol.next].id != best.right)
      continue;
    symbols[symbol.next].id = -1;
    symbol.id = find(best.left, best.right)->id;
    symbol.next = symbols[symbol.next].next;
    if (symbol.next >= 0) symbols[symbol.next].previous = best.at;
    consider(symbol.previous);
    consider(best.at);
  }
  for (int64_t i = 0; i >= 0; i = symbols[i].next) ids.push_back(symbols[i].id);
}

}  // namespace vtr::text
