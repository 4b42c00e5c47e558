#include "support/temp_dir.h"
#include "support/tensor_near.h"

#include "vtr/core/error.h"
#include "vtr/core/random.h"
#include "vtr/models/weights/safetensors.h"

#include <cstring>
#include <fstream>
#include <signal.h>
#include <sys/resource.h>

namespace vtr::models {
namespace {

using test::tensor_near;

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string file_of(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

std::string error_of(const test::TempDir& dir, const std::string& bytes) {
  try {
    load_safetensors(dir.write("bad.safetensors", bytes));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TensorMap samples() {
  TensorMap tensors;
  for (const auto type : {at::kByte, at::kBool, at::kHalf, at::kFloat, at::kDouble, at::kBFloat16,
                          at::kLong, at::kInt, at::kShort, at::kChar}) {
    tensors.emplace_back(toString(type), at::arange(6).reshape({2, 3}).to(type));
  }
  tensors.emplace_back("scalar", at::scalar_tensor(2.5));
  tensors.emplace_back("none", at::empty({0, 3}));
  return tensors;
}

TEST(Safetensors, EveryDtypeComesBackEqual) {
  const test::TempDir dir;
  save_safetensors(dir / "a", samples(), {{"step", "12"}});
  std::map<std::string, std::string> metadata;
  const TensorMap loaded = load_safetensors(dir / "a", &metadata);
  EXPECT_EQ(metadata.at("step"), "12");
  ASSERT_EQ(loaded.size(), samples().size());
  for (const auto& [name, want] : samples()) {
    const auto found = std::find_if(loaded.begin(), loaded.end(),
                                    [&](const auto& item) { return item.first == name; });
    ASSERT_NE(found, loaded.end()) << name;
    EXPECT_EQ(found->second.scalar_type(), want.scalar_type());
    EXPECT_TRUE(tensor_near(found->second, want, 0)) << name;
  }
}

TEST(Safetensors, KeepsTheOrderOfOneDtype) {
  const test::TempDir dir;
  save_safetensors(dir / "a", {{"z", at::ones(2)}, {"a", at::ones(3)}, {"m", at::ones(1)}});
  const TensorMap loaded = load_safetensors(dir / "a");
  EXPECT_EQ(loaded[0].first, "z");
  EXPECT_EQ(loaded[1].first, "a");
  EXPECT_EQ(loaded[2].first, "m");
}

TEST(Safetensors, StridedTensorsAreSavedByValue) {
  const test::TempDir dir;
  const Tensor x = at::arange(12.).reshape({3, 4}).t();
  save_safetensors(dir / "a", {{"x", x}});
  EXPECT_TRUE(tensor_near(load_safetensors(dir / "a")[0].second, x, 0));
}

TEST(Safetensors, TensorsOutliveTheMapAndNeverTouchTheFile) {
  const test::TempDir dir;
  save_safetensors(dir / "a", {{"x", at::ones(4)}, {"y", at::zeros(4)}});
  Tensor x = load_safetensors(dir / "a")[0].second;
  x.add_(1);
  EXPECT_TRUE(tensor_near(x, at::full(4, 2.), 0));
  EXPECT_TRUE(tensor_near(load_safetensors(dir / "a")[0].second, at::ones(4), 0));
}

TEST(Safetensors, DataStartsAtAMultipleOfEight) {
  const test::TempDir dir;
  save_safetensors(dir / "a", {{"odd_name", at::ones(1)}});
  const std::string bytes = bytes_of(dir / "a");
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0u);
}

TEST(Safetensors, MisalignedDataIsCopied) {
  const test::TempDir dir;
  const std::string header = R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} )";
  ASSERT_NE((8 + header.size()) % 4, 0u);
  const float value = 3;
  const auto path =
      dir.write("a", file_of(header, std::string(reinterpret_cast<const char*>(&value), 4)));
  EXPECT_TRUE(tensor_near(load_safetensors(path)[0].second, at::full(1, 3.), 0));
}

TEST(Safetensors, ErrorsNameTheFileAndTheByte) {
  const test::TempDir dir;
  const auto says = [&](const std::string& bytes, const std::string& words) {
    const std::string error = error_of(dir, bytes);
    EXPECT_NE(error.find("bad.safetensors"), std::string::npos) << error;
    EXPECT_NE(error.find("byte"), std::string::npos) << error;
    EXPECT_NE(error.find(words), std::string::npos) << error;
  };
  const auto one = [](const std::string& fields) {
    return file_of("{\"x\":{" + fields + "}}", "abcd");
  };
  says("abc", "too few");
  says(std::string("PK\3\4", 4) + "of a module", "a zip archive, TorchScript's or torch.save's");
  says(file_of("{}", "").substr(0, 9), "a header of 2 bytes in a file of 9");
  says(std::string(16, '\xff'), "a header of 18446744073709551615 bytes");
  says(file_of("{\"x\": nonsense", ""), "not JSON");
  says(file_of("[]", ""), "not a JSON object");
  says(file_of("{\"__metadata__\":{\"a\":1}}", ""), "'a' is not a text");
  says(one(R"("shape":[1],"data_offsets":[0,4])"), "'x' has no dtype");
  says(one(R"("dtype":"F4","shape":[1],"data_offsets":[0,4])"), "unknown dtype \"F4\"");
  says(one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), "the size or offset -1");
  says(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), "shape [2]");
  says(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), "data_offsets [4, 0]");
  says(one(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), "1 data_offsets");
  says(one(R"("dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0])"), "shape [");
  says(one(R"("dtype":"F32","shape":[0,4611686018427387904,4611686018427387904],)"
           R"("data_offsets":[0,0])"),
       "shape [0, ");
  const std::string deep = std::string(300'000, '[') + std::string(300'000, ']');
  says(one(R"("dtype":)" + deep + R"(,"shape":[1],"data_offsets":[0,4])"), "unknown dtype array");
  says(one(R"("dtype":"F32","shape":[)" + deep + R"(],"data_offsets":[0,4])"),
       "the size or offset array");
  says(one(R"("dtype":"U8","shape":[5],"data_offsets":[0,5])"), "truncated?");
  says(one(R"("dtype":"U8","shape":[3],"data_offsets":[1,4])"), "leaves a gap");
  says(file_of(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
               R"("b":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}})",
               "abcd"),
       "overlaps");
  EXPECT_THROW(load_safetensors(dir / "missing"), Error);
  EXPECT_THROW(load_safetensors(dir.path()), Error);
}

// Flips and truncations either give tensors whose every byte can be read, or an Error.
TEST(Safetensors, NoCorruptionCrashes) {
  const test::TempDir dir;
  save_safetensors(dir / "a", samples(), {{"step", "12"}});
  const std::string sound = bytes_of(dir / "a");
  Rng rng(derive(1, "fuzz"));
  int refused = 0;
  for (int i = 0; i < 1500; ++i) {
    std::string bytes = sound;
    for (uint64_t flips = 1 + rng.below(3); flips > 0; --flips) {
      bytes[rng.below(bytes.size())] = static_cast<char>(rng.next());
    }
    if (i % 3 == 0) bytes.resize(rng.below(bytes.size()));
    try {
      for (const auto& [name, tensor] : load_safetensors(dir.write("b", bytes))) tensor.clone();
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 500);
}

TEST(Safetensors, WhatCannotBeSavedIsNamed) {
  const test::TempDir dir;
  EXPECT_THROW(save_safetensors(dir / "a", {{"x", Tensor()}}), Error);
  EXPECT_THROW(save_safetensors(dir / "a", {{"x", at::ones(1)}, {"x", at::ones(1)}}), Error);
  EXPECT_THROW(save_safetensors(dir / "a", {{"x", at::ones(1, at::kComplexFloat)}}), Error);
  EXPECT_THROW(save_safetensors(dir / "a", {{"x", at::ones(1, at::kMeta)}}), Error);
  EXPECT_THROW(save_safetensors(dir / "no_folder" / "a", {{"x", at::ones(1)}}), Error);
  EXPECT_FALSE(std::filesystem::exists(dir / "a"));
}

// A limit on the file's size stands in for a full disk.
TEST(Safetensors, AFullDiskLeavesTheOldFile) {
  const test::TempDir dir;
  save_safetensors(dir / "a", {{"x", at::ones(4)}});
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(save_safetensors(dir / "a", {{"x", at::zeros(100000)}}), Error);
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_TRUE(tensor_near(load_safetensors(dir / "a")[0].second, at::ones(4), 0));
  EXPECT_FALSE(std::filesystem::exists(dir / "a.tmp"));
}

}  // namespace
}  // namespace vtr::models
