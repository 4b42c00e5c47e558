// Checkpoints under the authors' names, made here from tiny models of ours: back into another model
// of the same configuration, every weight must be where it was.
#include "vtr/models/weights/imports.h"

#include "support/error_of.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"
#include "support/tiny_clip.h"

#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torch/types.h>

#include <map>

namespace vtr::models {
namespace {

using test::expect_error;
using test::tensor_near;
using Names = std::vector<std::pair<std::string, std::string>>;  // a part of ours, of theirs

constexpr int64_t kFrames = 4, kWords = 9;

struct Model {
  std::string head = "mean_pool", head_options = "{}", encoder = "clip", encoder_options = "{}";
  ModelOptions options() const {
    config::Node sizes = test::tiny_clip_options();
    for (const auto& item : YAML::Load(encoder_options)) sizes[item.first.Scalar()] = item.second;
    return resolve({"", {encoder, sizes}, {head, YAML::Load(head_options)}}, false);
  }
  // Every weight at random, so that none is equal by its start.
  std::shared_ptr<Retriever> make() const {
    const auto model = make_retriever(options(), kFrames, kWords, {}, false);
    const torch::NoGradGuard no_grad;
    for (auto& p : model->parameters()) p.normal_(0, 0.5);
    return model;
  }
};

std::map<std::string, Tensor> tensors_of(const torch::nn::Module& module) {
  std::map<std::string, Tensor> result;
  for (const auto& item : module.named_parameters()) result[item.key()] = item.value().detach();
  return result;
}

// The authors' file of a model: the first pair whose part is in a name says what theirs is.
TensorMap checkpoint(const Retriever& model, const Names& names, at::ScalarType type = at::kFloat) {
  TensorMap result;
  for (const auto& [ours, tensor] : tensors_of(model)) {
    std::string name = ours;
    for (const auto& [from, to] : names) {
      if (const size_t at = name.find(from); at != std::string::npos) {
        name.replace(at, from.size(), to);
        break;
      }
    }
    result.emplace_back(name, tensor.to(type));
  }
  return result;
}

const Names kInPoolFrames{{"head.", "pool_frames."}};
const Names kPositions{{"head.temporal.positions", "frame_position_embeddings.weight"},
                       {"head.", ""}};

class Imports : public testing::Test {
 protected:
  Imports() { torch::manual_seed(1); }

