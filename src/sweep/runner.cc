#include "runner.h"

#include "vtr/core/error.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace vtr::sweep {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<int> stop_signal = 0, signals = 0;

// While it lives SIGINT and SIGTERM are only noted.
class SignalNotes {
 public:
  SignalNotes() {
    stop_signal = 0;
    signals = 0;
    struct sigaction note = {};
    note.sa_handler = [](int signal) {
      stop_signal = signal;
      ++signals;
    };
    ::sigaction(SIGINT, &note, &old_[0]);
    ::sigaction(SIGTERM, &note, &old_[1]);
  }
  ~SignalNotes() {
    ::sigaction(SIGINT, &old_[0], nullptr);
    ::sigaction(SIGTERM, &old_[1], nullptr);
  }
  SignalNotes(const SignalNotes&) = delete;
  SignalNotes& operator=(const SignalNotes&) = delete;

 private:
  struct sigaction old_[2] = {};
};

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (auto& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

// This process's, with `changes` in their places.
std::vector<std::string> environment(const std::vector<std::string>& changes) {
  std::vector<std::string> result = changes;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    const auto prefix = text.substr(0, text.find('=') + 1);
    const auto changed = [&](const std::string& change) { return change.starts_with(prefix); };
    if (std::none_of(changes.begin(), changes.end(), changed)) result.push_back(text);
  }
  return result;
}

constexpr const char* kPrompt = "$ vtr ";

// A process of this program in a group of its own, which a terminal's Ctrl-C does not reach, and
// which the kernel kills when this one is gone. Between fork and exec nothing may allocate.
pid_t spawn(std::vector<std::string> arguments, std::vector<std::string> variables, int log) {
  arguments.insert(arguments.begin(), "vtr");
  const auto argv = pointers(arguments), envp = pointers(variables);
  const pid_t parent = ::getpid(), child = ::fork();
  VTR_CHECK(child >= 0, "no process could be started: {}", std::strerror(errno));
  if (child > 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // it went before
  ::setpgid(0, 0);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execve("/proc/self/exe", argv.data(), envp.data());
  ::_exit(127);
}

}  // namespace

std::string last_words(const fs::path& log) {
  std::istringstream in(read_file(log));
  std::string last, error;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(kPrompt)) error.clear();
    if (line.starts_with("vtr: ")) error = line.substr(5);
    if (!line.empty()) last = line;
  }
  return error.empty() ? last : error;
}

Runner::Runner(std::vector<Job> jobs, RunnerOptions options)
    : jobs_(std::move(jobs)),
      options_(std::move(options)),
      slots_(static_cast<size_t>(options_.slots)) {
  for (size_t i = 0; i < jobs_.size(); ++i) {
    if (jobs_[i].state == State::waiting) queue_.push_back(i);
  }
}

bool Runner::busy() const {
  return std::any_of(slots_.begin(), slots_.end(), [](const Slot& s) { return s.process != 0; });
}

int Runner::run(const std::function<void()>& look) {
  const SignalNotes notes;
  int told = 0;  // how many signals the processes know of
  while (busy() || (!queue_.empty() && signals == 0)) {
    if (signals == 0) fill();
    if (signals > told) {
      for (const auto& slot : slots_) {
        if (slot.process != 0) ::kill(slot.process, told == 0 ? SIGTERM : SIGKILL);
      }
      told = signals;
    }
    look();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    collect();
  }
  look();
  return stop_signal;
}

void Runner::fill() {
  for (auto& slot : slots_) {
    if (slot.process != 0 || queue_.empty()) continue;
    slot = {.job = queue_.front(), .start = Clock::now()};
    queue_.erase(queue_.begin());
    jobs_[slot.job].state = State::running;
    start_command(slot);
  }
}

void Runner::start_command(Slot& slot) {
  const Job& job = jobs_[slot.job];
  const auto& command = job.commands[slot.command];
  std::vector<std::string> changes;
  if (!options_.devices.empty()) {
    const auto index = static_cast<size_t>(&slot - slots_.data());
    changes.push_back("CUDA_VISIBLE_DEVICES=" + options_.devices[index % options_.devices.size()]);
  }
  if (options_.threads > 0 && std::getenv("OMP_NUM_THREADS") == nullptr) {
    changes.push_back(fmt::format("OMP_NUM_THREADS={}", options_.threads));
  }
  const int log = ::open(job.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  VTR_CHECK(log >= 0, "{}: {}", job.log.string(), std::strerror(errno));
  ::dprintf(log, "%s%s\n", kPrompt, fmt::format("{}", fmt::join(command, " ")).c_str());
  slot.process = spawn(command, environment(changes), log);
  ::close(log);
}

void Runner::collect() {
  for (auto& slot : slots_) {
    int status = 0;
    if (slot.process != 0 && ::waitpid(slot.process, &status, WNOHANG) == slot.process) {
      end(slot, status);
    }
  }
}

void Runner::end(Slot& slot, int status) {
  slot.process = 0;
  Job& job = jobs_[slot.job];
  if (status == 0 && slot.command + 1 < job.commands.size()) {
    if (signals > 0) return end_job(slot, State::waiting);
    ++slot.command;
    return start_command(slot);
  }
  if (status == 0) return end_job(slot, State::finished);
  if (signals > 0) return end_job(slot, State::waiting);  // it was stopped, and goes on next time
  job.error = WIFSIGNALED(status) ? fmt::format("ended by signal {}", WTERMSIG(status))
                                  : last_words(job.log);
  const bool again = ++job.failures <= options_.retries;
  if (again) queue_.push_back(slot.job);
  end_job(slot, again ? State::waiting : State::failed);
}

void Runner::end_job(Slot& slot, State state) {
  Job& job = jobs_[slot.job];
  job.state = state;
  job.seconds += std::chrono::duration<double>(Clock::now() - slot.start).count();
}

}  // namespace vtr::sweep
