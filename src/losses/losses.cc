#include "vtr/losses/losses.h"

#include "losses_table.h"

namespace vtr::losses {

const Table<LossEntry>& losses() {
  static const Table<LossEntry> table("loss", {symmetric_ce_loss()});
  return table;
}

Loss make_loss(const config::Choice& choice) {
  return losses().find(choice.name).make(choice.options);
}

}  // namespace vtr::losses
