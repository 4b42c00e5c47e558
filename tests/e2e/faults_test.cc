// What users and files do wrong: one clear line, exit 1 or 2, nothing written.
#include "support/program.h"

#include "vtr/core/files.h"

#include <gtest/gtest.h>

namespace vtr::test {
namespace {

class Fault : public testing::Test {
 protected:
  TempDir dir;
  std::string config = write_tiny_experiment(dir, 8, 8);

  void expect(int code, const std::string& message, std::vector<std::string> more) const {
    std::vector<std::string> arguments = {
        "train", "--config", config, "--run", (dir / "run").string(), "train.max_steps=1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto outcome = run_program(arguments);
    EXPECT_EQ(outcome.code, code) << outcome.output;
    EXPECT_NE(outcome.output.find(message), std::string::npos) << outcome.output;
    EXPECT_FALSE(fs::exists(dir / "run" / "checkpoints"));
  }
  fs::path video(int i) const {
    return dir / ("data/videos/all/video" + std::to_string(i) + ".mp4");
  }
};

TEST_F(Fault, OptionsAreRefusedByName) {
  expect(1, "train.epoch: no such option (did you mean train.epochs?)", {"train.epoch=3"});
  expect(1, "model.head.topk: 5 is more than the 4 frames of a video (video.frames)",
         {"model.head.topk=5"});
  expect(1, "model.head.tempral: no such option (did you mean model.head.temporal?)",
         {"model.head.tempral=none"});
  expect(1, "unknown head 'jiont' (known: ", {"model.head.name=jiont"});
  expect(1, "train.precision: 'fp8' is not one of fp32, bf16, fp16", {"train.precision=fp8"});
  expect(1, "device: 'tpu' is not one of", {"device=tpu"});
  expect(1, "train.freeze: no parameter matches 'clip.vsual.*'", {"train.freeze=[clip.vsual.*]"});
  expect(1, "train.rates: no parameter matches 'head.*x'", {"train.rates=[head.*x=2]"});
  expect(1, "train.logit_scale_min: 200 is above", {"train.logit_scale_min=200"});
  expect(1, "unknown optimizer 'sgd' (known: ", {"train.optimizer=sgd"});
  expect(1, "train.schedule.t_maxx: no such option", {"train.schedule.t_maxx=2"});
  expect(1, "train.ema: 1 is out of range (0 to 0.999999)", {"train.ema=1"});
  expect(1, "train.optimizer.beta1: 1 is out of range", {"train.optimizer.beta1=1"});
  expect(1, "a batch of 4 pairs, 4 captions a video, is one video alone",
         {"train.batch=4", "data.captions_per_video=4"});
  expect(1, "train.patience: there is no validation split", {"train.patience=2"});
  expect(1, "text.max_words: 77 is more than the 24 tokens", {"text.max_words=77"});
}

TEST_F(Fault, EverythingThatIsMissingIsNamedALineEach) {
  const std::vector<std::string> both = {"data.root=/no/data", "model.weights=/no/clip.pt"};
  expect(1, "vtr: data.root: /no/data: no such folder; it names", both);
  expect(1, "vtr: model.weights: /no/clip.pt: no such file or folder; it names", both);
}

TEST_F(Fault, BrokenWeightsAreNamed) {
  const auto text = dir.write("text.pt", "not an archive").string();
  expect(1, "text.pt", {"model.weights=" + text});
  const auto empty = dir.write("empty.safetensors", "").string();
  expect(1, "empty.safetensors", {"model.weights=" + empty});
}

TEST_F(Fault, ABrokenVideoStopsOrIsSkippedAndCounted) {
  fs::resize_file(video(0), 100);
  expect(1, "video0.mp4", {"train.batch=1000"});  // in the first step
  fs::remove_all(dir / "run");
  const std::vector<std::string> skip = {"train",
                                         "--config",
                                         config,
                                         "--run",
                                         (dir / "run").string(),
                                         "train.max_steps=3",
                                         "data.on_error=skip"};
  const auto skipped = run_program(skip);
  EXPECT_EQ(skipped.code, 0) << skipped.output;
  fs::resize_file(video(9), 0);  // of the test split
  const auto evaluated = run_program({"eval", "--run", (dir / "run").string()});
  EXPECT_EQ(evaluated.code, 0) << evaluated.output;
  EXPECT_NE(evaluated.output.find("7 videos, 1 skipped"), std::string::npos) << evaluated.output;
}

// At a broken video what was trained is kept; the run goes on when it is mended.
TEST_F(Fault, ABrokenVideoLosesNothingOfTheRun) {
  const std::string whole = read_file(video(5));
  const std::vector<std::string> train = {"train",          "--config",           config,
                                          "--run",          (dir / "r").string(), "--resume",
                                          "data.workers=1", "train.max_steps=6",  "train.batch=2"};
  ASSERT_EQ(run_program(train).code, 0);
  const auto losses = losses_of(dir / "r");
  fs::remove_all(dir / "r");
  fs::resize_file(video(5), 100);
  const auto stopped = run_program(train);
  EXPECT_EQ(stopped.code, 1) << stopped.output;
  EXPECT_NE(stopped.output.find("is saved; --resume goes on from it"), std::string::npos)
      << stopped.output;
  dir.write(fs::relative(video(5), dir.path()).string(), whole);
  const auto resumed = run_program(train);
  EXPECT_EQ(resumed.code, 0) << resumed.output;
  EXPECT_EQ(losses_of(dir / "r"), losses);
}

TEST_F(Fault, ABrokenVideoOfTheValidationLosesNothingEither) {
  fs::resize_file(video(9), 100);  // of the test split
  const auto stopped =
      run_program({"train", "--config", config, "--run", (dir / "r").string(), "data.val=ordered",
                   "train.eval_every=2", "train.checkpoint_every=99", "train.max_steps=6"});
  EXPECT_EQ(stopped.code, 1) << stopped.output;
  EXPECT_TRUE(fs::exists(dir / "r/checkpoints/step_00000002/DONE")) << stopped.output;
}

TEST_F(Fault, WhatEvaluationWouldMeetIsToldBeforeTraining) {
  const auto said = [&](const std::vector<std::string>& more, const std::string& part) {
    std::vector<std::string> arguments = {"train",      "--config",           config,
                                          "--run",      (dir / "r").string(), "train.max_steps=1",
                                          "--overwrite"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto outcome = run_program(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.output;
    EXPECT_NE(outcome.output.find(part), std::string::npos) << outcome.output;
  };
  said({"data.test=none_such"}, "warning: [data] data.test=none_such: vtr eval would fail: ");
  said({"data.val=ordered"},
       "are in shapes ordered too: its figures will be of what chose the "
       "checkpoint");
  said({"data.train=ordered"}, "its figures will be of what was trained on");
}

TEST_F(Fault, AnOptionThatIsThereTwiceIsRefused) {
  dir.write("twice.yaml", read_file(config) + "\ndevice: cpu\ndevice: cpu\n");
  const auto outcome = run_program({"train", "--config", (dir / "twice.yaml").string()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.output.find("twice.yaml: device is there twice"), std::string::npos)
      << outcome.output;
  dir.write("itself.yaml", "data: &x {dataset: *x}\n");
  const auto itself = run_program({"train", "--config", (dir / "itself.yaml").string()});
  EXPECT_EQ(itself.code, 1) << itself.output;
}

TEST_F(Fault, AMissingVideoIsFoundBeforeTraining) {
  fs::remove(video(3));
  expect(1, "video3", {});
}

TEST_F(Fault, BrokenAnnotationsAreNamedWithTheirPlace) {
  const std::string good = read_file(dir / "data/MSRVTT_data.json");
  std::string bad = good;
  bad.replace(bad.find("\"caption\""), 9, "\"capiton\"");
  dir.write("data/MSRVTT_data.json", bad);
  expect(1, "MSRVTT_data.json: sentences[0]", {});
  dir.write("data/MSRVTT_data.json", good.substr(0, good.size() / 2));
  expect(1, "MSRVTT_data.json", {});
}

TEST_F(Fault, WrongUsageExitsWith2) {
  EXPECT_EQ(run_program({}).code, 2);
  EXPECT_EQ(run_program({"train"}).code, 1);
  EXPECT_EQ(run_program({"train", "--config", "no_such.yaml"}).code, 1);
  EXPECT_EQ(run_program({"eval", "--run", dir.path().string()}).code, 1);
  EXPECT_EQ(run_program({"--help"}).code, 0);
}

TEST_F(Fault, AnUnknownCommandIsNamedWithTheNearest) {
  const auto refused = [](const std::vector<std::string>& arguments, const std::string& message) {
    const auto outcome = run_program(arguments);
    EXPECT_EQ(outcome.code, 2) << outcome.output;
    EXPECT_NE(outcome.output.find(message), std::string::npos) << outcome.output;
  };
  refused({"trian"}, "vtr: unknown command 'trian' (did you mean train?)");
  refused({"frobnicate"}, "unknown command 'frobnicate' (known: train, ");
  refused({"bench", "scoer", "--texts", "4"}, "unknown command 'scoer' (did you mean score?)");
  refused({"import"}, "--from is required");
  refused({"train", "--confg", "x"}, "vtr: --confg: not expected here (did you mean --config?)");
  refused({"train", "--train.epochs", "3"}, "write train.epochs=VALUE");
  refused({"train", "--train.epochs=3"},
          "vtr: --train.epochs=3: not expected here: write "
          "train.epochs=3");
  refused({"bench", "score", "--texts", "-1"}, "Value -1 not in range 1 to 1000000");
}

TEST_F(Fault, EncodersThatStartAtRandomAreTold) {
  const std::string line = "[model] no model.weights: the encoders start from random weights";
  const auto train = [&](const std::string& run, std::vector<std::string> more) {
    more.insert(more.begin(),
                {"train", "--config", config, "--run", (dir / run).string(), "train.max_steps=1"});
    const auto outcome = run_program(more);
    EXPECT_EQ(outcome.code, 0) << outcome.output;
    return outcome.output;
  };
  EXPECT_NE(train("a", {}).find(line), std::string::npos);
  EXPECT_EQ(train("b", {"--log-level", "warning"}).find(line), std::string::npos);
  EXPECT_NE(
      train("c", {"--log-level", "warning", "data.dataset=msrvtt", "data.train=9k"}).find(line),
      std::string::npos)
      << "of published figures it is a warning";
  EXPECT_EQ(train("d", {"--init-from", (dir / "a").string()}).find(line), std::string::npos);
}

TEST_F(Fault, ACheckpointOfOursNeedsNoImport) {
  const std::string run = (dir / "run").string();
  ASSERT_EQ(run_program({"train", "--config", config, "--run", run, "train.max_steps=1"}).code, 0);
  const auto outcome = run_program({"import", "--from", "xpool", "--weights",
                                    run + "/checkpoints/step_00000001/model.safetensors",
                                    "--config", config, "--out", (dir / "other").string()});
  EXPECT_EQ(outcome.code, 1) << outcome.output;
  EXPECT_NE(outcome.output.find("has vtr's own names, not those of xpool: head."),
            std::string::npos)
      << outcome.output;
  EXPECT_EQ(outcome.output.find("missing"), std::string::npos) << outcome.output;
}

}  // namespace
}  // namespace vtr::test
