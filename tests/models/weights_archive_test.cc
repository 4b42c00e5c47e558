// OpenAI's TorchScript archives, written by export_torchscript or by hand.
#include "support/error_of.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"
#include "support/tiny_clip.h"

#include "vtr/core/error.h"
#include "vtr/models/weights/copy.h"
#include "vtr/models/weights/export.h"
#include "vtr/models/weights/weights.h"

#include <torch/script.h>
#include <torch/serialize.h>
#include <torch/types.h>

#include <caffe2/serialize/inline_container.h>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>

namespace vtr::models {
namespace {

using test::expect_error;
using test::tensor_near;
using test::tiny_batch;
using test::tiny_clip;

std::shared_ptr<Encoders> make(const std::string& name, const std::filesystem::path& path,
                               const config::Node& options = {}) {
  return encoders().find(name).make(options, path.string());
}

// The parameters of a CLIP as an archive without code, changed by `edit`: a null tensor drops one.
std::filesystem::path archive_of(const test::TempDir& dir, Encoders& clip,
                                 const std::map<std::string, Tensor>& edit) {
  TensorMap tensors;
  for (const auto& item : clip.named_parameters()) {
    const auto found = edit.find(item.key());
    const Tensor value = found == edit.end() ? item.value().detach() : found->second;
    if (value.defined()) tensors.emplace_back(item.key(), value);
  }
  for (const auto& [name, value] : edit) {
    if (!clip.named_parameters().contains(name)) tensors.emplace_back(name, value);
  }
  std::map<std::string, torch::jit::Module> modules;
  const std::function<torch::jit::Module&(const std::string&)> module_at =
      [&](const std::string& path) -> torch::jit::Module& {
    if (!modules.contains(path)) {
      torch::jit::Module module("M" + std::to_string(modules.size()));
      modules.emplace(path, module);
      if (!path.empty()) {
        const size_t dot = path.rfind('.');
        module_at(dot == std::string::npos ? "" : path.substr(0, dot))
            .register_module(path.substr(dot + 1), module);
      }
    }
    return modules.at(path);
  };
  for (const auto& [name, value] : tensors) {
    const size_t dot = name.rfind('.');
    module_at(dot == std::string::npos ? "" : name.substr(0, dot))
        .register_parameter(name.substr(dot + 1), value, false);
  }
  module_at("").save((dir / "edited.pt").string());
  return dir / "edited.pt";
}

// The archive as a machine with a GPU would have saved it: its storages and its code name cuda:0.
std::filesystem::path saved_on_gpu(const test::TempDir& dir, const std::filesystem::path& path) {
  caffe2::serialize::PyTorchStreamReader reader(path.string());
  caffe2::serialize::PyTorchStreamWriter writer((dir / "gpu.pt").string());
  const std::string cpu("X\x03\0\0\0cpu", 8), gpu("X\x06\0\0\0cuda:0", 11);  // pickled strings
  for (const auto& name : reader.getAllRecords()) {
    const auto [data, size] = reader.getRecord(name);
    std::string bytes(static_cast<const char*>(data.get()), size);
    const size_t at = name.ends_with(".pkl") ? bytes.find(cpu) : std::string::npos;
    if (at != std::string::npos) bytes.replace(at, cpu.size(), gpu);
    if (name != "version" && !name.starts_with(".data/")) {
      writer.writeRecord(name, bytes.data(), bytes.size());
    }
  }
  writer.writeEndOfFile();
  return dir / "gpu.pt";
}

class Archive : public testing::Test {
 protected:
  test::TempDir dir_;
  std::shared_ptr<Encoders> clip_ = tiny_clip();
  test::TinyBatch batch_ = tiny_batch();
  torch::NoGradGuard no_grad_;

