#include "support/temp_dir.h"
#include "support/tiny_video.h"

#include "vtr/core/error.h"
#include "vtr/video/frames.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <iterator>

namespace vtr::video {
namespace {

std::string bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The frames' indices, read back from their grey levels.
std::vector<int64_t> levels(const Frames& frames, const Request& request,
                            const test::TinyVideo& tiny = {}) {
  std::vector<int64_t> result;
  const auto size = static_cast<size_t>(3 * request.resolution * request.resolution);
  for (size_t at = size / 2; at < frames.pixels.size(); at += size) {
    const auto level = static_cast<double>(frames.pixels[at] - tiny.first);
    result.push_back(std::lround(level / static_cast<double>(tiny.step)));
  }
  return result;
}

std::string error_of(const fs::path& path) {
  try {
    read_frames(path, {.resolution = 16});
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

void expect_error(const fs::path& path, const std::string& what) {
  const std::string message = error_of(path);
  EXPECT_NE(message.find(path.string()), std::string::npos) << message;
  EXPECT_NE(message.find(what), std::string::npos) << message;
}

// The frame count in the stream header of an AVI file.
void state_frames(std::string& avi, uint32_t count) {
  const size_t header = avi.find("strh");
  ASSERT_NE(header, std::string::npos);
  std::memcpy(avi.data() + header + 8 + 32, &count, sizeof count);
}

TEST(Decode, TheSampledFramesComeInOrder) {
  test::TempDir dir;
  for (const char* name : {"a.mp4", "a.avi"}) {
    const auto path = test::write_tiny_video(dir / name, {.frames = 20});
    const Request request{.frames = 4, .resolution = 16};
    const Frames frames = read_frames(path, request);
    EXPECT_EQ(frames.valid, 4) << name;
    EXPECT_EQ(frames.pixels.size(), 4u * 3 * 16 * 16);
    EXPECT_EQ(levels(frames, request), sample_indices(20, request)) << name;
  }
}

TEST(Decode, EveryRuleGivesTheFramesItNames) {
  test::TempDir dir;
  const auto path = test::write_tiny_video(dir / "a.mp4", {.frames = 20});
  for (const auto& rule : sampling_rules().values) {
    const Request request{.frames = 7, .resolution = 16, .sampling = rule, .seed = 5};
    EXPECT_EQ(levels(read_frames(path, request), request), sample_indices(20, request)) << rule;
  }
}

TEST(Decode, AOneFrameVideoIsRepeated) {
  test::TempDir dir;
  const auto path = test::write_tiny_video(dir / "one.mp4", {.frames = 1});
  const Request request{.frames = 12, .resolution = 16};
  const Frames frames = read_frames(path, request);
  EXPECT_EQ(frames.valid, 1);
  EXPECT_EQ(levels(frames, request), std::vector<int64_t>(12, 0));
}

TEST(Decode, AShortVideoRepeatsItsLastFrame) {
  test::TempDir dir;
  const auto path = test::write_tiny_video(dir / "three.mp4", {.frames = 3});
  const Request request{.frames = 5, .resolution = 16};
  const Frames frames = read_frames(path, request);
  EXPECT_EQ(frames.valid, 3);
  EXPECT_EQ(levels(frames, request), (std::vector<int64_t>{0, 1, 2, 2, 2}));
}

TEST(Decode, AWrongFrameCountInTheContainerIsNoticed) {
  test::TempDir dir;
  std::string avi = bytes_of(test::write_tiny_video(dir / "a.avi", {.frames = 20}));
  const Request request{.frames = 4, .resolution = 16};
  for (const uint32_t count : {0u, 19u, 21u, 400u, 0xFFFFFFFFu}) {
    state_frames(avi, count);
    const auto path = dir.write("wrong.avi", avi);
    const Frames frames = read_frames(path, request);
    EXPECT_EQ(frames.valid, 4) << count;
    EXPECT_EQ(levels(frames, request), sample_indices(20, request)) << count;
  }
}

// OpenCV's backend reads no further than one frame past the stated count.
TEST(Decode, ATooSmallFrameCountGivesTheFramesBeforeIt) {
  test::TempDir dir;
  std::string avi = bytes_of(test::write_tiny_video(dir / "a.avi", {.frames = 20}));
  const Request request{.frames = 4, .resolution = 16};
  state_frames(avi, 7);
  const Frames frames = read_frames(dir.write("small.avi", avi), request);
  EXPECT_EQ(levels(frames, request), sample_indices(8, request));
}

TEST(Decode, AFileCutInTheMiddleGivesTheFramesItHas) {
  test::TempDir dir;
  const std::string avi = bytes_of(test::write_tiny_video(dir / "a.avi", {.frames = 20}));
  const auto path = dir.write("cut.avi", avi.substr(0, avi.size() * 2 / 3));
  const Request request{.frames = 20, .resolution = 16};
  const Frames frames = read_frames(path, request);
  EXPECT_GT(frames.valid, 2);
  EXPECT_LT(frames.valid, 20);
  EXPECT_EQ(levels(frames, request)[2], 2);
}

TEST(Decode, FaultyFilesAreNamed) {
  test::TempDir dir;
  expect_error(dir / "missing.mp4", "no such video");
  expect_error(dir.path(), "not a file");
  expect_error(dir.write("empty.mp4", ""), "is empty");
  expect_error(dir.write("text.mp4", "hello, this is no video\n"), "no video stream");
  expect_error(dir.write("zeros.mp4", std::string(5000, '\0')), "no video stream");
  const std::string mp4 = bytes_of(test::write_tiny_video(dir / "a.mp4"));
  expect_error(dir.write("cut.mp4", mp4.substr(0, mp4.size() / 2)), "no video stream");
  const std::string avi = bytes_of(test::write_tiny_video(dir / "a.avi"));
  expect_error(dir.write("header.avi", avi.substr(0, avi.find("movi") + 4)), "no frame");
}

// A second of silence: RIFF, 8 kHz, 8 bit, one channel.
TEST(Decode, ASoundFileHasNoVideoStream) {
  test::TempDir dir;
  const auto number = [](uint32_t n, size_t size) {
    return std::string(reinterpret_cast<const char*>(&n), size);
  };
  const std::string wav = "RIFF" + number(8036, 4) + "WAVEfmt " + number(16, 4) + number(1, 2) +
                          number(1, 2) + number(8000, 4) + number(8000, 4) + number(1, 2) +
                          number(8, 2) + "data" + number(8000, 4) + std::string(8000, '\x80');
  expect_error(dir.write("sound.wav", wav), "no video stream");
  expect_error(dir.write("sound.mp4", wav), "no video stream");
}

// Damage anywhere in a file is an Error or fewer frames; never a crash or a hang.
TEST(Decode, DamageIsAnErrorOrFewerFrames) {
  test::TempDir dir;
  const std::string good = bytes_of(test::write_tiny_video(dir / "a.mp4"));
  int read = 0;
  for (size_t at = 0; at < good.size(); at += good.size() / 60 + 1) {
    std::string bad = good;
    for (size_t i = at; i < std::min(at + 3, bad.size()); ++i) bad[i] = static_cast<char>(~bad[i]);
    try {
      const Frames frames = read_frames(dir.write("bad.mp4", bad), {.frames = 4, .resolution = 16});
      EXPECT_GE(frames.valid, 1);
      EXPECT_EQ(frames.pixels.size(), 4u * 3 * 16 * 16);
      ++read;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(read, 0);
}

TEST(Decode, ANameWithAColonIsAName) {
  test::TempDir dir;
  const auto path = test::write_tiny_video(dir / "a.mp4");
  fs::rename(path, dir / "http:a %d.mp4");
  EXPECT_EQ(read_frames(dir / "http:a %d.mp4", {.frames = 4, .resolution = 16}).valid, 4);
}

TEST(Decode, UnknownNormalizationsAreRefused) {
  EXPECT_THROW(normalization("none"), Error);
  EXPECT_FLOAT_EQ(normalization("clip").mean[0], 0.48145466f);
}

}  // namespace
}  // namespace vtr::video
