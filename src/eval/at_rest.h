// A model in evaluation, and back.
#pragma once

#include "vtr/models/retriever.h"

namespace vtr::eval {

// Dropout rests while it lives.
class AtRest {
 public:
  explicit AtRest(models::Retriever& model) : model_(model), was_training_(model.is_training()) {
    model.eval();
  }
  ~AtRest() { model_.train(was_training_); }
  AtRest(const AtRest&) = delete;
  AtRest& operator=(const AtRest&) = delete;

 private:
  models::Retriever& model_;
  bool was_training_;
};

}  // namespace vtr::eval
