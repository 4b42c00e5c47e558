#!/usr/bin/env bash
# The whole check from a bare checkout: sets up what is missing, builds the preset `dev`, runs the
# tests. Arguments go to ctest: scripts/test.sh -R eval --verbose
#
#   VTR_JOBS=n   build and test n at a time
set -euo pipefail
source "$(dirname "$0")/lib.sh"

scripts/setup.sh
SECONDS=0
build dev
built=$SECONDS
say "built in $built s"

status=0
ctest --test-dir build/dev --output-on-failure --no-tests=error --label-exclude gpu \
  --parallel "${VTR_JOBS:-$(job_count)}" "$@" || status=$?
say "build $built s, tests $((SECONDS - built)) s, together $SECONDS s"
exit "$status"
