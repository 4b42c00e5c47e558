#!/usr/bin/env bash
# Installs what vtr is built with and needs at run time, as far as it is missing: packages of Debian
# or Ubuntu (third_party/apt.txt), and into .venv LibTorch and CLIP's vocabulary from PyPI. Run it
# again at will: it repairs a half-finished install, and with nothing missing it takes a second and
# no network.
#
#   scripts/setup.sh          the small CPU set; where an NVIDIA GPU is seen, CUDA's libraries too
#   VTR_GPU=0 (or 1) scripts/setup.sh     do not look, leave CUDA out (or take it)
set -euo pipefail
source "$(dirname "$0")/lib.sh"

readonly vocabulary=bpe_simple_vocab_16e6.txt.gz
readonly vocabulary_sha256=924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a

install_packages() {
  local package missing=() as_root=()
  if ! command -v apt-get >/dev/null; then
    die "this is neither Debian nor Ubuntu. Install the counterparts of these packages yourself," \
      "then run VTR_APT=0 $0: $(pins third_party/apt.txt | xargs)"
  fi
  for package in $(pins third_party/apt.txt); do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed* ]] ||
      missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then return; fi
  if ((EUID != 0)); then
    as_root=(sudo)
    if ! { command -v sudo && { sudo -n true || sudo -v; }; } >/dev/null 2>&1; then
      die "not root, and sudo does not work. Ask for these packages: ${missing[*]}"
    fi
  fi
  say "installing with apt: ${missing[*]}"
  as_root+=(env DEBIAN_FRONTEND=noninteractive)
  "${as_root[@]}" dpkg --configure -a || true  # what an interrupted install left behind
  "${as_root[@]}" apt-get -q -o Acquire::Retries=3 update
  "${as_root[@]}" apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=600 \
    -o Dpkg::Use-Pty=0 --no-install-recommends --fix-broken install "${missing[@]}"
}

sees_gpu() { nvidia-smi -L >/dev/null 2>&1 || [[ -e /proc/driver/nvidia ]]; }

make_venv() {
  if .venv/bin/python -m pip --version >/dev/null 2>&1; then return; fi
  say "making the Python environment .venv"
  python3 -m venv --clear .venv
  rm -f build/*/CMakeCache.txt  # it names LibTorch's folder in the old one
}

# Prints those of the given pins that are not installed whole, with every file at its recorded size.
# What an interrupted pip left is made unknown to pip, which otherwise calls it installed.
missing_wheels() {
  .venv/bin/python - "$@" <<'PYTHON'
import importlib.metadata as metadata
import shutil
import sys

for pin in sys.argv[1:]:
    name, version = pin.split("==")
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        print(pin)
        continue
    files = [(file.locate(), file.size) for file in found.files or []]
    whole = files and all(
        path.exists() and size in (None, path.stat().st_size) for path, size in files)
    if not whole:
        shutil.rmtree(found._path)
    if not whole or found.version != version:
        print(pin)
PYTHON
}

install_wheels() {
  local lists=(third_party/requirements.txt) wheels
  local gpu=${VTR_GPU:-$(sees_gpu && echo 1 || echo 0)}
  if ((gpu)); then lists+=(third_party/requirements-gpu.txt); fi
  mapfile -t wheels < <(pins "${lists[@]}")
  mapfile -t wheels < <(missing_wheels "${wheels[@]}")
  if ((${#wheels[@]} == 0)); then return; fi
  say "installing into .venv: ${wheels[*]}"
  ((gpu)) || say "no NVIDIA GPU seen: CUDA's libraries stay out (VTR_GPU=1 takes them)"
  .venv/bin/python -m pip --disable-pip-version-check install --no-deps --retries 10 "${wheels[@]}"
}

copy_vocabulary() {
  local target=.venv/assets/$vocabulary site
  local check="$vocabulary_sha256  $target"
  if sha256sum --check --status <<<"$check" 2>/dev/null; then return; fi
  site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  say "copying CLIP's vocabulary to $target"
  install -D -m 644 "$site/open_clip/$vocabulary" "$target"
  sha256sum --check --status <<<"$check" || die "$target is not the file it should be (sha256)"
}

if [[ ${VTR_APT:-1} != 0 ]]; then install_packages; fi
make_venv
install_wheels
copy_vocabulary
say "setup: all there"
