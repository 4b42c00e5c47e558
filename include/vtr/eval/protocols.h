// The field's protocols, and which published system a model of ours is.
#pragma once

#include "vtr/core/table.h"

#include <string>

namespace vtr::eval {

// What is trained on and tested on, by name: "msrvtt-9k".
struct ProtocolEntry {
  std::string name, summary;
  std::string dataset, train, test;  // data.dataset, data.train, data.test
};

const Table<ProtocolEntry>& protocols();

// The paper's name of the system that a head on such encoders is, or "".
std::string paper_system(const std::string& head, const std::string& encoder);

}  // namespace vtr::eval
