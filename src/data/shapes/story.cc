#include "shapes/story.h"

#include "vtr/core/error.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace vtr::data {
namespace {

using Objects = std::vector<Object>;

int64_t orders_of(int64_t events) {
  int64_t product = 1;
  for (int64_t i = 2; i <= events; ++i) product *= i;
  return product;
}

// How many sets of `events` objects there are, as far as anyone asks.
int64_t sets_of(int64_t objects, int64_t events) {
  double count = 1;
  for (int64_t i = 0; i < events; ++i) {
    count *= static_cast<double>(objects - i) / static_cast<double>(i + 1);
  }
  return static_cast<int64_t>(std::min(std::round(count), 1e15));
}

// `videos` in groups of `orders`; where that leaves a rest, groups are made as even as they come,
// and none has fewer than `least` members.
std::vector<int64_t> group_sizes(int64_t videos, int64_t orders, int64_t least) {
  if (videos == 0) return {};
  const int64_t groups =
      std::max<int64_t>(1, std::min((videos + orders - 1) / orders, videos / least));
  std::vector<int64_t> sizes(static_cast<size_t>(groups), videos / groups);
  for (int64_t i = 0; i < videos % groups; ++i) ++sizes[static_cast<size_t>(i)];
  return sizes;
}

Object draw_object(const ShapesOptions& options, Rng& rng) {
  const auto colour = static_cast<int64_t>(rng.below(static_cast<uint64_t>(options.colours)));
  return {colour, static_cast<int64_t>(rng.below(static_cast<uint64_t>(options.shapes)))};
}

Objects draw_set(const ShapesOptions& options, Rng& rng) {
  const auto spread = static_cast<uint64_t>(options.max_events - options.min_events + 1);
  const int64_t events = options.min_events + static_cast<int64_t>(rng.below(spread));
  std::set<Object> chosen;
  while (static_cast<int64_t>(chosen.size()) < events) {
    chosen.insert(draw_object(options, rng));
  }
  return {chosen.begin(), chosen.end()};
}

// `count` different orders of a sorted set.
std::vector<Objects> draw_orders(Objects objects, int64_t count, Rng& rng) {
  std::vector<Objects> orders;
  do {
    orders.push_back(objects);
  } while (std::next_permutation(objects.begin(), objects.end()));
  rng.shuffle(orders);
  orders.resize(std::min(orders.size(), static_cast<size_t>(count)));
  return orders;
}

// Objects that no caption of the story tells, each once.
void add_glimpses(Story& story, const ShapesOptions& options, Rng rng) {
  std::set<Object> seen(story.objects.begin(), story.objects.end());
  while (std::ssize(story.glimpses) < options.glimpses) {
    const Object object = draw_object(options, rng);
    if (seen.insert(object).second) story.glimpses.push_back(object);
  }
}

std::vector<Story> tell_stills(const ShapesOptions& options) {
  std::vector<Story> stories;
  for (int64_t i = 0; i < options.train + options.test; ++i) {
    // Every object equally often, in either part.
    const int64_t at = i < options.train ? i : i - options.train;
    const int64_t object = at % (options.colours * options.shapes);
    stories.push_back({{{object % options.colours, object / options.colours}}, i >= options.train});
  }
  return stories;
}

const char* const kColours[] = {"red",    "green",  "blue",  "yellow",
                                "purple", "orange", "white", "black"};
const char* const kShapes[] = {"circle", "square", "triangle", "star",
                               "cross",  "ring",   "diamond",  "heart"};

}  // namespace

