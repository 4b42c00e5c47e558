// Bytes as text (RFC 4648), for what cannot hold them.
#pragma once

#include <string>
#include <string_view>

namespace vtr {

std::string base64(std::string_view bytes);

}  // namespace vtr
