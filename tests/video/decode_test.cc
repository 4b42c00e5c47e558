#include "support/error_of.h"
#include "support/temp_dir.h"
#include "support/tiny_video.h"

#include "vtr/core/error.h"
#include "vtr/video/frames.h"
#include "vtr/video/probe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <set>

namespace vtr::video {
namespace {

std::string bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The indices of a video of n frames, ten a second.
std::vector<int64_t> indices_of(int64_t n, const Request& request) {
  Timeline times{.seconds = {}, .fps = 10};
  for (int64_t i = 0; i < n; ++i) times.seconds.push_back(static_cast<double>(i) / 10);
  return sample_indices(times, request);
}

// The frames' indices, read back from their grey levels.
std::vector<int64_t> levels(const Frames& frames, const Request& request,
                            const test::TinyVideo& tiny = {}) {
  std::vector<int64_t> result;
  const auto size = static_cast<size_t>(3 * request.resolution * request.resolution);
  for (size_t at = size / 2; at < size * static_cast<size_t>(frames.valid); at += size) {
    const auto level = static_cast<double>(frames.pixels[at] - tiny.first);
    result.push_back(std::lround(level / static_cast<double>(tiny.step)));
  }
  return result;
}

// Reading and probing alike throw an error of that kind that names the file.
void expect_fault(const fs::path& path, Fault fault, const std::string& what) {
  const auto check = [&](auto call) {
    try {
      call();
      ADD_FAILURE() << path << ": no error";
    } catch (const VideoError& error) {
      const std::string message = error.what();
      EXPECT_EQ(fault_name(error.fault()), fault_name(fault)) << message;
      EXPECT_NE(message.find(path.string()), std::string::npos) << message;
      EXPECT_NE(message.find(what), std::string::npos) << message;
    }
  };
  check([&] { read_frames(path, {.resolution = 16}); });
  check([&] { probe(path); });
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
    EXPECT_EQ(levels(frames, request), indices_of(20, request)) << name;
  }
}

TEST(Decode, EveryRuleGivesTheFramesItNames) {
  test::TempDir dir;
  const auto path = test::write_tiny_video(dir / "a.mp4", {.frames = 20});
  for (const auto& rule : sampling_rules().values) {
    const Request request{.frames = 7, .resolution = 16, .sampling = rule, .seed = 5};
    EXPECT_EQ(levels(read_frames(path, request), request), indices_of(20, request)) << rule;
  }
}

TEST(Decode, AOneFrameVideoIsRepeated) {
  test::TempDir dir;
  const auto path = test::write_tiny_video(dir / "one.mp4", {.frames = 1});
  const Request request{.frames = 12, .resolution = 16};
  const Frames frames = read_frames(path, request);
  EXPECT_EQ(frames.valid, 1);
  EXPECT_EQ(levels(frames, request), std::vector<int64_t>{0});
  EXPECT_EQ(frames.seconds, std::vector<float>(12, 0));
}

TEST(Decode, AShortVideoRepeatsItsLastFrame) {
  test::TempDir dir;
  const auto path = test::write_tiny_video(dir / "three.mp4", {.frames = 3});
  const Request request{.frames = 5, .resolution = 16};
  const Frames frames = read_frames(path, request);
  EXPECT_EQ(frames.valid, 3);
  EXPECT_EQ(levels(frames, request), (std::vector<int64_t>{0, 1, 2}));
  const auto size = std::ssize(frames.pixels) / 5;
  const auto last = frames.pixels.begin() + 2 * size;
  EXPECT_TRUE(std::equal(last, last + size, last + size));
  EXPECT_TRUE(std::equal(last, last + size, last + 2 * size));
}

TEST(Decode, AWrongFrameCountInTheContainerIsNoticed) {
  test::TempDir dir;
  std::string avi = bytes_of(test::write_tiny_video(dir / "a.avi", {.frames = 20}));
  const Request request{.frames = 4, .resolution = 16};
  for (const uint32_t count : {0u, 7u, 19u, 21u, 400u, 0xFFFFFFFFu}) {
    state_frames(avi, count);
    const auto path = dir.write("wrong.avi", avi);
    const Frames frames = read_frames(path, request);
    EXPECT_EQ(frames.valid, 4) << count;
    EXPECT_EQ(levels(frames, request), indices_of(20, request)) << count;
  }
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
  expect_fault(dir / "missing.mp4", Fault::missing, "no such video");
  expect_fault(dir.path(), Fault::missing, "not a file");
  expect_fault(dir.write("empty.mp4", ""), Fault::empty, "is empty");
  const auto unreadable = [&](const char* name, const std::string& bytes) {
    expect_fault(dir.write(name, bytes), Fault::unreadable, "cannot be read as a video");
  };
  unreadable("text.mp4", "hello, this is no video\n");
  unreadable("zeros.mp4", std::string(5000, '\0'));
  const std::string mp4 = bytes_of(test::write_tiny_video(dir / "a.mp4"));
  unreadable("cut.mp4", mp4.substr(0, mp4.size() / 2));
  const std::string avi = bytes_of(test::write_tiny_video(dir / "a.avi"));
  expect_fault(dir.write("header.avi", avi.substr(0, avi.find("movi") + 4)), Fault::no_frames,
               "no frame");
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
  expect_fault(dir.write("sound.wav", wav), Fault::no_video_stream, "no video stream");
  expect_fault(dir.write("sound.mp4", wav), Fault::no_video_stream, "no video stream");
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

TEST(Decode, ASegmentGivesTheFramesShownInIt) {
  test::TempDir dir;
  const auto path = test::write_tiny_video(dir / "a.mp4", {.frames = 20});  // ten a second
  const auto shown = [&](double start, double end) {
    const Request request{.frames = 20, .resolution = 16, .start = start, .end = end};
    return levels(read_frames(path, request), request);
  };
  EXPECT_EQ(shown(0.5, 0.9), (std::vector<int64_t>{5, 6, 7, 8}));
  EXPECT_EQ(shown(1.6, 0), (std::vector<int64_t>{16, 17, 18, 19}));
  EXPECT_EQ(shown(1.8, 60), (std::vector<int64_t>{18, 19}));
  EXPECT_EQ(shown(0.51, 0.55), std::vector<int64_t>{5}) << "on show between two frames";
  EXPECT_EQ(shown(1.95, 60), std::vector<int64_t>{19});
  test::expect_error([&] { shown(2.1, 3); }, "no frame from 2.1 s on, it ends at 1.90 s");
  const Frames frames =
      read_frames(path, {.frames = 2, .resolution = 16, .start = 0.5, .end = 0.9});
  EXPECT_NEAR(frames.seconds[1], 0.3, 1e-6) << "since the segment's start";
}

// As `cat a.ts a.ts a.ts`: the times start again. The packet before a join counts as damaged.
TEST(Decode, WhatIsJoinedIsShownOneAfterTheOther) {
  test::TempDir dir;
  const std::string one = bytes_of(test::write_tiny_video(dir / "a.ts", {.frames = 20}));
  const auto path = dir.write("joined.ts", one + one + one);  // ten a second
  EXPECT_EQ(probe(path).frames, 58);
  EXPECT_NEAR(probe(path).seconds, 5.8, 1e-6);
  for (const int64_t index : {5, 25, 45}) {
    const double start = static_cast<double>(index) / 10 - 0.01;
    const Request request{.frames = 20, .resolution = 16, .start = start, .end = start + 0.3};
    const Frames frames = read_frames(path, request);
    EXPECT_EQ(frames.indices[0], index);
    const int64_t level = index % 19;
    EXPECT_EQ(levels(frames, request), (std::vector<int64_t>{level, level + 1, level + 2}));
    EXPECT_NEAR(frames.seconds[2], 0.21, 1e-6) << index;
  }
}

// Frame 10 gets the time of frame 5: of the transport stream, in the header of its packet.
TEST(Decode, ASingleWrongTimeMovesNoLaterFrame) {
  test::TempDir dir;
  std::string ts = bytes_of(test::write_tiny_video(dir / "a.ts", {.frames = 20}));
  const std::string header("\0\0\1\xe0", 4);
  std::vector<size_t> times;
  for (size_t at = ts.find(header); at != std::string::npos; at = ts.find(header, at + 1)) {
    times.push_back(at + 9);
  }
  ASSERT_EQ(times.size(), 20u);
  ts.replace(times[10], 5, ts.substr(times[5], 5));
  const Frames frames = read_frames(dir.write("wrong.ts", ts), {.frames = 20, .resolution = 16});
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_NEAR(frames.seconds[i], 0.1 * static_cast<double>(i), 1e-6);
  }
}

TEST(Decode, ATimeLimitIsAnErrorThatNamesTheFile) {
  test::TempDir dir;
  const auto path = test::write_tiny_video(dir / "a.mp4");
  try {
    read_frames(path, {.resolution = 16, .time_limit = 1e-9});
    FAIL();
  } catch (const VideoError& error) {
    EXPECT_EQ(error.fault(), Fault::too_slow);
    EXPECT_NE(std::string(error.what()).find("a.mp4: not read within 1e-09 s"), std::string::npos);
  }
  EXPECT_THROW(probe(path, 1e-9), VideoError);
  EXPECT_EQ(read_frames(path, {.frames = 4, .resolution = 16, .time_limit = 60}).valid, 4);
}

// A playlist is a video to FFmpeg, made of the files that it names.
TEST(Decode, AFileCannotHaveOthersRead) {
  test::TempDir dir;
  test::write_tiny_video(dir / "a.mp4");
  expect_fault(dir.write("b.mp4", "ffconcat version 1.0\nfile a.mp4\n"), Fault::unreadable,
               "cannot be read as a video");
  expect_fault(dir.write("c.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n"),
               Fault::unreadable, "cannot be read as a video");
}

TEST(Decode, AMirroredVideoIsTheVideoMirrored) {
  test::TempDir dir;
  const auto path = dir / "a.mp4";
  std::vector<uint8_t> rgb(3 * 32 * 24);
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<uint8_t>(i / 3 % 32 * 7);
  Writer writer(path, {.width = 32, .height = 24});
  for (int i = 0; i < 4; ++i) writer.add(rgb.data());
  writer.close();
  Frames plain = read_frames(path, {.frames = 2, .resolution = 16});
  for (auto row = plain.pixels.begin(); row != plain.pixels.end(); row += 16) {
    std::reverse(row, row + 16);
  }
  EXPECT_EQ(read_frames(path, {.frames = 2, .resolution = 16, .flip = 1}).pixels, plain.pixels);
}

// Motion JPEG: equal pictures are equal frames.
TEST(Decode, ADrawIsForAllFramesOfAVideo) {
  test::TempDir dir;
  const auto path = dir / "a.avi";
  std::vector<uint8_t> rgb(3 * 32 * 24);
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<uint8_t>(i * i % 251);
  Writer writer(path, {.width = 32, .height = 24});
  for (int i = 0; i < 6; ++i) writer.add(rgb.data());
  writer.close();
  std::set<std::vector<uint8_t>> seen;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    const Frames frames =
        read_frames(path, {.frames = 3,
                           .resolution = 16,
                           .crop = "random_resized",
                           .seed = seed,
                           .flip = 0.5,
                           .jitter = {.brightness = 0.3, .contrast = 0.3, .hue = 0.2}});
    const auto size = std::ssize(frames.pixels) / 3;
    const auto first = frames.pixels.begin();
    EXPECT_TRUE(std::equal(first, first + size, first + size)) << seed;
    EXPECT_TRUE(std::equal(first, first + size, first + 2 * size)) << seed;
    seen.insert(frames.pixels);
  }
  EXPECT_EQ(seen.size(), 8u);
}

TEST(Decode, UnknownNormalizationsAreRefused) {
  EXPECT_THROW(normalization("none"), Error);
  EXPECT_FLOAT_EQ(normalization("clip").mean[0], 0.48145466f);
}

}  // namespace
}  // namespace vtr::video