void ShapesOptions::check(const std::string& path) const {
  const auto fail = [&](const std::string& why) {
    throw Error(path.empty() ? why : path + ": " + why);
  };
  if (train + test < 1) fail("train and test are both 0: nothing to make");
  if (width % 2 != 0 || height % 2 != 0) fail("width and height must be even");
  if (stills) return;
  if (min_events > max_events) fail("min_events is above max_events");
  if (max_events + glimpses > colours * shapes)
    fail("there are fewer objects (colours x shapes) than max_events and glimpses");
  if (test == 1 && orders > 1)
    fail("test: a single test video has no twin in another order; ask for 2 or none");
  const auto sizes = group_sizes(test, orders, std::min<int64_t>(orders, 2));
  if (test > 0 && orders_of(min_events) < sizes.front()) {
    fail(fmt::format("orders: {} shapes have only {} orders, and a group of {} is asked for",
                     min_events, orders_of(min_events), sizes.front()));
  }
  // Test sets are kept out of training, which needs as many again to choose from.
  int64_t sets = 0;
  for (int64_t n = min_events; n <= max_events; ++n) sets += sets_of(colours * shapes, n);
  if (static_cast<int64_t>(sizes.size()) > sets / 2) {
    fail(
        fmt::format("test: {} groups need as many sets of shapes, and only half of the {} there are"
                    " can be spared: raise colours or shapes, or lower test",
                    sizes.size(), sets));
  }
}

std::vector<Story> tell_stories(const ShapesOptions& options) {
  if (options.stills) return tell_stills(options);
  Rng rng(derive(static_cast<uint64_t>(options.seed), "stories"));
  std::set<Objects> test_sets;
  std::vector<Story> train, test;
  const int64_t least = std::min<int64_t>(options.orders, 2);
  for (const int64_t size : group_sizes(options.test, options.orders, least)) {
    Objects set = draw_set(options, rng);
    while (!test_sets.insert(set).second) set = draw_set(options, rng);
    for (auto& order : draw_orders(set, size, rng)) test.push_back({std::move(order), true});
  }
  while (static_cast<int64_t>(train.size()) < options.train) {
    const Objects set = draw_set(options, rng);
    if (test_sets.contains(set)) continue;
    const auto room = options.train - static_cast<int64_t>(train.size());
    for (auto& order : draw_orders(set, std::min(options.train_orders, room), rng)) {
      train.push_back({std::move(order), false});
    }
  }
  train.insert(train.end(), test.begin(), test.end());
  const auto seed = static_cast<uint64_t>(options.seed);
  for (size_t i = 0; i < train.size(); ++i) {
    add_glimpses(train[i], options, Rng(derive(seed, "glimpses", i)));
  }
  return train;
}

std::string object_name(const Object& object) {
  const std::string colour = kColours[object.colour];
  return fmt::format("{} {} {}", colour == "orange" ? "an" : "a", colour, kShapes[object.shape]);
}

// For one event all five say the same; from two on each tells the whole order.
std::vector<std::string> ordered_captions(const Story& story) {
  std::vector<std::string> names;
  for (const auto& object : story.objects) names.push_back(object_name(object));
  const std::string &first = names.front(), &last = names.back();
  if (names.size() == 1) return {first};
  const std::vector<std::string> middle(names.begin() + 1, names.end() - 1);
  const std::vector<std::string> backwards(names.rbegin() + 1, names.rend());
  const auto between = [&](const char* before_each) {
    std::string text;
    for (const auto& name : middle) text += before_each + name;
    return text;
  };
  const std::string followers =
      middle.empty() ? last : fmt::format("{} and then {}", fmt::join(middle, ", then "), last);
  const std::string followed =
      middle.empty() ? "" : fmt::format("goes on with {}, ", fmt::join(middle, ", then with "));
  return {
      fmt::format("first {}{}, finally {}", first, between(", then "), last),
      fmt::format("{} is followed by {}", first, followers),
      fmt::format("{} appears after {}", last, fmt::join(backwards, ", which comes after ")),
      fmt::format("{} appears{}, then {}", first, between(", then "), last),
      fmt::format("it starts with {}, {}and ends with {}", first, followed, last),
  };
}

std::vector<std::string> still_captions(const Object& object) {
  const std::string name = object_name(object);
  return {name, "there is " + name, "a picture of " + name};
}

}  // namespace vtr::data
