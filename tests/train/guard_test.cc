#include "guard.h"

#include "support/error_of.h"

#include <gtest/gtest.h>

#include <cmath>

namespace vtr::train {
namespace {

using test::expect_error;

Figures figures(int64_t step, double loss) { return {step, loss, 3, 4, 20}; }

TEST(Guard, StopsAtTheFirstStepThatIsNotFinite) {
  GuardState state;
  const TrainOptions options;
  Guard guard(options, state);
  guard.check(figures(1, 2));
  expect_error([&] { guard.check(figures(2, NAN)); },
               "step 2: the loss is nan, the norm of its gradient 5");
  Figures gradient = figures(3, 1);
  gradient.head_norm = INFINITY;
  expect_error([&] { guard.check(gradient); }, "the norm of its gradient inf");
  gradient.loss_scale = 2;  // fp16's scale was too large: not the model's fault
  guard.check(gradient);
  gradient.loss = NAN;  // no scale has a part in that
  expect_error([&] { guard.check(gradient); }, "step 3: the loss is nan");
}

TEST(Guard, SkipsABoundedNumberInARow) {
  GuardState state;
  TrainOptions options;
  options.non_finite = "skip";
  options.max_skips = 2;
  Guard guard(options, state);
  for (const double loss : std::initializer_list<double>{NAN, NAN, 1, NAN, NAN})
    guard.check(figures(1, loss));
  Guard resumed(options, state);  // what it has counted is in the state
  expect_error([&] { resumed.check(figures(9, NAN)); }, "step 9: the loss is nan");
}

TEST(Guard, StopsWhereTheRunningMeanStaysAboveItsBest) {
  TrainOptions options;
  options.divergence = 2;
  const auto train = [&](double then, int64_t steps) {
    GuardState state;
    Guard guard(options, state);
    for (int64_t step = 1; step <= 100; ++step) guard.check(figures(step, 1));
    for (int64_t step = 101; step <= 100 + steps; ++step) guard.check(figures(step, then));
  };
  train(1.9, 1000);  // below twice the best
  train(100, 49);    // too high, not for long enough
  expect_error([&] { train(100, 50); }, "the loss diverges");
  options.divergence = 0;
  train(100, 1000);
}

}  // namespace
}  // namespace vtr::train
