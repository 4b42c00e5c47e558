#include "commands.h"
#include "experiment.h"

#include "vtr/eval/protocols.h"
#include "vtr/eval/rerank.h"
#include "vtr/losses/losses.h"
#include "vtr/models/weights/imports.h"
#include "vtr/train/schedule.h"
#include "vtr/train/updates.h"

#include <fmt/format.h>

#include <memory>

namespace vtr::cli {
namespace {

std::string rows_text(const std::vector<config::Row>& rows) {
  std::string text;
  for (const auto& row : rows)
    text += fmt::format("  {:<28} {:<14} {}\n", row.name, row.value, row.help);
  return text;
}

template <class Entry>
std::string entries_text(const Table<Entry>& table, const std::string& path) {
  std::string text;
  for (const auto& entry : table) {
    text += fmt::format("{:<14} {}\n", entry.name, entry.summary);
    if constexpr (requires { entry.schema; }) text += rows_text(entry.schema.help(path));
  }
  return text;
}

std::string list(const std::string& what) {
  if (what == "heads") return entries_text(models::heads(), "model.head");
  if (what == "encoders") return entries_text(models::encoders(), "model.encoder");
  if (what == "tokenizers") return entries_text(text::tokenizers(), "text.tokenizer");
  if (what == "losses") return entries_text(losses::losses(), "train.loss");
  if (what == "optimizers") return entries_text(train::optimizers(), "train.optimizer");
  if (what == "schedules") return entries_text(train::schedules(), "train.schedule");
  if (what == "systems") return entries_text(models::imports(), "");
  if (what == "rerankers") return entries_text(eval::rerankers(), "eval.rerank");
  if (what == "protocols") return entries_text(eval::protocols(), "");
  if (what == "datasets") return entries_text(data::datasets(), "data");
  return rows_text(config::help<Experiment>(""));
}

Action add(CLI::App& app) {
  auto what = std::make_shared<std::string>();
  app.add_option("what", *what,
                 "options, heads, encoders, tokenizers, losses, optimizers, schedules, rerankers, "
                 "protocols, datasets or systems (vtr import)")
      ->required()
      ->check(CLI::IsMember({"options", "heads", "encoders", "tokenizers", "losses", "optimizers",
                             "schedules", "rerankers", "protocols", "datasets", "systems"}));
  return [what] {
    print_result(list(*what), "", "");
    return 0;
  };
}

}  // namespace

Command list_command() { return {"list", "what there is to choose from, with every option", add}; }

}  // namespace vtr::cli
