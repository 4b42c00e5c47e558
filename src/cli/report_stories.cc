#include "report_sections.h"

#include "vtr/data/picture.h"

#include <torch/types.h>

#include <algorithm>
#include <limits>

namespace vtr::cli {
namespace {

// The first of a video's captions tells which it is, without its number in a data set.
const data::Record& record_of(const eval::Evaluation& result, int64_t video) {
  return result.readable.videos[static_cast<size_t>(video)];
}

std::string first_caption(const data::Record& record) {
  return record.captions.empty() ? "" : record.captions.front();
}

report::Picture picture_of(const Tensor& frame, std::string alt) {  // [3, R, R] uint8
  constexpr int64_t kQuality = 80;
  const Tensor bytes = frame.contiguous();
  return {"image/jpeg",
          data::to_jpeg(bytes.const_data_ptr<uint8_t>(), bytes.size(1), bytes.size(2), kQuality),
          std::move(alt)};
}

report::Strip strip_of(const eval::Closeup& seen, const eval::Pair& pair,
                       const data::Record& record, const std::string& caption) {
  report::Strip strip{.caption = caption, .frames = {}};
  const auto video = seen.videos.find(pair.video);
  if (video == seen.videos.end()) {
    strip.missing =
        fmt::format("Its frames cannot be shown: {} cannot be read.", record.path.string());
    return strip;
  }
  const auto looked = seen.pairs.find(pair);
  const auto& [pixels, mask, times] = video->second;
  const int64_t frames = mask.sum().item<int64_t>();
  for (int64_t i = 0; i < frames; ++i) {
    const auto second = times[i].item<double>();
    report::Strip::Frame frame;
    frame.label = fmt::format("{:.1f} s", second);
    std::string alt =
        fmt::format("frame {} of {}, at {:.1f} s of {}", i + 1, frames, second, record.id);
    if (looked != seen.pairs.end()) {
      const auto weight = looked->second.weights[i].item<double>();
      frame.weight = weight;
      frame.kept = weight > 0;
      alt += fmt::format(", relevance {:.2f}, {}", looked->second.relevance[i].item<double>(),
                         frame.kept ? fmt::format("weight {:.2f}", weight) : "left out");
    }
    frame.picture = picture_of(pixels[i], std::move(alt));
    strip.frames.push_back(std::move(frame));
  }
  return strip;
}

report::Story story_of(const eval::Evaluation& result, const std::string& caption,
                       const eval::Answer& answer, const eval::Closeup& seen) {
  const auto& own = record_of(result, answer.target);
  const auto& rival = record_of(result, answer.rival);
  report::Story story{.title = caption, .facts = {}, .strips = {}};
  story.facts = {fmt::format("rank {:g} of {}", answer.rank, result.videos),
                 fmt::format("score {:.4f}, best of the others {:.4f}", answer.own, answer.other)};
  story.strips = {
      strip_of(seen, {answer.text, answer.target}, own, "Its own video, " + own.id),
      strip_of(seen, {answer.text, answer.rival}, rival,
               fmt::format("{}, {}: {}", answer.wrong() ? "What beat it" : "The next best",
                           rival.id, first_caption(rival)))};
  return story;
}

std::string how_to_read(const eval::Closeup& seen) {
  if (seen.pairs.empty()) {
    return "The frames that the model was shown. This head does not weigh them by the text, so "
           "that there are no weights to draw.";
  }
  const bool chosen = std::any_of(seen.pairs.begin(), seen.pairs.end(), [](const auto& pair) {
    return pair.second.weights.eq(0)
        .logical_and(pair.second.relevance.isfinite())
        .any()
        .template item<bool>();
  });
  return std::string(
             "The frames that the model was shown. The bar over a frame and the number "
             "under it are its weight for this text; the longest bar of a strip is the "
             "largest weight.") +
         (chosen ? " The frames chosen are outlined, those left out are faded." : "");
}

}  // namespace

std::vector<eval::Pair> pairs_of(const std::vector<std::vector<eval::Answer>>& answers) {
  std::vector<eval::Pair> pairs;
  for (const auto& some : answers) {
    for (const auto& answer : some) {
      pairs.push_back({answer.text, answer.target});
      pairs.push_back({answer.text, answer.rival});
    }
  }
  return pairs;
}

report::Section stories_section(const std::string& id, const std::string& title,
                                const eval::Evaluation& result,
                                const std::vector<eval::Answer>& answers,
                                const eval::Closeup& seen) {
  report::Section section{id, title, {}};
  const auto captions = eval::captions_of(result.readable);
  section.blocks.push_back(
      report::Paragraph{answers.empty() ? "There are no such queries." : how_to_read(seen)});
  for (const auto& answer : answers) {
    section.blocks.push_back(
        story_of(result, captions[static_cast<size_t>(answer.text)], answer, seen));
  }
  return section;
}

report::Section confusion_section(const eval::Evaluation& result,
                                  const std::vector<eval::Answer>& answers) {
  constexpr int64_t kMost = 200;
  const auto wrong = std::count_if(answers.begin(), answers.end(),
                                   [](const eval::Answer& answer) { return answer.wrong(); });
  const auto captions = eval::captions_of(result.readable);
  report::SortableTable table{
      fmt::format("What beat the text's own video: {} of {} queries{}", std::min(wrong, kMost),
                  answers.size(),
                  wrong > kMost ? fmt::format(", the worst of {} wrong ones", wrong) : ""),
      {"query", "its video", "rank", "score", "winner", "its score", "the winner's caption"},
      {}};
  for (const auto& answer : eval::worst(answers, kMost)) {
    const auto& rival = record_of(result, answer.rival);
    table.rows.push_back({{captions[static_cast<size_t>(answer.text)]},
                          {record_of(result, answer.target).id},
                          {fmt::format("{:g}", answer.rank)},
                          {fmt::format("{:.4f}", answer.own)},
                          {rival.id},
                          {fmt::format("{:.4f}", answer.other)},
                          {first_caption(rival)}});
  }
  return {"confusions", "Confusions", {table}};
}

}  // namespace vtr::cli
