// Checkpoints that the published systems' own programs wrote, as models of ours. They come as
// safetensors with the authors' names; scripts/pickle_to_safetensors.py makes them of pickles.
//
//   const Import found = read_import("xpool", "model_best.safetensors");
//   auto model = make_retriever(sized(options, found), frames, words, norm, false);
//   for (const auto& name : load_import(*model, found)) ...    // what is dead in it
#pragma once

#include "vtr/core/table.h"
#include "vtr/models/retriever.h"
#include "vtr/models/weights/safetensors.h"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace vtr::models {

// A system's names: the first rule whose prefix fits says whose weight it is and what replaces the
// prefix, which leaves OpenAI's or Hugging Face's name of a CLIP's weight, or the head's own.
struct ImportRule {
  enum class Part { encoder, head };
  std::string prefix;
  Part part;
  std::string to{};
};

struct ImportEntry {
  std::string name, summary;
  std::string encoders;  // the entry of the encoders' table that it needs
  std::string mark;      // part of a name that no other system has; "": it has none
  std::vector<ImportRule> rules;
  std::string wrapper{};   // taken out of the encoders' names
  double fixed_scale = 0;  // the inverse temperature where the file has none
};

const Table<ImportEntry>& imports();

struct Import {
  std::string system, file;
  TensorMap encoders;                           // by our names
  TensorMap head;                               // by the authors'
  std::vector<std::string> unknown, dead;       // names no rule fits; of what is never used
  std::map<std::string, std::string> metadata;  // of the file
};

// Throws Error when the file is another system's.
Import read_import(const std::string& system, const std::filesystem::path& file);

// The options with the encoders' sizes as the weights have them, and without weights of their own.
ModelOptions sized(ModelOptions options, const Import& import);

// Into the model: every tensor of the model, and no other but dead ones, whose names are returned.
// Of a table of positions the rows are taken that the head has. Throws Error with all that does not
// fit; the model is then unchanged.
std::vector<std::string> load_import(Retriever& model, const Import& import);

// For people: "a.*.weight (12), b", where only numbers differ.
std::string grouped(const std::vector<std::string>& names);

}  // namespace vtr::models
