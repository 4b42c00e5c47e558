#include "vtr/dist/world.h"

#include "support/error_of.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

namespace vtr::dist {
namespace {

constexpr const char* kKnown[] = {"RANK",
                                  "WORLD_SIZE",
                                  "LOCAL_RANK",
                                  "LOCAL_WORLD_SIZE",
                                  "MASTER_ADDR",
                                  "MASTER_PORT",
                                  "TORCHELASTIC_USE_AGENT_STORE",
                                  "TORCHELASTIC_RESTART_COUNT",
                                  "SLURM_STEP_ID",
                                  "SLURM_PROCID",
                                  "SLURM_NTASKS",
                                  "SLURM_LOCALID",
                                  "SLURM_STEP_TASKS_PER_NODE",
                                  "SLURM_JOB_NODELIST",
                                  "SLURM_STEP_NODELIST",
                                  "SLURM_JOB_ID"};

World world_of(const std::map<std::string, std::string>& variables) {
  for (const char* name : kKnown) ::unsetenv(name);
  for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  return World::of_environment();
}

void expect_refused(const std::map<std::string, std::string>& variables, const std::string& part) {
  test::expect_error([&] { world_of(variables); }, part);
}

TEST(World, AProcessThatNobodyLaunchedIsAlone) {
  const World world = world_of({});
  EXPECT_EQ(world.size, 1);
  EXPECT_FALSE(world.hosts_store);
}

TEST(World, PlainVariablesMakeRankZeroTheStore) {
  const std::map<std::string, std::string> plain = {
      {"RANK", "0"}, {"WORLD_SIZE", "3"}, {"MASTER_ADDR", "a.b"}, {"MASTER_PORT", "1234"}};
  const World world = world_of(plain);
  EXPECT_EQ(world.size, 3);
  EXPECT_EQ(world.local_size, 3) << "all on one machine unless somebody says otherwise";
  EXPECT_EQ(world.host, "a.b");
  EXPECT_EQ(world.port, 1234);
  EXPECT_TRUE(world.hosts_store);
  auto second = plain;
  second["RANK"] = "1";
  EXPECT_FALSE(world_of(second).hosts_store);
  EXPECT_EQ(world_of(second).local_rank, 1);
}

TEST(World, OneProcessThatIsToldWhereToMeetHasAPlaceToMeet) {
  std::map<std::string, std::string> one = {{"RANK", "0"}, {"WORLD_SIZE", "1"}};
  EXPECT_EQ(world_of(one).host, "");
  EXPECT_FALSE(world_of(one).hosts_store);
  one["MASTER_ADDR"] = "a";
  one["MASTER_PORT"] = "1234";
  EXPECT_EQ(world_of(one).host, "a");
  EXPECT_TRUE(world_of(one).hosts_store);
}

TEST(World, UnderTorchrunTheLauncherKeepsTheStore) {
  const World world = world_of({{"RANK", "0"},
                                {"WORLD_SIZE", "4"},
                                {"LOCAL_RANK", "0"},
                                {"LOCAL_WORLD_SIZE", "2"},
                                {"MASTER_ADDR", "a"},
                                {"MASTER_PORT", "1"},
                                {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                {"TORCHELASTIC_RESTART_COUNT", "2"}});
  EXPECT_FALSE(world.hosts_store);
  EXPECT_EQ(world.local_size, 2);
  EXPECT_EQ(world.attempt, "2");
}

TEST(World, SlurmsStepIsAWorldAndItsBatchScriptIsNot) {
  std::map<std::string, std::string> slurm = {{"SLURM_PROCID", "5"},
                                              {"SLURM_NTASKS", "8"},
                                              {"SLURM_LOCALID", "1"},
                                              {"SLURM_STEP_TASKS_PER_NODE", "4(x2)"},
                                              {"SLURM_JOB_NODELIST", "gpu[07-08],x"},
                                              {"SLURM_JOB_ID", "100007"}};
  EXPECT_EQ(world_of(slurm).size, 1);
  slurm["SLURM_STEP_ID"] = "0";
  const World world = world_of(slurm);
  EXPECT_EQ(world.rank, 5);
  EXPECT_EQ(world.size, 8);
  EXPECT_EQ(world.local_rank, 1);
  EXPECT_EQ(world.local_size, 4);
  EXPECT_EQ(world.host, "gpu07");
  slurm["SLURM_PROCID"] = "0";
  EXPECT_EQ(world_of(slurm).port, world.port) << "the same on every rank";
  slurm["SLURM_STEP_NODELIST"] = "gpu08";
  EXPECT_EQ(world_of(slurm).host, "gpu08") << "a step on a part of the job's nodes";
  slurm["SLURM_JOB_ID"] = "100008";
  EXPECT_NE(world_of(slurm).port, world.port) << "two jobs on one machine do not meet";
}

TEST(World, FirstHostOfEveryFormOfList) {
  EXPECT_EQ(first_host("a"), "a");
  EXPECT_EQ(first_host("a,b[1-2]"), "a");
  EXPECT_EQ(first_host("node[003-007,9],b"), "node003");
  EXPECT_EQ(first_host("n[1,3]-ib,c"), "n1-ib");
  EXPECT_EQ(first_host("n[12]"), "n12");
  test::expect_error([] { first_host("n[1-"); }, "SLURM's list of nodes: 'n[1-'");
}

TEST(World, VariablesThatMakeNoSenseAreNamed) {
  const std::map<std::string, std::string> good = {
      {"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "1"}};
  for (const std::string name : {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}) {
    auto less = good;
    less.erase(name);
    expect_refused(less, "is set but " + name + " is not");
  }
  const auto with = [&](const std::string& name, const std::string& value) {
    auto changed = good;
    changed[name] = value;
    return changed;
  };
  expect_refused(with("RANK", "2"), "RANK: '2' is no whole number from 0 to 1");
  expect_refused(with("RANK", "x"), "RANK: 'x'");
  expect_refused(with("WORLD_SIZE", "0"), "WORLD_SIZE: '0'");
  expect_refused(with("MASTER_PORT", "70000"), "MASTER_PORT: '70000'");
}

}  // namespace
}  // namespace vtr::dist
