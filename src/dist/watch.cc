#include "watch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <future>

namespace vtr::dist {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kFailed = "failed";
constexpr const char* kEnd = "end";

std::string beat_key(int64_t rank) { return fmt::format("beat/{}", rank); }

}  // namespace

Watch::Watch(c10::intrusive_ptr<c10d::Store> store, int64_t rank, std::vector<std::string> names,
             const Pace& pace, Lost lost)
    : store_(std::move(store)),
      rank_(rank),
      names_(std::move(names)),
      pace_(pace),
      lost_(std::move(lost)),
      heard_(Clock::now()),
      thread_([this] { loop(); }) {}

void Watch::stop() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Watch::~Watch() {
  stop();
  try {
    store_->set(beat_key(rank_), std::string(kEnd));
  } catch (const std::exception&) {  // whoever kept the store has gone before: nobody asks
  }
}

void Watch::loop() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, pace_.beat, [this] { return ended_; })) {
    // On a thread of its own: a store whose keeper hangs does not answer, and has no time limit.
    auto round = std::async(std::launch::async, [this] { return look(); });
    const std::string why =
        round.wait_for(pace_.limit) == std::future_status::ready
            ? round.get()
            : fmt::format("{}, or what keeps the ranks' store, hangs", names_[0]);
    if (why.empty()) continue;
    lost_(why);
    return;
  }
}

std::string Watch::look() try {
  store_->set(beat_key(rank_), fmt::format("{} {}", ++beats_, exchanges_.load()));
  if (store_->check({kFailed})) return store_->get_to_str(kFailed);
  const auto next = static_cast<size_t>(rank_ + 1) % names_.size();
  const std::string key = beat_key(static_cast<int64_t>(next));
  const std::string beat = store_->check({key}) ? store_->get_to_str(key) : "";
  if (beat != last_) {
    last_ = beat;
    heard_ = Clock::now();
  }
  if (beat == kEnd || Clock::now() - heard_ < pace_.limit) return "";
  const std::string why =
      fmt::format("{} has not been heard of for {:.0f} s: it died or hangs", names_[next],
                  std::chrono::duration<double>(pace_.limit).count());
  store_->set(kFailed, why);
  return why;
} catch (const std::exception&) {
  return fmt::format("{}, or what keeps the ranks' store, is gone", names_[0]);
}

std::string Watch::late() {
  std::vector<std::string> late;
  for (size_t rank = 0; rank < names_.size(); ++rank) {
    const std::string beat = store_->get_to_str(beat_key(static_cast<int64_t>(rank)));
    const size_t space = beat.find(' ');
    if (space != std::string::npos && std::stoll(beat.substr(space)) < exchanges_) {
      late.push_back(names_[rank]);
    }
  }
  return fmt::format("{}", fmt::join(late, ", "));
}

void Watch::fail(const std::string& why) {
  stop();
  store_->set(kFailed, fmt::format("{} failed: {}", names_[static_cast<size_t>(rank_)], why));
  // Those who read it need the store, which may end with this process.
  std::this_thread::sleep_for(2 * pace_.beat);
}

}  // namespace vtr::dist
