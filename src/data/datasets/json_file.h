// JSON read from files, with errors that say where.
#pragma once

#include "vtr/core/error.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace vtr::data {

// `where` names the file (and line) in errors, which carry the parser's line and column.
inline nlohmann::json parse_json(const std::string& text, const std::string& where,
                                 const nlohmann::json::parser_callback_t& callback = nullptr) {
  try {
    return nlohmann::json::parse(text, callback);
  } catch (const nlohmann::json::exception& error) {
    const std::string message = error.what();
    const size_t tag = message.find("] ");  // "[json.exception.parse_error.101] parse error at ..."
    throw Error(where + ": " + (tag == std::string::npos ? message : message.substr(tag + 2)));
  }
}

// JSON whose outermost object's keys are known in the file's order, each there once.
struct OrderedJson {
  nlohmann::json value;
  std::vector<std::string> keys;
};

inline OrderedJson parse_ordered(const std::string& text, const std::string& where) {
  OrderedJson result{parse_json(text, where), {}};
  // Once more for the keys: with a callback the parser looks through all of a list or object
  // whenever a part of it ends, so that what is kept must be little.
  using Event = nlohmann::json::parse_event_t;
  parse_json(text, where, [&](int depth, Event event, nlohmann::json& parsed) {
    if (event == Event::key && depth == 1) result.keys.push_back(parsed.get<std::string>());
    return depth == 0 || event == Event::key;
  });
  VTR_CHECK(!result.value.is_object() || result.keys.size() == result.value.size(),
            "{}: a name is there twice", where);
  return result;
}

inline const nlohmann::json& json_field(const nlohmann::json& object, const char* name,
                                        const std::string& where) {
  VTR_CHECK(object.is_object(), "{}: an object is needed", where);
  const auto found = object.find(name);
  VTR_CHECK(found != object.end(), "{}: no field \"{}\"", where, name);
  return *found;
}

inline std::string json_text(const nlohmann::json& object, const char* name,
                             const std::string& where) {
  const auto& value = json_field(object, name, where);
  VTR_CHECK(value.is_string(), "{}: \"{}\" is not a string", where, name);
  return value.get<std::string>();
}

inline const nlohmann::json& json_list(const nlohmann::json& object, const char* name,
                                       const std::string& where) {
  const auto& value = json_field(object, name, where);
  VTR_CHECK(value.is_array(), "{}: \"{}\" is not a list", where, name);
  return value;
}

}  // namespace vtr::data
