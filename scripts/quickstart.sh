#!/usr/bin/env bash
# From a bare checkout to a first result: sets up what is missing, builds vtr (build/release/vtr),
# and runs it.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

# Makes a small benchmark, trains on it and evaluates.
first_result() {
  local vtr=build/release/vtr
  "$vtr" --version
  # To come: "$vtr" data make-shapes ..., "$vtr" train ..., "$vtr" eval ...
}

scripts/setup.sh
SECONDS=0
build release vtr
say "built build/release/vtr in $SECONDS s"
first_result
