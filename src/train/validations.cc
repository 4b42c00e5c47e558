#include "validations.h"

#include "vtr/core/error.h"
#include "vtr/report/run.h"

namespace vtr::train {
namespace {

double number(const report::Record& record, const std::string& name, const fs::path& file) {
  for (const auto& [key, value] : record) {
    if (key != name) continue;
    if (const auto* real = std::get_if<double>(&value)) return *real;
    if (const auto* whole = std::get_if<int64_t>(&value)) return static_cast<double>(*whole);
  }
  throw Error(fmt::format("{}: a line has no number '{}'", file.string(), name));
}

}  // namespace

Validations::Validations(const fs::path& run, int64_t step) {
  const fs::path file = run / "validation.jsonl";
  for (const auto& record : report::read_records(file)) {
    const auto of = static_cast<int64_t>(number(record, "step", file));
    if (of <= step) add(of, number(record, "t2v R@1", file), number(record, "t2v MnR", file));
  }
}

std::string Validations::describe() const {
  return fmt::format("up to step {}, the best {}, {} since", last_, best_step_, worse_);
}

bool Validations::add(int64_t step, double r1, double mnr) {
  const std::pair score(r1, -mnr);
  last_ = step;
  worse_ = score > best_ ? 0 : worse_ + 1;
  if (score < best_) return false;
  best_ = score;
  best_step_ = step;
  return true;
}

}  // namespace vtr::train
