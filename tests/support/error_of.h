// The message of what a call throws.
#pragma once

#include "vtr/core/error.h"

#include <gtest/gtest.h>

#include <string>

namespace vtr::test {

template <class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

template <class Call>
void expect_error(Call call, const std::string& part) {
  const std::string message = error_of(call);
  EXPECT_NE(message.find(part), std::string::npos) << "wanted '" << part << "', got: " << message;
}

}  // namespace vtr::test
