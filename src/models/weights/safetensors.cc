#include "vtr/models/weights/safetensors.h"

#include "vtr/core/error.h"
#include "vtr/core/files.h"
#include "vtr/core/mapped_file.h"

#include <nlohmann/json.hpp>
#include <torch/types.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>

namespace vtr::models {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

using Json = nlohmann::json;
constexpr size_t kPrefix = 8;                 // bytes of the header's length
constexpr uint64_t kMaxHeader = 100'000'000;  // the reference implementation's bound

struct Dtype {
  const char* name;
  at::ScalarType type;
};
constexpr std::array<Dtype, 10> kDtypes{{{"F64", at::kDouble},
                                         {"F32", at::kFloat},
                                         {"F16", at::kHalf},
                                         {"BF16", at::kBFloat16},
                                         {"I64", at::kLong},
                                         {"I32", at::kInt},
                                         {"I16", at::kShort},
                                         {"I8", at::kChar},
                                         {"U8", at::kByte},
                                         {"BOOL", at::kBool}}};

struct Entry {
  std::string name;
  at::ScalarType type;
  std::vector<int64_t> shape;
  uint64_t begin, end;  // within the data, which follows the header
};

// One file being read; knows its name for the errors.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& path)
      : path_(path.string()), file_(std::make_shared<MappedFile>(path)) {}

  TensorMap read(std::map<std::string, std::string>* metadata) const {
    const uint64_t length = header_length();
    const Json header = parse(length);
    std::vector<Entry> entries;
    for (const auto& [name, value] : header.items()) {
      if (name == "__metadata__") {
        auto found = strings(value);
        if (metadata != nullptr) *metadata = std::move(found);
      } else {
        entries.push_back(entry(name, value));
      }
    }
    std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    require_covered(entries, length);
    TensorMap tensors;
    for (const auto& e : entries) tensors.emplace_back(e.name, tensor(e, kPrefix + length));
    return tensors;
  }

 private:
  template <class... Args>
  [[noreturn]] void refuse(uint64_t offset, fmt::format_string<Args...> format,
                           Args&&... args) const {
    throw Error(fmt::format("{}: not a sound safetensors file: {} (at byte {})", path_,
                            fmt::format(format, std::forward<Args>(args)...), offset));
  }

  uint64_t header_length() const {
    if (file_->size() < kPrefix) refuse(0, "{} bytes are too few", file_->size());
    if (std::memcmp(file_->data(), "PK\3\4", 4) == 0) {
      refuse(0,
             "a zip archive, TorchScript's or torch.save's "
             "(scripts/pickle_to_safetensors.py reads the latter)");
    }
    uint64_t length = 0;
    std::memcpy(&length, file_->data(), kPrefix);
    if (length > kMaxHeader || length > file_->size() - kPrefix) {
      refuse(0, "a header of {} bytes in a file of {}", length, file_->size());
    }
    return length;
  }

  Json parse(uint64_t length) const {
    const char* begin = reinterpret_cast<const char*>(file_->data() + kPrefix);
    Json header;
    try {
      header = Json::parse(begin, begin + length);
    } catch (const Json::parse_error& error) {
      refuse(kPrefix + error.byte, "the header is not JSON");
    }
    if (!header.is_object()) refuse(kPrefix, "the header is not a JSON object");
    return header;
  }

  std::map<std::string, std::string> strings(const Json& value) const {
    if (!value.is_object()) refuse(kPrefix, "__metadata__ is not an object");
    std::map<std::string, std::string> result;
    for (const auto& [key, item] : value.items()) {
      if (!item.is_string()) refuse(kPrefix, "__metadata__ '{}' is not a text", key);
      result[key] = item.get<std::string>();
    }
    return result;
  }

  Entry entry(const std::string& name, const Json& value) const {
    const auto field = [&](const char* key) -> const Json& {
      if (!value.is_object() || !value.contains(key)) refuse(kPrefix, "'{}' has no {}", name, key);
      return value[key];
    };
    Entry e{name, dtype(name, field("dtype")), {}, 0, 0};
    for (const uint64_t n : numbers(name, field("shape"))) {
      e.shape.push_back(static_cast<int64_t>(n));
    }
    const auto offsets = numbers(name, field("data_offsets"));
    if (offsets.size() != 2) refuse(kPrefix, "'{}' has {} data_offsets", name, offsets.size());
    e.begin = offsets[0];
    e.end = offsets[1];
    const auto bytes = size(e);
    if (e.begin > e.end || !bytes || *bytes != e.end - e.begin) {
      refuse(kPrefix, "'{}' of shape [{}] has the data_offsets [{}, {}]", name,
             fmt::join(e.shape, ", "), e.begin, e.end);
    }
    return e;
  }

