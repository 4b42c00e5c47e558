// Hugging Face folders, safetensors in our own naming, and copying into a module. That a folder's
// values land where they belong is shown by clip_parity_test.cc.
#include "support/error_of.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"
#include "support/tiny_clip.h"

#include "vtr/core/error.h"
#include "vtr/models/weights/copy.h"
#include "vtr/models/weights/export.h"
#include "vtr/models/weights/weights.h"

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>
#include <torch/types.h>

#include <fstream>

namespace vtr::models {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::tensor_near;
using test::tiny_clip;

const fs::path kTiny = VTR_FIXTURES "/models/clip_tiny";

// A copy of the tiny folder whose tensors and config may be changed.
class Folder : public testing::Test {
 protected:
  void SetUp() override {
    fs::copy(kTiny, dir_ / "clip");
    tensors_ = load_safetensors(kTiny / "model.safetensors");
  }
  void save() { save_safetensors(dir_ / "clip" / "model.safetensors", tensors_); }
  void configure(const std::string& json) { dir_.write("clip/config.json", json); }
  Weights open() { return open_weights(dir_ / "clip"); }
  std::shared_ptr<Encoders> make() {
    return encoders().find("clip").make({}, (dir_ / "clip").string());
  }

  test::TempDir dir_;
  TensorMap tensors_;
};

TEST_F(Folder, TellsItsSizesHeadsAndActivation) {
  const auto info = open().info;
  EXPECT_EQ(info.kind, "Hugging Face CLIP folder");
  EXPECT_EQ(info.options["vision_heads"].as<int>(), 3);
  EXPECT_EQ(info.options["text_heads"].as<int>(), 2);
  EXPECT_EQ(info.options["image_resolution"].as<int>(), 32);
  EXPECT_EQ(info.options["activation"].as<std::string>(), "quick_gelu");
  EXPECT_EQ(info.dtype, "Float");
  EXPECT_EQ(make()->info().width, 24);
}

TEST_F(Folder, HalfAndBfloat16BecomeFloat) {
  const auto want = make()->parameters();
  for (const auto type : {at::kHalf, at::kBFloat16}) {
    for (auto& [name, tensor] : tensors_) tensor = tensor.to(type);
    save();
    const auto got = make()->parameters();
    EXPECT_EQ(got[0].scalar_type(), at::kFloat);
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_TRUE(tensor_near(got[i], want[i], 0.02));  // 8 bits
  }
}

TEST_F(Folder, ShardsAreJoined) {
  const auto middle = tensors_.begin() + 20;
  save_safetensors(dir_ / "clip" / "one.safetensors", {tensors_.begin(), middle});
  save_safetensors(dir_ / "clip" / "two.safetensors", {middle, tensors_.end()});
  fs::remove(dir_ / "clip" / "model.safetensors");
  dir_.write("clip/model.safetensors.index.json",
             R"({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})");
  EXPECT_EQ(open().info.tensors, open_weights(kTiny).info.tensors);
  dir_.write("clip/model.safetensors.index.json", R"({"weight_map": {"a": "../one.safetensors"}})");
  expect_error([&] { open(); }, "leaves the folder");
  dir_.write("clip/model.safetensors.index.json", "{}");
  expect_error([&] { open(); }, "index.json");
}

TEST_F(Folder, OldPositionIdsAreIgnored) {
  tensors_.emplace_back("text_model.embeddings.position_ids", at::arange(16).unsqueeze(0));
  save();
  EXPECT_NO_THROW(make());
}

TEST_F(Folder, ErrorsNameFileAndTensor) {
  expect_error([&] { open_weights(dir_.path()); }, "a folder without config.json");
  std::erase_if(tensors_, [](const auto& item) {
    return item.first == "text_model.encoder.layers.1.self_attn.k_proj.bias";
  });
  save();
  expect_error([&] { open(); }, "transformer.resblocks.1.attn.in_proj_bias' are not three alike");
  configure("{nonsense");
  expect_error([&] { open(); }, "config.json: not JSON");
  configure(R"({"model_type": "siglip"})");
  expect_error([&] { open(); }, "model_type is 'siglip'");
  configure(R"({"text_config": {"hidden_act": "gelu"}})");
  expect_error([&] { open(); }, "activations differ");
  configure(R"({"text_config": {"hidden_act": "relu"}, "vision_config": {"hidden_act": "relu"}})");
  expect_error([&] { open(); }, "hidden_act 'relu'");
  configure(R"({"vision_config": {"layer_norm_eps": 1e-6}})");
  expect_error([&] { open(); }, "layer_norm_eps");
  configure(R"({"vision_config": 3})");
  expect_error([&] { open(); }, "config.json");
  configure("{}");
  fs::remove(dir_ / "clip" / "model.safetensors");
  expect_error([&] { open(); }, "no model.safetensors");
  dir_.write("clip/pytorch_model.bin", "");
  expect_error([&] { open(); }, "convert its pytorch_model.bin");
}

TEST_F(Folder, NaNIsRefusedWithItsName) {
  tensors_[3].second = at::full_like(tensors_[3].second, NAN);
  save();
  expect_error([&] { make(); }, "holds NaN or infinity");
}

TEST(OwnSafetensors, ComeBackEqualWithHeadsAndActivation) {
  const test::TempDir dir;
  auto options = test::tiny_clip_options();
  options["activation"] = "gelu";
  const auto clip = encoders().find("clip").make(options, "");
  export_safetensors(*clip, dir / "a.safetensors", /*half=*/false);
  const auto resolved = encoders().find("clip").infer({}, (dir / "a.safetensors").string());
  EXPECT_EQ(resolved["activation"].as<std::string>(), "gelu");
  EXPECT_EQ(resolved["vision_heads"].as<int>(), 3);
  const auto read = encoders().find("clip").make({}, (dir / "a.safetensors").string());
  const auto got = read->parameters(), want = clip->parameters();
  for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(tensor_near(got[i], want[i], 0));
  export_safetensors(*clip, dir / "half.safetensors", /*half=*/true);
  EXPECT_EQ(open_weights(dir / "half.safetensors").info.dtype, "Half");
}

TEST(OwnSafetensors, APrefixIsTakenOffAndTheRestLeftOut) {
  const test::TempDir dir;
  const auto clip = tiny_clip();
  TensorMap tensors{{"head.proj.weight", at::ones({2, 2})}};
  for (const auto& item : clip->named_parameters()) {
    tensors.emplace_back("encoders." + item.key(), item.value().detach());
  }
  save_safetensors(dir / "run.safetensors", tensors);
  const auto weights = open_weights(dir / "run.safetensors");
  EXPECT_EQ(weights.info.tensors, static_cast<int64_t>(clip->parameters().size()));
  copy_parameters(*clip, weights.tensors, "run.safetensors");
  save_safetensors(dir / "other.safetensors", {{"x", at::ones(1)}});
  expect_error([&] { open_weights(dir / "other.safetensors"); }, "not a CLIP's weights");
}

TEST(CopyParameters, IsStrictAndListsWhatDoesNotFit) {
  torch::nn::Linear module(3, 2);
  const Tensor before = module->weight.detach().clone();
  expect_error(
      [&] {
        copy_parameters(*module, {{"weight", at::zeros({2, 4})}, {"x", at::ones(1)}}, "f");
      },
      "f: the tensors do not fit this model; missing bias [2]; unexpected x [1]; of another "
      "shape weight [2, 4] (needed [2, 3])");
  EXPECT_TRUE(tensor_near(module->weight, before, 0));
  copy_parameters(*module, {{"weight", at::ones({2, 3}, at::kHalf)}, {"bias", at::ones(2)}}, "f");
  EXPECT_TRUE(tensor_near(module->weight, at::ones({2, 3}), 0));
  EXPECT_TRUE(module->weight.requires_grad());
}

TEST(CopyParameters, ALongListIsCut) {
  TensorMap tensors{{"weight", at::ones({2, 3})}, {"bias", at::ones(2)}};
  for (int i = 0; i < 9; ++i) tensors.emplace_back("x" + std::to_string(i), at::ones(1));
  torch::nn::Linear module(3, 2);
  expect_error([&] { copy_parameters(*module, tensors, "f"); }, "x3 [1] and 5 more");
}

TEST(CopyParameters, BuffersBelongToo) {
  torch::nn::BatchNorm1d module(2);
  TensorMap tensors;
  for (const auto& item : module->named_parameters())
    tensors.emplace_back(item.key(), item.value());
  expect_error([&] { copy_parameters(*module, tensors, "f"); }, "missing num_batches_tracked");
}

TEST(RequireFinite, LargeSumsAreNoInfinity) {
  EXPECT_NO_THROW(require_finite({{"x", at::full(2, 1e308, at::kDouble)}}, "f"));
  expect_error([&] { require_finite({{"x", at::full(3, -INFINITY)}}, "f"); }, "f: 'x' holds NaN");
}

}  // namespace
}  // namespace vtr::models
