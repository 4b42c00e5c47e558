#include "support/program.h"

#include "support/ranks.h"

#include "vtr/core/error.h"
#include "vtr/core/files.h"
#include "vtr/data/shapes.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace vtr::test {
namespace {

// Elsewhere than where it was built, on a machine that the tests were carried to.
const char* program() {
  const char* given = std::getenv("VTR_PROGRAM");
  return given != nullptr ? given : VTR_PROGRAM;
}

class Process {
 public:
  Process(const std::vector<std::string>& arguments, size_t file_limit,
          const Environment& environment = {}) {
    VTR_CHECK(::pipe(pipe_) == 0, "pipe");
    child_ = ::fork();
    if (child_ == 0) start(arguments, file_limit, environment);
    ::close(pipe_[1]);
    reader_ = std::thread([this] {
      char buffer[4096];
      for (ssize_t n = 0; (n = ::read(pipe_[0], buffer, sizeof buffer)) > 0;) {
        outcome_.output.append(buffer, static_cast<size_t>(n));
      }
    });
  }
  ~Process() { ::close(pipe_[0]); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void send(int signal) { ::kill(child_, signal); }
  bool runs() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
  }
  Outcome wait() {
    int status = 0;
    ::waitpid(child_, &status, 0);
    reader_.join();
    outcome_.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return outcome_;
  }

 private:
  [[noreturn]] void start(const std::vector<std::string>& arguments, size_t file_limit,
                          const Environment& environment) {
    for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
    ::dup2(pipe_[1], STDOUT_FILENO);
    ::dup2(pipe_[1], STDERR_FILENO);
    if (file_limit > 0) {
      std::signal(SIGXFSZ, SIG_IGN);  // a write past the limit then fails, as on a full disk
      const rlimit limit{file_limit, file_limit};
      ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    std::vector<char*> argv = {const_cast<char*>(program())};
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }

  int pipe_[2]{};
  pid_t child_ = 0;
  std::thread reader_;
  Outcome outcome_;
};

}  // namespace

size_t count_lines(const fs::path& file) {
  if (!fs::exists(file)) return 0;
  const std::string text = read_file(file);
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

namespace {

void wait_for_lines(const Process& process, const fs::path& file, size_t lines) {
  while (count_lines(file) < lines && process.runs()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace

Outcome run_program(const std::vector<std::string>& arguments, size_t file_limit) {
  return Process(arguments, file_limit).wait();
}

Outcome signal_program(const std::vector<std::string>& arguments, const fs::path& file,
                       size_t lines, int signal, std::chrono::microseconds delay) {
  Process process(arguments, 0);
  wait_for_lines(process, file, lines);
  std::this_thread::sleep_for(delay);
  process.send(signal);
  return process.wait();
}

Environment by_hand(int64_t rank, int64_t ranks, int64_t port) {
  return {{"RANK", std::to_string(rank)},
          {"WORLD_SIZE", std::to_string(ranks)},
          {"MASTER_ADDR", "127.0.0.1"},
          {"MASTER_PORT", std::to_string(port)}};
}

Environment by_srun(int64_t rank, int64_t ranks, int64_t port) {
  return {{"SLURM_STEP_ID", "0"},
          {"SLURM_PROCID", std::to_string(rank)},
          {"SLURM_LOCALID", std::to_string(rank)},
          {"SLURM_NTASKS", std::to_string(ranks)},
          {"SLURM_STEP_TASKS_PER_NODE", std::to_string(ranks)},
          {"SLURM_JOB_NODELIST", "localhost"},
          {"SLURM_JOB_ID", "7"},
          {"MASTER_PORT", std::to_string(port)}};
}

std::vector<Outcome> run_ranks(int64_t ranks, const std::vector<std::string>& arguments,
                               const std::optional<Strike>& strike, const Launcher& variables) {
  const int64_t port = free_port();
  std::vector<std::unique_ptr<Process>> processes;
  for (int64_t rank = 0; rank < ranks; ++rank) {
    processes.push_back(std::make_unique<Process>(arguments, 0, variables(rank, ranks, port)));
  }
  auto start = std::chrono::steady_clock::now();
  if (strike) {
    Process& victim = *processes[static_cast<size_t>(strike->victim)];
    wait_for_lines(victim, strike->file, strike->lines);
    victim.send(strike->signal);
    start = std::chrono::steady_clock::now();
  }
  std::vector<Outcome> outcomes(processes.size());
  for (size_t i = 0; i < processes.size(); ++i) {
    const bool last = strike && static_cast<int64_t>(i) == strike->victim;
    if (last) continue;
    outcomes[i] = processes[i]->wait();
    outcomes[i].seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  if (strike) {
    Process& victim = *processes[static_cast<size_t>(strike->victim)];
    if (strike->signal == SIGSTOP) victim.send(SIGKILL);
    outcomes[static_cast<size_t>(strike->victim)] = victim.wait();
  }
  return outcomes;
}

std::string write_tiny_experiment(const TempDir& dir, int train, int test) {
  data::ShapesOptions shapes;
  shapes.train = train;
  shapes.test = test;
  shapes.width = 48;
  shapes.height = 36;
  shapes.event_seconds = 0.4;
  shapes.gap_seconds = 0.1;
  data::make_shapes(dir / "data", shapes);
  return dir
      .write("tiny.yaml", fmt::format(R"(
device: cpu
data: {{dataset: shapes, root: {}, train: train, test: ordered}}
video: {{frames: 4}}
text: {{tokenizer: {{name: sentencepiece, model: shapes/pieces.model}}, max_words: 24}}
model:
  encoder: {{name: clip, embed_dim: 32, image_resolution: 32, patch: 16, vision_width: 64,
            vision_layers: 1, context: 24, vocab: 192, text_width: 64, text_layers: 1}}
  head: {{name: joint, heads: 2, temporal: learned, dropout: 0.2}}
train: {{batch: 8, log_every: 1, lr: 2.0e-3, encoder_lr: 2.0e-3, weight_decay: 0.01}}
)",
                                      (dir / "data").string()))
      .string();
}

std::vector<std::string> losses_of(const fs::path& run) {
  std::istringstream in(read_file(run / "metrics.jsonl"));
  std::vector<std::string> losses;
  for (std::string line; std::getline(in, line);) {
    const auto record = nlohmann::json::parse(line);
    if (record.contains("loss")) losses.push_back(record["loss"].dump());
  }
  return losses;
}

}  // namespace vtr::test