  at::ScalarType dtype(const std::string& name, const Json& value) const {
    for (const auto& d : kDtypes) {
      if (value.is_string() && value.get_ref<const std::string&>() == d.name) return d.type;
    }
    refuse(kPrefix, "'{}' has the unknown dtype {}", name,
           value.is_string() ? value.dump() : value.type_name());
  }

  // Non-negative whole numbers that an int64 can hold.
  std::vector<uint64_t> numbers(const std::string& name, const Json& value) const {
    if (!value.is_array())
      refuse(kPrefix, "'{}' has {} where a list belongs", name, value.type_name());
    std::vector<uint64_t> result;
    for (const auto& item : value) {
      if (!item.is_number_unsigned() ||
          item.get<uint64_t>() > std::numeric_limits<int64_t>::max()) {
        refuse(kPrefix, "'{}' has the size or offset {}", name,
               item.is_number() ? item.dump() : item.type_name());
      }
      result.push_back(item.get<uint64_t>());
    }
    return result;
  }

  // Nothing when the sizes, but for zeros, multiply beyond what any file holds.
  static std::optional<uint64_t> size(const Entry& e) {
    uint64_t bytes = c10::elementSize(e.type);
    for (const int64_t n : e.shape) {
      const auto size = static_cast<uint64_t>(std::max<int64_t>(n, 1));
      if (__builtin_mul_overflow(bytes, size, &bytes)) return std::nullopt;
    }
    return std::ranges::count(e.shape, 0) > 0 ? 0 : bytes;
  }

  // Every byte of the data belongs to one tensor: this finds overlaps, gaps and truncation.
  void require_covered(const std::vector<Entry>& entries, uint64_t length) const {
    const uint64_t start = kPrefix + length;
    uint64_t at = 0;
    for (const auto& e : entries) {
      if (e.begin != at) refuse(start + e.begin, "'{}' overlaps another or leaves a gap", e.name);
      at = e.end;
    }
    if (at != file_->size() - start) {
      refuse(file_->size(), "the header speaks of {} bytes of data, the file has {}: truncated?",
             at, file_->size() - start);
    }
  }

  Tensor tensor(const Entry& e, uint64_t start) const {
    if (e.begin == e.end) return at::empty(e.shape, e.type);
    std::byte* data = file_->data() + start + e.begin;
    const auto type = e.type == at::kBool ? at::kByte : e.type;
    const Tensor mapped = torch::from_blob(
        data, e.shape, [file = file_](void*) {}, at::TensorOptions(type));
    if (e.type == at::kBool)
      return mapped.ne(0);  // a bool of any other byte than 0, 1 is undefined
    if (reinterpret_cast<uintptr_t>(data) % c10::elementSize(type) == 0) return mapped;
    const Tensor aligned = at::empty(e.shape, type);
    std::memcpy(aligned.data_ptr(), data, e.end - e.begin);
    return aligned;
  }

  std::string path_;
  std::shared_ptr<MappedFile> file_;
};

const char* dtype_name(const std::string& name, const Tensor& tensor) {
  VTR_CHECK(tensor.defined(), "'{}': no tensor to save", name);
  VTR_CHECK(!tensor.is_meta(), "'{}': is on the meta device and has no values to save", name);
  for (const auto& d : kDtypes) {
    if (d.type == tensor.scalar_type()) return d.name;
  }
  throw Error(
      fmt::format("'{}': safetensors has no dtype {}", name, toString(tensor.scalar_type())));
}

// The JSON header, padded so that the data starts at a multiple of 8.
std::string make_header(const TensorMap& tensors,
                        const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    VTR_CHECK(!header.contains(name), "two tensors named '{}'", name);
    const char* dtype = dtype_name(name, tensor);
    const uint64_t end = at + tensor.nbytes();
    header[name] = {{"dtype", dtype}, {"shape", tensor.sizes().vec()}, {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

TensorMap load_safetensors(const std::filesystem::path& path,
                           std::map<std::string, std::string>* metadata) {
  return Reader(path).read(metadata);
}

void save_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                      const std::map<std::string, std::string>& metadata) {
  // Wide dtypes first: then each tensor is aligned to its own elements and can be mapped.
  TensorMap sorted = tensors;
  const auto width = [](const auto& item) {
    return item.second.defined() ? item.second.element_size() : 0;
  };
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const auto& a, const auto& b) { return width(a) > width(b); });
  const std::string header = make_header(sorted, metadata);
  AsideFile file(path);
  const uint64_t length = header.size();
  file.write(&length, kPrefix);
  file.write(header.data(), header.size());
  for (const auto& [name, tensor] : sorted) {
    const Tensor host = tensor.detach().to(at::kCPU).contiguous();
    file.write(host.const_data_ptr(), host.nbytes());
  }
  file.commit();
}

}  // namespace vtr::models
