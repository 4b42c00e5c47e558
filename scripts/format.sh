#!/usr/bin/env bash
# Formats every C++ file with the pinned clang-format, which it installs into .venv.
#
#   scripts/format.sh            format in place
#   scripts/format.sh --check    change nothing, fail where something would change
#   scripts/format.sh --tidy [file]...   run the system's clang-tidy on all or the given .cc files
set -euo pipefail
source "$(dirname "$0")/lib.sh"

cpp_files() { git ls-files -z --cached --others --exclude-standard -- "$@"; }

tidy() {
  command -v clang-tidy >/dev/null || die "clang-tidy is missing: apt-get install clang-tidy"
  # Configured apart and without the precompiled header, which clang cannot read when g++ made it.
  cmake --preset dev -B build/tidy -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON >/dev/null
  if (($#)); then printf '%s\0' "$@"; else cpp_files 'src/*.cc' 'tools/*.cc' 'tests/*.cc'; fi |
    xargs -0 -r -n 1 -P "$(job_count)" clang-tidy -p build/tidy --quiet --warnings-as-errors='*'
}

case ${1:-} in
  --tidy)
    tidy "${@:2}"
    exit ;;
  --check) mode=(--dry-run --Werror) ;;
  '') mode=(-i) ;;
  *) die "usage: scripts/format.sh [--check | --tidy [file]...]" ;;
esac

pin=$(grep '^clang-format==' third_party/requirements-dev.txt)
formatter=.venv/bin/clang-format
[[ $("$formatter" --version 2>/dev/null) == *" ${pin#*==}"* ]] || {
  say "installing into .venv: $pin"
  .venv/bin/python -m pip --disable-pip-version-check install --no-deps "$pin" >&2
}
cpp_files '*.h' '*.cc' '*.cu' | xargs -0 -r "$formatter" --style=file "${mode[@]}"
