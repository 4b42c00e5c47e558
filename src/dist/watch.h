// Whether the other ranks live. Each counts up a key of the store, its beat, and watches the beat
// of the next; who finds that one stopped writes down why, and all end for that reason.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace vtr::dist {

struct Pace {
  std::chrono::milliseconds beat{1000};
  std::chrono::milliseconds limit{15000};  // of silence
};

class Watch {
 public:
  // `names` of the ranks for messages. `lost` is called once, on a thread of the watch's own.
  using Lost = std::function<void(const std::string& why)>;
  Watch(c10::intrusive_ptr<c10d::Store> store, int64_t rank, std::vector<std::string> names,
        const Pace& pace, Lost lost);
  ~Watch();  // this rank has come to its end, and the others know

  void count() { ++exchanges_; }  // another exchange begins
  // Those who have not begun as many exchanges as this rank, as "rank 2 (host)"; "" if none.
  std::string late();
  void fail(const std::string& why);

 private:
  void loop();
  void stop();
  std::string look();  // a beat; why all must end, or ""

  const c10::intrusive_ptr<c10d::Store> store_;
  const int64_t rank_;
  const std::vector<std::string> names_;
  const Pace pace_;
  const Lost lost_;
  std::atomic<int64_t> exchanges_ = 0;
  int64_t beats_ = 0;
  std::string last_;  // beat of the next rank, and when it was new
  std::chrono::steady_clock::time_point heard_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace vtr::dist
