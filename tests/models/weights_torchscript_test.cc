// Black boxes: two TorchScript files with forward, of any inside.
#include "support/error_of.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"
#include "support/tiny_clip.h"

#include "vtr/core/error.h"
#include "vtr/models/retriever.h"
#include "vtr/models/weights/weights.h"

#include <torch/optim/sgd.h>
#include <torch/script.h>
#include <torch/types.h>

namespace vtr::models {
namespace {

using test::tensor_near;

// Mean colour through a matrix, and bags of words: forward(image) and forward(text).
torch::jit::Module image_box(int64_t width) {
  torch::jit::Module module("Image");
  module.register_parameter("weight", at::randn({3, width}), false);
  module.define(R"(
def forward(self, image: Tensor) -> Tuple[Tensor, Tensor]:
  pixels = torch.transpose(torch.flatten(image, 2), 1, 2)
  patches = torch.matmul(pixels, self.weight)
  return (torch.mean(patches, [1]), patches)
)");
  return module;
}

torch::jit::Module text_box(int64_t width) {
  torch::jit::Module inner("Words"), module("Text");
  inner.register_parameter("weight", at::randn({50, width}), false);
  module.register_module("words", inner);
  module.register_buffer("context_length", at::scalar_tensor(6, at::kLong));
  module.define(R"(
def forward(self, text: Tensor) -> Tensor:
  return torch.mean(torch.embedding(self.words.weight, text), [1])
)");
  return module;
}

class BlackBox : public testing::Test {
 protected:
  void SetUp() override {
    torch::manual_seed(1);
    image_box(8).save((dir_ / "image.pt").string());
    text_box(8).save((dir_ / "text.pt").string());
    options_["image"] = (dir_ / "image.pt").string();
    options_["text"] = (dir_ / "text.pt").string();
    options_["resolution"] = "4";
  }
  std::shared_ptr<Encoders> make() { return encoders().find("torchscript").make(options_, ""); }
  std::string error() {
    try {
      make();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  test::TempDir dir_;
  config::Node options_;
  Tensor ids_ = torch::tensor({{3, 4, 5}, {7, 8, 0}}), text_mask_ = test::lengths_mask({3, 2}, 3);
  Tensor pixels_ = at::ones({2, 5, 3, 4, 4}), video_mask_ = at::ones({2, 5}, at::kBool);
};

TEST_F(BlackBox, SizesAreStatedOrProbed) {
  const auto resolved = encoders().find("torchscript").infer(options_, "");
  EXPECT_EQ(resolved["width"].as<int>(), 8);
  EXPECT_EQ(resolved["context"].as<int>(), 6);
  EXPECT_EQ(resolved["resolution"].as<int>(), 4);
  options_.remove("resolution");
  EXPECT_EQ(make()->info().resolution, 224);  // it takes any: the first that is tried
}

TEST_F(BlackBox, TextsArePaddedToTheContext) {
  options_["pad"] = "1";
  const auto box = make();
  const Tensor whole = torch::tensor({{3, 4, 5, 1, 1, 1}, {7, 8, 1, 1, 1, 1}});
  const auto want = box->encode_text(whole, at::ones_like(whole, at::kBool), {}).pooled;
  EXPECT_TRUE(tensor_near(box->encode_text(ids_, text_mask_, {}).pooled, want, 0));
  const Tensor longer = at::zeros({1, 7}, at::kLong);
  EXPECT_THROW(box->encode_text(longer, at::ones_like(longer, at::kBool), {}), Error);
}

TEST_F(BlackBox, PatchesComeFromAPair) {
  const auto box = make();
  const auto video = box->encode_video(pixels_, video_mask_, {.patches = true});
  EXPECT_EQ(video.frames.sizes(), (std::vector<int64_t>{2, 5, 8}));
  EXPECT_EQ(video.patches.sizes(), (std::vector<int64_t>{2, 5, 16, 8}));
  EXPECT_THROW(box->encode_text(ids_, text_mask_, {.tokens = true}), Error);
}

TEST_F(BlackBox, RefusesAHeadThatWantsMoreThanItGives) {
  const auto build = [&](const std::string& head) {
    make_retriever({.weights = "", .encoder = {"torchscript", options_}, .head = {head, {}}}, 5, 6,
                   {}, true);
  };
  EXPECT_EQ(test::error_of([&] { build("xclip"); }),
            "model.head: xclip needs the features of every token, which the encoders 'torchscript' "
            "do not give");
  EXPECT_EQ(test::error_of([&] { build("xpool"); }), "no error");
  torch::jit::Module plain("Plain");  // frames, no patches
  plain.define(
      "def forward(self, image: Tensor) -> Tensor:\n"
      "  return torch.mean(torch.flatten(image, 2), [2]).repeat(1, 8)\n");
  plain.save((dir_ / "image.pt").string());
  text_box(24).save((dir_ / "text.pt").string());
  EXPECT_EQ(test::error_of([&] { build("ts2"); }),
            "model.head: ts2 needs the features of every patch, which the encoders 'torchscript' "
            "do not give");
}

TEST_F(BlackBox, TrainsThroughItsParameters) {
  const auto box = make();
  const auto parameters = box->named_parameters();
  ASSERT_TRUE(parameters.contains("image.weight"));
  ASSERT_TRUE(parameters.contains("text.words.weight"));
  torch::optim::SGD optimizer(box->parameters(), 0.1);
  const auto loss = [&] {
    const auto video = box->encode_video(pixels_, video_mask_, {}).frames.mean(1);
    const auto text = box->encode_text(ids_, text_mask_, {}).pooled;
    return ((video - text).square().mean() * box->logit_scale().exp());
  };
  const double before = loss().item<double>();
  for (int i = 0; i < 5; ++i) {
    optimizer.zero_grad();
    loss().backward();
    optimizer.step();
  }
  EXPECT_LT(loss().item<double>(), before);
  EXPECT_TRUE(parameters["text.words.weight"].grad().defined());
  EXPECT_TRUE(box->logit_scale().grad().defined());
}

TEST_F(BlackBox, FrozenLeavesOnlyTheTemperature) {
  options_["frozen"] = "true";
  const auto box = make();
  for (const auto& item : box->named_parameters()) {
    EXPECT_EQ(item.value().requires_grad(), item.key() == "logit_scale") << item.key();
  }
  EXPECT_FALSE(box->encode_text(ids_, text_mask_, {}).pooled.requires_grad());
}

TEST_F(BlackBox, IsToldFromAClip) {
  const auto info = open_weights(dir_ / "image.pt").info;
  EXPECT_EQ(info.kind, "TorchScript module");
  EXPECT_EQ(info.encoders, "torchscript");
  EXPECT_EQ(info.parameters, 24);
  EXPECT_THROW(encoders().find("clip").make({}, (dir_ / "image.pt").string()), Error);
}

TEST_F(BlackBox, ErrorsNameTheFile) {
  options_["width"] = "9";
  EXPECT_NE(error().find("model.encoder.width is 9"), std::string::npos) << error();
  options_.remove("width");
  text_box(5).save((dir_ / "text.pt").string());
  EXPECT_NE(error().find("images have 8 features, texts 5"), std::string::npos) << error();
  options_["text"] = (dir_ / "image.pt").string();
  EXPECT_NE(error().find("image.pt: has no encode_image and encode_text"), std::string::npos)
      << error();
  options_["image"] = (dir_ / "none.pt").string();
  EXPECT_NE(error().find("none.pt: no such file"), std::string::npos) << error();
  torch::jit::Module("Nothing").save((dir_ / "none.pt").string());
  EXPECT_NE(error().find("none.pt: has neither encode_image nor forward"), std::string::npos)
      << error();
  EXPECT_THROW(open_weights(dir_ / "none.pt"), Error);
  options_ = config::Node();
  EXPECT_NE(error().find("model.encoder.image: a TorchScript file is needed"), std::string::npos);
}

TEST_F(BlackBox, AModuleThatFailsOnEveryFrameIsNamed) {
  torch::jit::Module module("Bad");
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return torch.reshape(x, [7, 11])\n");
  module.save((dir_ / "image.pt").string());
  EXPECT_NE(error().find("image.pt: forward gives no [1, D]"), std::string::npos) << error();
}

}  // namespace
}  // namespace vtr::models
