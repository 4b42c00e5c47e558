#include "vtr/eval/results.h"

#include "feature_index.h"

#include "vtr/core/error.h"
#include "vtr/models/weights/safetensors.h"
#include "vtr/report/table.h"

#include <nlohmann/json.hpp>
#include <torch/types.h>

#include <algorithm>
#include <unistd.h>

namespace vtr::eval {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kTop = 10;
constexpr const char* kMetricsFile = "metrics.json";
constexpr const char* kRanksFile = "ranks.safetensors";

// `scores` [Q, M]: of every query's candidates.
Found found(const Tensor& scores, Ranks ranks, const EvalOptions& options) {
  Found result;
  result.metrics = summarize(ranks);
  if (options.resamples > 0) {
    const auto seed = static_cast<uint64_t>(options.seed);
    result.interval = bootstrap(ranks, {.resamples = options.resamples, .seed = seed});
  }
  result.ranks = std::move(ranks);
  const auto [score, index] = scores.topk(std::min(kTop, scores.size(1)), 1);
  result.top = index;
  result.top_score = score.to(torch::kFloat);
  return result;
}

std::vector<std::string> ids_of(const data::Manifest& manifest) {
  std::vector<std::string> ids;
  for (const auto& video : manifest.videos) ids.push_back(video.id);
  return ids;
}

// Bytes that are no UTF-8 are replaced.
std::string dumped(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json to_json(const Protocol& protocol) {
  Json json;
  for (const auto& [name, field] : kProtocol) json[name] = protocol.*field;
  json["overrides"] = protocol.overrides;
  json["checkpoint"] = protocol.checkpoint;
  return json;
}

// A row a query: how far down its video stands, and what stands in front.
std::string queries_csv(const ResultsToWrite& what) {
  std::vector<std::string> header = {"direction", "query", "video", "rank"};
  for (int64_t k = 1; k <= kTop; ++k) header.push_back(fmt::format("top {}", k));
  report::TextTable table(header);
  const auto add = [&](const char* direction, const Found& found, const auto& name) {
    const auto ranks = found.ranks.per_query();
    const Tensor top = found.top.contiguous();
    for (size_t q = 0; q < ranks.size(); ++q) {
      const auto [query, video] = name(q);
      std::vector<std::string> row = {direction, query, video, fmt::format("{}", ranks[q])};
      const int64_t* best = top.const_data_ptr<int64_t>() + static_cast<int64_t>(q) * top.size(1);
      for (int64_t k = 0; k < kTop; ++k) {
        row.push_back(k < top.size(1) ? what.readable.videos[static_cast<size_t>(best[k])].id : "");
      }
      table.add(row);
    }
  };
  using Name = std::pair<std::string, std::string>;
  std::vector<Name> texts;
  for (const auto& video : what.readable.videos) {
    for (const auto& caption : video.captions) texts.emplace_back(caption, video.id);
  }
  add("t2v", what.results.t2v, [&](size_t q) { return texts[q]; });
  add("v2t", what.results.v2t, [&](size_t q) {
    const auto& id = what.readable.videos[q].id;
    return Name(id, id);
  });
  return table.csv();
}

void write_ranks(const fs::path& file, const ResultsToWrite& what) {
  models::TensorMap tensors;
  const auto add = [&](const std::string& direction, const Found& found) {
    tensors.emplace_back(direction + "_rank",
                         torch::tensor(found.ranks.per_query(), torch::kDouble));
    tensors.emplace_back(direction + "_top", found.top);
    tensors.emplace_back(direction + "_top_score", found.top_score);
  };
  add("t2v", what.results.t2v);
  add("v2t", what.results.v2t);
  if (what.sim.defined()) tensors.emplace_back("sim", what.sim);
  models::save_safetensors(file, tensors,
                           {{"protocol", dumped(to_json(what.protocol))},
                            {"texts", dumped(captions_of(what.readable))},
                            {"videos", dumped(ids_of(what.readable))}});
}

Error not_written(const fs::path& folder, const std::exception& error) {
  return Error(fmt::format("{}: results cannot be written: {}; --out DIR writes them elsewhere",
                           folder.string(), error.what()));
}

std::vector<double> values(const models::TensorMap& tensors, const std::string& name) {
  for (const auto& [key, tensor] : tensors) {
    if (key != name) continue;
    const Tensor flat = tensor.to(torch::kDouble).flatten().contiguous();
    return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
  }
  throw Error("no tensor '" + name + "'");
}

}  // namespace

Results rank_both(const Tensor& t2v, const Tensor& v2t, const std::vector<int64_t>& target,
                  const EvalOptions& options) {
  const Tensor columns = torch::tensor(target), texts = v2t.t();
  const Ties ties = ties_named(options.ties);
  return {found(t2v, ranks_t2v(t2v, columns, ties), options),
          found(by_best_caption(texts, columns), ranks_v2t(texts, columns, ties), options)};
}

std::string describe(const config::Choice& asked) {
  std::string text = asked.name;
  const auto& choose = asked.options["choose"];
  const bool chosen = choose && choose.size() > 0;
  for (const auto& option : asked.options) {
    const auto name = option.first.as<std::string>();
    if (name == "choose") continue;
    std::string value = option.second.as<std::string>();
    if (name == "beta" && chosen) {
      value = fmt::format("the best on validation of {}",
                          fmt::join(choose.as<std::vector<std::string>>(), ", "));
    } else if (name == "beta" && option.second.as<double>() == 0) {
      value = "learned";
    }
    text += fmt::format(" {}={}", name, value);
  }
  return text + (asked.name == "none" ? "" : ", transductive");
}

std::string results_name(const std::string& split, const std::string& rerank,
                         const std::string& laid_over) {
  constexpr size_t kMost = 100, kHash = 8;  // bytes
  std::string name = folder_name(split) + (rerank == "none" ? "" : "+" + rerank);
  if (laid_over.empty()) return name;
  const std::string what = folder_name(laid_over);
  return name + "@" + (what.size() > kMost ? what.substr(what.size() - kHash) : what);
}

void check_place(const fs::path& folder) {
  VTR_CHECK(!fs::exists(folder) || fs::is_empty(folder) || fs::exists(folder / kRanksFile),
            "{}: holds something else than results of vtr eval; give another --out",
            folder.string());
  fs::path there = folder.parent_path();
  while (!there.empty() && !fs::exists(there)) there = there.parent_path();
  try {
    const AsideFile goes_again(there / fmt::format("vtr_probe{}", ::getpid()));
  } catch (const Error& error) {
    throw not_written(folder, error);
  }
}

void write_results(const fs::path& folder, const ResultsToWrite& what) {
  check_place(folder);
  const fs::path aside = fmt::format("{}.tmp{}", folder.string(), ::getpid());
  try {
    fs::create_directories(aside);
    const Json json = {{"protocol", to_json(what.protocol)},
                       {"rows", Json::parse(report::to_json(what.rows))}};
    write_file(aside / kMetricsFile, dumped(json, 1) + "\n");
    write_file(aside / "queries.csv", queries_csv(what));
    write_ranks(aside / kRanksFile, what);
    fs::remove_all(folder);
    fs::rename(aside, folder);
  } catch (const std::exception& error) {
    std::error_code ignored;
    fs::remove_all(aside, ignored);
    throw not_written(folder, error);
  }
}

StoredResults read_results(const fs::path& folder) {
  const fs::path file = folder / kRanksFile;
  VTR_CHECK(fs::exists(file),
            "{}: no ranks of an evaluation; vtr eval --run RUN --split NAME "
            "writes them to RUN/eval/NAME",
            folder.string());
  try {
    std::map<std::string, std::string> metadata;
    const auto tensors = models::load_safetensors(file, &metadata);
    const auto json = Json::parse(metadata.at("protocol"));
    StoredResults results{folder,
                          {},
                          values(tensors, "t2v_rank"),
                          values(tensors, "v2t_rank"),
                          Json::parse(metadata.at("texts")).get<std::vector<std::string>>(),
                          Json::parse(metadata.at("videos")).get<std::vector<std::string>>()};
    for (const auto& [name, field] : kProtocol) {
      results.protocol.*field = json.at(name).get<std::string>();
    }
    results.protocol.overrides = json.value("overrides", "none");
    results.protocol.checkpoint = json.value("checkpoint", "");
    VTR_CHECK(results.texts.size() == results.t2v_rank.size() &&
                  results.videos.size() == results.v2t_rank.size(),
              "other numbers of ranks than of queries");
    return results;
  } catch (const std::exception& error) {
    throw Error(fmt::format("{}: no results of vtr eval: {}", file.string(), error.what()));
  }
}

}  // namespace vtr::eval
