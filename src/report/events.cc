#include "vtr/report/events.h"

#include "vtr/core/error.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <numeric>

namespace vtr::report {
namespace {

// Protocol buffers' wire format: https://protobuf.dev/programming-guides/encoding
std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes += static_cast<char>(value);
}

template <class T>
std::string fixed(T value) {  // little-endian, as the machines this runs on
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string integer(int field, int64_t value) {
  return varint(static_cast<uint64_t>(field) << 3) + varint(static_cast<uint64_t>(value));
}
std::string number(int field, double value) {
  return varint(static_cast<uint64_t>(field) << 3 | 1) + fixed(value);
}
std::string number(int field, float value) {
  return varint(static_cast<uint64_t>(field) << 3 | 5) + fixed(value);
}
std::string bytes(int field, std::string_view value) {  // a text, a message, packed numbers
  return varint(static_cast<uint64_t>(field) << 3 | 2) + varint(value.size()) + std::string(value);
}

// The checksum of a record's parts: CRC-32C (Castagnoli), rotated and offset.
uint32_t masked_crc(std::string_view data) {
  static const auto kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      table[i] = i;
      for (int bit = 0; bit < 8; ++bit) table[i] = table[i] >> 1 ^ (table[i] & 1) * 0x82f63b78;
    }
    return table;
  }();
  uint32_t crc = ~0U;
  for (const char c : data) crc = crc >> 8 ^ kTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xa282ead8;
}

constexpr const char* kPrefix = "events.out.tfevents.";

// HistogramProto: `kBuckets` equal ones from the smallest value to the largest.
std::string histogram(const std::vector<double>& sorted) {
  constexpr size_t kBuckets = 30;
  const double low = sorted.front(), width = (sorted.back() - low) / kBuckets;
  std::string limits, counts;
  size_t done = 0;
  for (size_t i = 1; i <= kBuckets; ++i) {
    const double limit = i < kBuckets ? low + width * static_cast<double>(i) : sorted.back();
    const auto end = std::upper_bound(sorted.begin(), sorted.end(), limit) - sorted.begin();
    limits += fixed(limit);
    counts += fixed(static_cast<double>(static_cast<size_t>(end) - done));
    done = static_cast<size_t>(end);
  }
  const double sum = std::accumulate(sorted.begin(), sorted.end(), 0.0);
  const double squares = std::inner_product(sorted.begin(), sorted.end(), sorted.begin(), 0.0);
  return number(1, low) + number(2, sorted.back()) + number(3, static_cast<double>(sorted.size())) +
         number(4, sum) + number(5, squares) + bytes(6, limits) + bytes(7, counts);
}

}  // namespace

std::string event_record(std::string_view event) {
  const std::string size = fixed(static_cast<uint64_t>(event.size()));
  return size + fixed(masked_crc(size)) + std::string(event) + fixed(masked_crc(event));
}

// A file is named by the step it goes on after, and TensorBoard reads files in the order of their
// names. What it has read of steps from a START on, it forgets.
EventLog::EventLog(const fs::path& folder, int64_t last_step)
    : path_(folder / fmt::format("{}{:010}.vtr", kPrefix, last_step)) {
  std::vector<fs::path> later;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const bool events = entry.path().filename().string().starts_with(kPrefix);
    if (events && entry.path() > path_) later.push_back(entry.path());
  }
  for (const auto& path : later) fs::remove(path);
  out_.open(path_, std::ios::binary | std::ios::trunc);
  write(last_step, bytes(3, "brain.Event:2"));
  constexpr int kStart = 1;
  if (last_step > 0) write(last_step + 1, bytes(7, integer(1, kStart)));
}

void EventLog::add(int64_t step, const std::vector<std::pair<std::string, double>>& scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars) {
    summary += bytes(1, bytes(1, tag) + number(2, static_cast<float>(value)));
  }
  write(step, bytes(5, summary));
}

void EventLog::add_histogram(int64_t step, const std::string& tag, std::vector<double> values) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  if (values.empty()) return;
  std::sort(values.begin(), values.end());
  write(step, bytes(5, bytes(1, bytes(1, tag) + bytes(5, histogram(values)))));
}

void EventLog::write(int64_t step, std::string_view content) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  out_ << event_record(number(1, now.count()) + integer(2, step) + std::string(content))
       << std::flush;
  VTR_CHECK(out_, "{}: cannot be written (disk full?)", path_.string());
}

}  // namespace vtr::report
