#include "vtr/eval/bootstrap.h"

#include "vtr/core/error.h"
#include "vtr/core/random.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace vtr::eval {
namespace {

// How often each query is drawn in resample `index`.
class Draws {
 public:
  Draws(const Ranks& ranks, uint64_t seed) : seed_(seed) {
    const std::set<int64_t> queries(ranks.query.begin(), ranks.query.end());
    queries_.assign(queries.begin(), queries.end());
    VTR_CHECK(!queries_.empty(), "there is no query to evaluate");
  }
  const std::vector<int64_t>& queries() const { return queries_; }
  std::vector<int64_t> counts(int64_t index) const {
    Rng rng(derive(seed_, "bootstrap", static_cast<uint64_t>(index)));
    std::vector<int64_t> counts(static_cast<size_t>(queries_.back() + 1));
    for (size_t i = 0; i < queries_.size(); ++i) {
      ++counts[static_cast<size_t>(queries_[rng.below(queries_.size())])];
    }
    return counts;
  }

 private:
  uint64_t seed_;
  std::vector<int64_t> queries_;  // ascending
};

// `sample(i)` for each resample, on all threads.
template <class Sample>
void for_each(int64_t resamples, Sample sample) {
  at::parallel_for(0, resamples, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) sample(i);
  });
}

// Between the values around it, as numpy.quantile has it. `values` ascending.
double quantile(const std::vector<double>& values, double q) {
  const double at = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

template <class Value>
std::vector<double> ascending(const std::vector<Metrics>& samples, Value value) {
  std::vector<double> values;
  for (const auto& sample : samples) values.push_back(value(sample));
  std::ranges::sort(values);
  return values;
}

}  // namespace

Interval bootstrap(const Ranks& ranks, const Resampling& how) {
  const Ranks ordered = sorted(ranks);
  const Draws draws(ranks, how.seed);
  std::vector<Metrics> samples(static_cast<size_t>(how.resamples));
  for_each(how.resamples, [&](int64_t i) {
    samples[static_cast<size_t>(i)] = summarize_sorted(ordered, draws.counts(i));
  });
  Interval interval;
  for (const auto& [name, field] : kMetrics) {
    const auto values = ascending(samples, [field = field](const Metrics& m) { return m.*field; });
    interval.low.*field = quantile(values, 0.025);
    interval.high.*field = quantile(values, 0.975);
  }
  return interval;
}

std::vector<Difference> paired_bootstrap(const Ranks& a, const Ranks& b, const Resampling& how) {
  const Ranks first = sorted(a), second = sorted(b);
  const Draws draws(a, how.seed);
  VTR_CHECK(draws.queries() == Draws(b, how.seed).queries(),
            "the two evaluations rank different queries");
  std::vector<Metrics> samples(static_cast<size_t>(how.resamples));  // of b - a
  for_each(how.resamples, [&](int64_t i) {
    const auto counts = draws.counts(i);
    const Metrics x = summarize_sorted(first, counts), y = summarize_sorted(second, counts);
    for (const auto& [name, field] : kMetrics) {
      samples[static_cast<size_t>(i)].*field = y.*field - x.*field;
    }
  });
  const Metrics x = summarize(a), y = summarize(b);
  std::vector<Difference> result;
  for (const auto& [name, field] : kMetrics) {
    const auto values = ascending(samples, [field = field](const Metrics& m) { return m.*field; });
    const auto not_above = std::ranges::upper_bound(values, 0.0) - values.begin();
    const auto not_below = values.end() - std::ranges::lower_bound(values, 0.0);
    // One more on either side, so that no p is 0 for want of resamples.
    const auto tail = static_cast<double>(std::min(not_above, not_below) + 1);
    result.push_back({name, x.*field, y.*field, quantile(values, 0.025), quantile(values, 0.975),
                      std::min(1.0, 2 * tail / static_cast<double>(how.resamples + 1))});
  }
  return result;
}

SignTest sign_test(const std::vector<double>& a, const std::vector<double>& b) {
  VTR_CHECK(a.size() == b.size(), "the two evaluations rank different queries");
  SignTest test;
  for (size_t i = 0; i < a.size(); ++i) {
    test.better += b[i] < a[i];
    test.worse += b[i] > a[i];
    test.equal += b[i] == a[i];
  }
  const auto n = static_cast<double>(test.better + test.worse);
  double tail = 0;  // P(at most as many of the rarer side)
  for (int64_t k = 0; k <= std::min(test.better, test.worse); ++k) {
    const auto of = static_cast<double>(k);
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(of + 1) - std::lgamma(n - of + 1) -
                     n * std::log(2.0));
  }
  test.p = std::min(1.0, 2 * tail);
  return test;
}

}  // namespace vtr::eval
