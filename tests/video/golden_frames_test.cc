// Held against scripts/make_video_fixtures.py: what PyAV decodes and Pillow resizes.
#include "decode.h"
#include "support/temp_dir.h"

#include "vtr/core/error.h"
#include "vtr/core/random.h"
#include "vtr/video/frames.h"
#include "vtr/video/probe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

namespace vtr::video {
namespace {

constexpr int64_t kSide = 24;

fs::path golden(const std::string& name) { return fs::path(VTR_FIXTURES) / "video/golden" / name; }

struct Line {
  std::string file, rule;
  std::vector<int64_t> indices;
  std::vector<float> seconds;
};

std::vector<Line> lines() {
  std::vector<Line> result;
  std::istringstream in(read_file(golden("golden.txt")));
  Line line;
  for (size_t count; in >> line.file >> line.rule >> count;) {
    line.indices.resize(count);
    line.seconds.resize(count);
    for (auto& index : line.indices) in >> index;
    for (auto& seconds : line.seconds) in >> seconds;
    result.push_back(line);
  }
  return result;
}

std::set<std::string> files() {
  std::set<std::string> result;
  for (const auto& line : lines()) result.insert(line.file);
  return result;
}

Request request_of(const std::string& rule) {
  if (rule != "segment") return {.frames = 6, .resolution = kSide, .sampling = rule, .fps = 4};
  return {.frames = 6, .resolution = kSide, .start = 0.55, .end = 1.45};
}

TEST(GoldenFrames, IndicesAndTimesAreExact) {
  ASSERT_GE(lines().size(), 50u);
  for (const auto& line : lines()) {
    if (line.indices.empty()) {  // the file ends before the segment
      EXPECT_THROW(read_frames(golden(line.file), request_of(line.rule)), VideoError) << line.file;
      continue;
    }
    const Frames frames = read_frames(golden(line.file), request_of(line.rule));
    const auto valid = static_cast<std::ptrdiff_t>(line.indices.size());
    ASSERT_EQ(frames.valid, valid) << line.file << " " << line.rule;
    const std::vector<int64_t> indices(frames.indices.begin(), frames.indices.begin() + valid);
    EXPECT_EQ(indices, line.indices) << line.file << " " << line.rule;
    for (size_t i = 0; i < line.seconds.size(); ++i) {
      EXPECT_NEAR(frames.seconds[i], line.seconds[i], 1e-3) << line.file << " " << line.rule;
    }
  }
}

TEST(GoldenFrames, PixelsAreWithinTwoGreyLevels) {
  std::map<std::string, size_t> compared;  // bytes of each file
  for (const auto& line : lines()) {
    if ((line.rule != "uniform" && line.rule != "segment") || line.indices.empty()) continue;
    const std::string expected = read_file(golden(line.file + ".bin"));
    const Frames frames = read_frames(golden(line.file), request_of(line.rule));
    const size_t begin = compared[line.file];
    const size_t end = begin + static_cast<size_t>(3 * kSide * kSide * frames.valid);
    ASSERT_LE(end, expected.size()) << line.file;
    int worst = 0;
    for (size_t i = begin; i < end; ++i) {
      const int want = static_cast<uint8_t>(expected[i]);
      worst = std::max(worst, std::abs(frames.pixels[i - begin] - want));
    }
    EXPECT_LE(worst, 2) << line.file << " " << line.rule;
    compared[line.file] = end;
  }
  EXPECT_EQ(compared.size(), files().size());
  for (const auto& [file, bytes] : compared)
    EXPECT_EQ(bytes, read_file(golden(file + ".bin")).size());
}

// What is left undecoded changes nothing: for any frames of any file, the same bytes as from
// decoding everything.
TEST(GoldenFrames, DecodingWhatIsNeededEqualsDecodingEverything) {
  for (const auto& file : files()) {
    for (uint64_t seed = 0; seed < 12; ++seed) {
      Rng rng(derive(seed, file));
      Request request = request_of(seed % 3 == 0 ? "uniform" : "random");
      request.frames = 1 + static_cast<int64_t>(rng.below(9));
      request.seed = seed;
      request.start = seed % 2 == 0 ? 0 : rng.uniform(0, 1);
      request.end = seed % 4 == 1 ? request.start + 1 : 0;
      Frames expected;
      try {
        expected = read_frames(golden(file), request, Road::full);
      } catch (const VideoError&) {  // a file of one frame has none there
        EXPECT_THROW(read_frames(golden(file), request), VideoError) << file;
        continue;
      }
      // MPEG-4 in AVI has no times.
      const Road road = file == "mpeg4.avi" ? Road::any : Road::needed;
      const Frames frames = read_frames(golden(file), request, road);
      EXPECT_EQ(frames.indices, expected.indices) << file;
      EXPECT_EQ(frames.pixels, expected.pixels) << file << ", seed " << seed;
      for (size_t i = 0; i < frames.seconds.size(); ++i) {
        EXPECT_NEAR(frames.seconds[i], expected.seconds[i], 1e-6) << file;
      }
    }
  }
}

TEST(GoldenFrames, ProbeTellsWhatAFileIs) {
  const Info b = probe(golden("b_short.mp4"));
  EXPECT_EQ(b.frames, 60);
  EXPECT_EQ(b.fps, 10);
  EXPECT_NEAR(b.seconds, 6, 1e-6);
  EXPECT_EQ(b.width, 64);
  EXPECT_EQ(b.height, 48);
  EXPECT_EQ(b.key_frame_distance, 10);
  EXPECT_EQ(b.codec, "h264");
  EXPECT_FALSE(b.variable_rate);
  EXPECT_EQ(probe(golden("b_long.mp4")).key_frame_distance, 60);
  EXPECT_EQ(probe(golden("few.avi")).frames, 24);
  EXPECT_EQ(probe(golden("few.avi")).key_frame_distance, 1);
  EXPECT_TRUE(probe(golden("variable.mkv")).variable_rate);
  EXPECT_EQ(probe(golden("no_rate.mkv")).fps, 0);
  const Info turned = probe(golden("turned.mp4"));
  EXPECT_EQ(turned.rotation, 90);
  EXPECT_EQ(turned.width, 48);
  EXPECT_EQ(turned.height, 64);
}

TEST(GoldenFrames, SoundAndCoverArtAreNoVideoStream) {
  for (const char* file : {"sound.m4a", "cover.mp3"}) {
    try {
      probe(golden(file));
      ADD_FAILURE() << file;
    } catch (const VideoError& error) {
      EXPECT_EQ(error.fault(), Fault::no_video_stream) << error.what();
    }
  }
}

// Copies with bytes changed, or cut off, are read or refused. VTR_FUZZ says how many.
TEST(GoldenFrames, DamagedCopiesNeitherCrashNorHang) {
  test::TempDir dir;
  const char* wanted = std::getenv("VTR_FUZZ");
  const uint64_t copies = wanted ? std::stoull(wanted) : 200;
  const auto names = files();
  const std::vector<std::string> all(names.begin(), names.end());
  uint64_t read = 0;
  for (uint64_t seed = 0; seed < copies; ++seed) {
    Rng rng(derive(seed, "damage"));
    const std::string& file = all[rng.below(all.size())];
    std::string bytes = read_file(golden(file));
    for (uint64_t flips = rng.below(30); flips > 0; --flips) {
      bytes[rng.below(bytes.size())] = static_cast<char>(rng.below(256));
    }
    if (rng.below(4) == 0) bytes.resize(rng.below(bytes.size()));
    try {
      Request request = request_of("uniform");
      request.time_limit = 20;
      EXPECT_GE(read_frames(dir.write(file, bytes), request).valid, 1);
      ++read;
    } catch (const VideoError& error) {
      EXPECT_NE(error.fault(), Fault::too_slow) << file << ", seed " << seed;
    }
  }
  EXPECT_GT(read, 0u);
  EXPECT_LT(read, copies);
}

}  // namespace
}  // namespace vtr::video