  std::string write(const TensorMap& tensors) const {
    save_safetensors(dir / "authors.safetensors", tensors, {{"epoch", "3"}});
    return (dir / "authors.safetensors").string();
  }
  // The file in a model of that kind; `dead` receives what is dead in it.
  std::shared_ptr<Retriever> import(const std::string& system, const Model& kind,
                                    const TensorMap& tensors,
                                    std::vector<std::string>* dead = nullptr) const {
    const Import found = read_import(system, write(tensors));
    ModelOptions options = kind.options();
    options = sized(options, found);
    const auto model = make_retriever(options, kFrames, kWords, {}, false);
    auto names = load_import(*model, found);
    if (dead != nullptr) *dead = std::move(names);
    return model;
  }
  static void expect_equal(const Retriever& got, const Retriever& want, double bound = 0) {
    const auto expected = tensors_of(want);
    for (const auto& [name, tensor] : tensors_of(got)) {
      EXPECT_TRUE(tensor_near(tensor, expected.at(name), bound)) << name;
    }
  }
  test::TempDir dir;
};

const Model kXPool{.head = "cross", .head_options = "{heads: 2}"};

// The published ones: transformers' own file of a tiny CLIP, under X-Pool's prefix.
TEST_F(Imports, XPoolInHuggingFacesNames) {
  const std::string folder = VTR_FIXTURES "/models/clip_tiny";
  TensorMap tensors;
  for (const auto& [name, tensor] : load_safetensors(folder + "/model.safetensors")) {
    tensors.emplace_back("clip." + name, tensor);
  }
  tensors.emplace_back("clip.text_model.embeddings.position_ids", torch::arange(16));
  const auto model = kXPool.make();
  for (const auto& [name, tensor] : tensors_of(model->head())) {
    tensors.emplace_back("pool_frames." + name, tensor);
  }
  std::vector<std::string> dead;
  const auto got = import("xpool", kXPool, tensors, &dead);
  EXPECT_EQ(dead, std::vector<std::string>{"clip.text_model.embeddings.position_ids"});
  const auto clip = encoders().find("clip").make(test::tiny_clip_options(), folder);
  const auto have = tensors_of(got->encoders());
  for (const auto& [name, tensor] : tensors_of(*clip)) {
    EXPECT_TRUE(tensor_near(have.at(name), tensor, 0)) << name;
  }
  for (const auto& [name, tensor] : tensors_of(got->head())) {
    EXPECT_TRUE(tensor_near(tensor, tensors_of(model->head()).at(name), 0)) << name;
  }
}

TEST_F(Imports, Clip4clipsHalfPrecisionBecomesFloat) {
  const Model kind;
  const auto model = kind.make();
  const auto got = import("clip4clip", kind, checkpoint(*model, {}, at::kHalf));
  EXPECT_EQ(got->encoders().logit_scale().scalar_type(), at::kFloat);
  expect_equal(*got, *model, 2e-3);  // half a unit of ten bits, of values up to 4
}

// X-CLIP's matrices are as large as its texts and videos.
TEST_F(Imports, OtherFramesOrWordsAreRefusedWithBothShapes) {
  const Model kind{.head = "xclip", .head_options = "{heads: 2}"};
  const auto found = read_import("xclip", write(checkpoint(*kind.make(), kPositions)));
  const auto refused = [&](int64_t frames, int64_t words, const std::string& why) {
    const auto model = make_retriever(sized(kind.options(), found), frames, words, {}, false);
    expect_error([&] { load_import(*model, found); }, why);
    expect_error([&] { load_import(*model, found); }, "follow video.frames and text.max_words");
  };
  refused(kFrames + 1, kWords, "head.frame_mat_weight2 [4, 4] (needed [5, 5])");
  refused(kFrames, kWords - 1, "head.word_mat_weight2 [9, 9] (needed [8, 8])");
}

// CLIPs of transformers' making in STAN's module, which names their parts anew.
TEST_F(Imports, StanInHuggingFacesNames) {
  const std::string folder = VTR_FIXTURES "/models/clip_tiny";
  const Model kind{.encoder = "stan", .encoder_options = "{depth: 2}"};
  const auto model = kind.make();
  TensorMap tensors;
  for (const auto& [name, tensor] : load_safetensors(folder + "/model.safetensors")) {
    std::string theirs = name.starts_with("text_") ? "text_backbone." + name : "backbone." + name;
    for (const std::string part :
         {"vision_model.embeddings.", "vision_model.encoder.", "vision_model."}) {
      if (const size_t at = theirs.find(part); at != std::string::npos)
        theirs.erase(at, part.size());
    }
    if (name != "logit_scale") tensors.emplace_back(theirs, tensor);
  }
  for (const auto& [name, tensor] : tensors_of(model->encoders())) {
    if (name.starts_with("STAN_")) tensors.emplace_back("backbone." + name, tensor);
  }
  const auto got = import("stan", kind, tensors);
  EXPECT_NEAR(got->encoders().logit_scale().item<float>(), std::log(100), 1e-6);
  const auto clip = tensors_of(*encoders().find("clip").make(test::tiny_clip_options(), folder));
  const auto added = tensors_of(model->encoders());
  for (const auto& [name, tensor] : tensors_of(got->encoders())) {
    if (name == "logit_scale") continue;
    const auto& want = name.starts_with("STAN_") ? added.at(name) : clip.at(name);
    EXPECT_TRUE(tensor_near(tensor, want, 0)) << name;
  }
}

TEST_F(Imports, SizesComeFromTheFile) {
  const auto found = read_import("clip4clip", write(checkpoint(*Model{}.make(), {})));
  EXPECT_EQ(found.metadata.at("epoch"), "3");
  ModelOptions options;
  options.weights = "imported";
  options.encoder.options = YAML::Load("{vision_heads: 3, text_heads: 2}");
  options = sized(options, found);
  EXPECT_EQ(options.weights, "");
  EXPECT_EQ(options.encoder.options["vision_width"].as<int>(), 48);
  options.encoder.options["vision_width"] = "96";
  expect_error([&] { sized(options, found); },
               "model.encoder.vision_width: 96 is asked for, but " + found.file + " has 48");
  options.encoder.name = "torchscript";
  expect_error(
      [&] { sized(options, found); },
      "model.encoder.name: the weights of clip4clip are for 'clip', not for 'torchscript'");
}

TEST_F(Imports, AllThatDoesNotFitIsNamedInGroups) {
  const auto model = kXPool.make();
  auto tensors = checkpoint(*model, kInPoolFrames);
  std::erase_if(tensors, [](const auto& item) {
    return item.first.find("visual.transformer.resblocks.") != std::string::npos &&
           item.first.ends_with("c_fc.bias");
  });
  for (auto& [name, tensor] : tensors) {
    if (name == "pool_frames.layer_norm3.bias") tensor = torch::ones({25});
  }
  tensors.emplace_back("pool_frames.extra", torch::ones({2}));
  tensors.emplace_back("sampler.0.weight", torch::ones({2}));
  expect_error([&] { import("xpool", kXPool, tensors); },
               "not the weights of the configured model; missing: "
               "clip.visual.transformer.resblocks.*.mlp.c_fc.bias [192] (2); of no use in it: "
               "head.extra [2], sampler.0.weight; of another shape: head.layer_norm3.bias [25] "
               "(needed [24]) (a head's sizes follow");
}

TEST_F(Imports, AnotherSystemsFileIsRefusedByItsName) {
  const auto xpool = checkpoint(*kXPool.make(), kInPoolFrames);
  expect_error([&] { import("clip4clip", {}, xpool); }, "use --from xpool");
  expect_error([&] { read_import("stan", write(checkpoint(*Model{}.make(), {}))); },
               "no weights of encoders as stan names them; it holds: clip.");
  expect_error([&] { read_import("x-pool", write(xpool)); }, "unknown system 'x-pool'");
  // Of CLIP4Clip's without a head, X-Pool's is missing.
  expect_error([&] { import("xpool", kXPool, checkpoint(*Model{}.make(), {})); },
               "missing: head.cross_attn.k_proj.bias [24]");
}

struct System {
  std::string test, name;
  Model model;
  Names names = kPositions;
  std::vector<std::string> dead{};
};

class EverySystem : public Imports, public testing::WithParamInterface<System> {};

TEST_P(EverySystem, EveryWeightIsWhereItWas) {
  const auto& [test, name, kind, names, dead] = GetParam();
  const auto model = kind.make();
  auto tensors = checkpoint(*model, names);
  for (auto& [theirs, tensor] : tensors) {
    if (theirs.ends_with("position_embeddings.weight")) {  // 77 rows, whatever the frames
      tensor = torch::cat({tensor, torch::ones({77 - tensor.size(0), tensor.size(1)})});
    }
  }
  for (const auto& unused : dead) tensors.emplace_back(unused, torch::ones({2, 2}));
  std::vector<std::string> left_out;
  expect_equal(*import(name, kind, tensors, &left_out), *model);
  std::ranges::sort(left_out);
  EXPECT_EQ(left_out, dead);
}

INSTANTIATE_TEST_SUITE_P(
    Table, EverySystem,
    testing::Values(
        System{"XPool", "xpool", kXPool, kInPoolFrames}, System{"XPoolMean", "xpool", {}},
        System{"MeanP", "clip4clip", {}},
        System{"SeqLstm",
               "clip4clip",
               {.head = "seq_lstm"},
               {{"head.", ""}},
               {"frame_position_embeddings.weight"}},
        System{"SeqTransf", "clip4clip", {.head = "seq_transf", .head_options = "{heads: 2}"}},
        System{"TightTransf",
               "clip4clip",
               {.head = "tight_transf", .head_options = "{heads: 2}"},
               {{"head.temporal.positions", "cross.embeddings.position_embeddings.weight"},
                {"head.", ""}}},
        System{"XClip", "xclip", {.head = "xclip", .head_options = "{heads: 2}"}},
        System{
            "Ts2Net",
            "ts2net",
            {.head = "ts2",
             .head_options = "{heads: 2}",
             .encoder = "ts2_shift",
             .encoder_options = "{shift_layers: 1}"},
            {{"head.temporal.positions", "frame_position_embeddings.weight"},
             {"head.", ""},
             {"visual.transformer.resblocks.1.attn.", "visual.transformer.resblocks.1.attn.net."}},
            {"text_token_selector.weight", "visual_prompt_encoder.weight"}},
        System{"Dgl",
               "dgl",
               {.encoder = "dgl", .encoder_options = "{frames: 4}"},
               kPositions,
               {"clip.visual.position_ids"}},
        System{"DglLinear", "dgl", {.encoder = "dgl", .encoder_options = "{generator: linear}"}},
        System{"CenterClip",
               "centerclip",
               {.head = "seq_transf",
                .head_options = "{heads: 2}",
                .encoder = "centerclip",
                .encoder_options = "{clusters: [\"1:2x8\"]}"},
               kPositions,
               {"clip.visual.position_ids"}}),
    [](const auto& p) { return p.param.test; });

}  // namespace
}  // namespace vtr::models
