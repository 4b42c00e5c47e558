#include "weights/sources.h"

#include "vtr/core/error.h"
#include "vtr/core/files.h"

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include <array>
#include <map>
#include <set>

// The folder that transformers' CLIPModel.save_pretrained writes.
namespace vtr::models {
namespace {

using Json = nlohmann::json;

Json parse(const fs::path& path) {
  try {
    return Json::parse(read_file(path));
  } catch (const Json::exception& error) {
    throw Error(fmt::format("{}: not JSON: {}", path.string(), error.what()));
  }
}

struct Rename {
  std::string_view from, to;
};

// Both towers, below their prefixes.
constexpr std::array<Rename, 9> kParts{
    {{"embeddings.token_embedding.", "token_embedding."},
     {"embeddings.position_embedding.weight", "positional_embedding"},
     {"embeddings.patch_embedding.", "conv1."},
     {"embeddings.class_embedding", "class_embedding"},
     {"encoder.layers.", "transformer.resblocks."},
     {"pre_layrnorm.", "ln_pre."},  // sic
     {"post_layernorm.", "ln_post."},
     {"final_layer_norm.", "ln_final."},
     {"logit_scale", "logit_scale"}}};
// Within a block; q, k and v become one tensor and are marked for it.
constexpr std::array<Rename, 8> kBlockParts{{{"self_attn.q_proj.", "attn.in_proj_#0"},
                                             {"self_attn.k_proj.", "attn.in_proj_#1"},
                                             {"self_attn.v_proj.", "attn.in_proj_#2"},
                                             {"self_attn.out_proj.", "attn.out_proj."},
                                             {"layer_norm1.", "ln_1."},
                                             {"layer_norm2.", "ln_2."},
                                             {"mlp.fc1.", "mlp.c_fc."},
                                             {"mlp.fc2.", "mlp.c_proj."}}};

// Where a Hugging Face tensor belongs: in our tensor `name`, whole (part -1) or as its part-th
// third.
struct Place {
  std::string name;
  int part = -1;
};

void replace_first(std::string& text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  if (at != std::string::npos) text.replace(at, from.size(), to);
}

Place place_of(std::string name) {
  const bool vision = name.starts_with("vision_model.");
  if (vision || name.starts_with("text_model.")) name.erase(0, name.find('.') + 1);
  for (const auto& [from, to] : kParts) {
    if (!name.starts_with(from)) continue;
    name.replace(0, from.size(), to);
    break;
  }
  if (name.starts_with("transformer.")) {
    for (const auto& [from, to] : kBlockParts) replace_first(name, from, to);
  }
  Place place{(vision ? "visual." : "") + name};
  if (const size_t mark = place.name.find('#'); mark != std::string::npos) {
    place.part = place.name[mark + 1] - '0';
    place.name.erase(mark, 2);
  }
  return place;
}

// The tensors of model.safetensors, or of the shards its index lists.
TensorMap load(const fs::path& folder) {
  if (fs::exists(folder / "model.safetensors"))
    return load_safetensors(folder / "model.safetensors");
  const fs::path index = folder / "model.safetensors.index.json";
  VTR_CHECK(fs::exists(index), "{}: no model.safetensors{}", folder.string(),
            fs::exists(folder / "pytorch_model.bin") ? " (convert its pytorch_model.bin)" : "");
  const Json shard_of = parse(index);
  std::set<std::string> shards;
  try {
    for (const auto& item : shard_of.at("weight_map")) shards.insert(item.get<std::string>());
  } catch (const Json::exception& error) {
    throw Error(fmt::format("{}: {}", index.string(), error.what()));
  }
  TensorMap tensors;
  for (const auto& shard : shards) {
    for (auto& item : load_safetensors(resolve_inside(folder, shard, index.string()))) {
      tensors.push_back(std::move(item));
    }
  }
  return tensors;
}

// The three thirds of attention's projection, joined.
void join_projections(const std::map<std::string, std::array<Tensor, 3>>& thirds, TensorMap& result,
                      const std::string& what) {
  for (const auto& [name, parts] : thirds) {
    for (const auto& part : parts) {
      VTR_CHECK(part.defined() && part.dim() > 0 && part.sizes() == parts[0].sizes(),
                "{}: the query, key and value projections of '{}' are not three alike", what, name);
    }
    result.emplace_back(name, at::cat({parts[0], parts[1], parts[2]}));
  }
}

// What config.json says beyond the shapes. Defaults as in transformers' CLIPConfig.
config::Node stated_options(const fs::path& path) {
  const Json config = parse(path);
  config::Node stated(YAML::NodeType::Map);
  try {
    VTR_CHECK(config.value("model_type", "clip") == "clip", "{}: model_type is '{}', not 'clip'",
              path.string(), config.value("model_type", ""));
    for (const std::string tower : {"vision", "text"}) {
      const Json part = config.value(tower + "_config", Json::object());
      const std::string activation = part.value("hidden_act", "quick_gelu");
      VTR_CHECK(!stated["activation"] || stated["activation"].as<std::string>() == activation,
                "{}: the towers' activations differ", path.string());
      VTR_CHECK(activation == "quick_gelu" || activation == "gelu",
                "{}: hidden_act '{}' is not one of quick_gelu, gelu", path.string(), activation);
      VTR_CHECK(part.value("layer_norm_eps", 1e-5) == 1e-5, "{}: a layer_norm_eps other than 1e-5",
                path.string());
      stated["activation"] = activation;
      stated[tower + "_heads"] = std::to_string(
          part.value("num_attention_heads", tower == "text" ? int64_t{8} : int64_t{12}));
    }
  } catch (const Json::exception& error) {
    throw Error(fmt::format("{}: {}", path.string(), error.what()));
  }
  return stated;
}

}  // namespace

TensorMap from_hugging_face(const TensorMap& tensors, const std::string& what) {
  TensorMap result;
  std::map<std::string, std::array<Tensor, 3>> thirds;
  for (const auto& [name, tensor] : tensors) {
    if (name.ends_with(".position_ids")) continue;  // a constant that old versions stored
    if (name == "visual_projection.weight" || name == "text_projection.weight") {
      VTR_CHECK(tensor.dim() == 2, "{}: '{}' is no matrix", what, name);
      result.emplace_back(name[0] == 'v' ? "visual.proj" : "text_projection", tensor.t());
      continue;
    }
    const Place place = place_of(name);
    if (place.part < 0) {
      result.emplace_back(place.name, tensor);
    } else {
      thirds[place.name][static_cast<size_t>(place.part)] = tensor;
    }
  }
  join_projections(thirds, result, what);
  return result;
}

Weights open_hugging_face(const fs::path& folder) {
  VTR_CHECK(fs::exists(folder / "config.json"),
            "{}: a folder without config.json: not a Hugging Face CLIP folder", folder.string());
  const config::Node stated = stated_options(folder / "config.json");
  return clip_weights("Hugging Face CLIP folder", from_hugging_face(load(folder), folder.string()),
                      stated, folder.string());
}

}  // namespace vtr::models
