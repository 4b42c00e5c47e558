# shellcheck shell=bash
# What the scripts share; sourced by each, which then stand in the checkout's root.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

say() { printf '== %s\n' "$*" >&2; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# pins <file>...: the lines of pinned lists, without comments and -r lines.
pins() { sed 's/#.*//; /^-r/d; /^[[:space:]]*$/d' "$@"; }

# One job a core, as far as 2 GB of free memory a job allow: a file with LibTorch in it takes 1.3.
job_count() {
  local memory limit
  memory=$(awk '/^MemAvailable:/ {print int($2 / 2000000)}' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  [[ $limit == max ]] || memory=$((limit / 2000000000 < memory ? limit / 2000000000 : memory))
  local jobs=$(($(nproc) < memory ? $(nproc) : memory))
  echo $((jobs > 1 ? jobs : 1))
}

# build <preset> [target]...: configures and builds into build/<preset>.
build() {
  local preset=$1
  shift
  cmake --preset "$preset" >&2
  cmake --build --preset "$preset" --parallel "${VTR_JOBS:-$(job_count)}" ${1:+--target "$@"} >&2
}