  Tensor frames(Encoders& e) { return e.encode_video(batch_.pixels, batch_.video_mask, {}).frames; }
  Tensor texts(Encoders& e) { return e.encode_text(batch_.ids, batch_.text_mask, {}).pooled; }
};

TEST_F(Archive, IsReadBackAsAClip) {
  export_torchscript(*clip_, dir_ / "a.pt", /*half=*/false);
  const Weights weights = open_weights(dir_ / "a.pt");
  EXPECT_EQ(weights.info.kind, "OpenAI CLIP archive");
  EXPECT_EQ(weights.info.encoders, "clip");
  EXPECT_EQ(weights.info.dtype, "Float");
  EXPECT_EQ(weights.info.tensors, static_cast<int64_t>(clip_->parameters().size()));
  const auto read = make("clip", dir_ / "a.pt");
  EXPECT_TRUE(tensor_near(frames(*read), frames(*clip_), 0));
  EXPECT_TRUE(tensor_near(texts(*read), texts(*clip_), 0));
}

TEST_F(Archive, TellsItsSizesAndHeads) {
  export_torchscript(*clip_, dir_ / "a.pt", /*half=*/false);
  const auto resolved = encoders().find("clip").infer({}, (dir_ / "a.pt").string());
  for (const auto& item : test::tiny_clip_options()) {
    const auto name = item.first.as<std::string>();
    EXPECT_EQ(resolved[name].as<int>(), item.second.as<int>()) << name;
  }
  const auto rebuilt = encoders().find("clip").make(resolved, "");
  EXPECT_EQ(rebuilt->parameters().size(), clip_->parameters().size());
}

// The same mathematics through other kernels: float32's rounding.
TEST_F(Archive, ComputesByItself) {
  export_torchscript(*clip_, dir_ / "a.pt", /*half=*/false);
  auto module = torch::jit::load((dir_ / "a.pt").string());
  const Tensor image = module.get_method("encode_image")({batch_.pixels.flatten(0, 1)}).toTensor();
  EXPECT_TRUE(tensor_near(image.view({3, 4, 24}), frames(*clip_), 1e-5));
  const Tensor text = module.get_method("encode_text")({batch_.ids}).toTensor();
  EXPECT_TRUE(tensor_near(text, texts(*clip_), 1e-5));
  const auto logits =
      module.forward({batch_.pixels.select(1, 0), batch_.ids}).toTuple()->elements();
  const auto unit = [](const Tensor& x) { return x / x.norm(2, -1, true); };
  const Tensor want = at::matmul(unit(frames(*clip_).select(1, 0)), unit(texts(*clip_)).t()) / 0.07;
  EXPECT_TRUE(tensor_near(logits[0].toTensor(), want, 1e-4));  // values reach 14
  EXPECT_TRUE(tensor_near(logits[1].toTensor(), want.t(), 1e-4));
  EXPECT_EQ(module.attr("input_resolution").toTensor().item<int64_t>(), 32);
  EXPECT_EQ(module.attr("context_length").toTensor().item<int64_t>(), 16);
  EXPECT_EQ(module.attr("vocab_size").toTensor().item<int64_t>(), 100);
}

TEST_F(Archive, SavedOnAGpuIsReadToTheCpu) {
  auto module = torch::jit::load(archive_of(dir_, *clip_, {}).string());
  module.define(
      "def encode_image(self, image: Tensor) -> Tensor:\n"
      "  return torch.to(image, torch.device(\"cuda:0\"), 5)\n");
  module.save((dir_ / "a.pt").string());
  const auto path = saved_on_gpu(dir_, dir_ / "a.pt");
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  ASSERT_NE(bytes.find("X\x06", 0), std::string::npos);
  if (!at::hasCUDA()) {
    EXPECT_ANY_THROW(torch::jit::load(path.string()));  // the mapping matters
  }
  EXPECT_TRUE(
      tensor_near(frames(*make("clip", path, test::tiny_clip_options())), frames(*clip_), 0));
}

TEST_F(Archive, GeluIsExportedAndReadBack) {
  auto options = test::tiny_clip_options();
  options["activation"] = "gelu";
  const auto gelu = encoders().find("clip").make(options, "");
  export_torchscript(*gelu, dir_ / "a.pt", /*half=*/false);
  EXPECT_TRUE(tensor_near(frames(*make("clip", dir_ / "a.pt")), frames(*gelu), 0));
  EXPECT_TRUE(tensor_near(frames(*make("torchscript", dir_ / "a.pt")), frames(*gelu), 1e-5));
}

// float16 keeps 11 bits of each weight.
TEST_F(Archive, HalfWeightsAreReadAsFloat) {
  export_torchscript(*clip_, dir_ / "a.pt", /*half=*/true);
  EXPECT_EQ(open_weights(dir_ / "a.pt").info.dtype, "Half");
  const auto read = make("clip", dir_ / "a.pt");
  EXPECT_EQ(read->parameters()[0].scalar_type(), at::kFloat);
  EXPECT_TRUE(tensor_near(frames(*read), frames(*clip_), 1e-2));
  EXPECT_TRUE(tensor_near(texts(*make("torchscript", dir_ / "a.pt")), texts(*clip_), 1e-2));
}

TEST_F(Archive, GivesTheSameAsABlackBox) {
  export_torchscript(*clip_, dir_ / "a.pt", /*half=*/false);
  const auto box = make("torchscript", dir_ / "a.pt");
  const auto info = box->info();
  EXPECT_EQ(info.width, 24);
  EXPECT_EQ(info.resolution, 32);
  EXPECT_EQ(info.context, 16);
  EXPECT_EQ(info.vocab, 100);
  EXPECT_TRUE(tensor_near(frames(*box), frames(*clip_), 1e-5));
  EXPECT_TRUE(tensor_near(texts(*box), texts(*clip_), 1e-5));
  expect_error([&] { box->encode_text(batch_.ids, batch_.text_mask, {.tokens = true}); },
               "no token features");
  expect_error([&] { box->encode_video(batch_.pixels, batch_.video_mask, {.patches = true}); },
               "no patch");
  expect_error([&] { export_torchscript(*box, dir_ / "b.pt", false); }, "only CLIP encoders");
}

TEST_F(Archive, SaysWhichTensorsDoNotFit) {
  const auto fails = [&](const std::map<std::string, Tensor>& edit, const std::string& words) {
    const auto path = archive_of(dir_, *clip_, edit);
    expect_error([&] { make("clip", path, test::tiny_clip_options()); }, words);
    expect_error([&] { make("clip", path, test::tiny_clip_options()); }, "edited.pt");
  };
  EXPECT_NO_THROW(make("clip", archive_of(dir_, *clip_, {}), test::tiny_clip_options()));
  fails({{"visual.proj", {}}}, "missing visual.proj [48, 24]");
  fails({{"visual.extra", at::ones({2, 3})}}, "unexpected visual.extra [2, 3]");
  fails({{"ln_final.bias", at::ones(5)}}, "of another shape ln_final.bias [5] (needed [32])");
  fails({{"token_embedding.weight", {}}}, "no tensor 'token_embedding.weight'");
  fails({{"text_projection", at::ones(3)}}, "'text_projection' has the shape [3], 2 dimensions");
  fails({{"visual.positional_embedding", at::ones({16, 48})}}, "15 patches are no square grid");
  fails({{"visual.ln_post.weight", at::full(48, NAN)}},
        "'visual.ln_post.weight' holds NaN or infinity");
  fails({{"visual.proj", at::full({48, 24}, INFINITY)}}, "'visual.proj' holds NaN");
  fails({{"visual.attnpool.positional_embedding", at::ones(1)}}, "ResNet");
  fails({{"visual.conv1.weight", {}}}, "without encode_image");
}

TEST_F(Archive, OptionsThatContradictItAreRefused) {
  export_torchscript(*clip_, dir_ / "a.pt", /*half=*/false);
  expect_error([&] { make("clip", dir_ / "a.pt", YAML::Load("{patch: 16}")); },
               "model.encoder.patch: 16 is asked for, but");
  expect_error([&] { make("clip", dir_ / "a.pt", YAML::Load("{patches: 8}")); }, "no such option");
}

TEST_F(Archive, WhatIsNoArchiveIsNamed) {
  expect_error([&] { open_weights(dir_ / "missing.pt"); }, "missing.pt: no such weights");
  expect_error([&] { open_weights(dir_.write("text.pt", "hello, I am a text file")); },
               "neither a TorchScript");
  expect_error([&] { open_weights(dir_.write("empty.pt", "")); }, "neither a TorchScript");
  expect_error([&] { open_weights(dir_.write("legacy.pt", "\x80\x02 pickle")); }, "torch.save");
  expect_error([&] { open_weights(dir_.write("zip.pt", "PK\x03\x04 and no more")); },
               "zip.pt: not a readable");
  torch::save(at::ones(3), (dir_ / "tensor.pt").string());
  EXPECT_NE(test::error_of([&] { open_weights(dir_ / "tensor.pt"); }), "no error");
}

TEST_F(Archive, TruncationAndCorruptionNeverCrash) {
  export_torchscript(*clip_, dir_ / "a.pt", /*half=*/false);
  std::ifstream in(dir_ / "a.pt", std::ios::binary);
  const std::string sound{std::istreambuf_iterator<char>(in), {}};
  for (const double part : {0.01, 0.3, 0.9, 0.999}) {
    const auto path = dir_.write("b.pt", sound.substr(0, static_cast<size_t>(part * sound.size())));
    expect_error([&] { open_weights(path); }, "b.pt: not a readable TorchScript archive");
  }
  torch::manual_seed(1);
  for (int i = 0; i < 40; ++i) {
    std::string bytes = sound;
    const auto at = at::randint(static_cast<int64_t>(bytes.size()), {1}).item<int64_t>();
    bytes[static_cast<size_t>(at)] ^= 0x55;
    try {
      open_weights(dir_.write("b.pt", bytes));
    } catch (const Error&) {
    }
  }
}

TEST_F(Archive, AFailedExportLeavesNothing) {
  EXPECT_THROW(export_torchscript(*clip_, dir_ / "no_folder" / "a.pt", false), Error);
  EXPECT_THROW(export_safetensors(*clip_, dir_ / "no_folder" / "a", false), Error);
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
}

}  // namespace
}  // namespace vtr::models
