#!/usr/bin/env bash
# Packs the program for machines where nothing of it is installed but Python's torch 2.11.0: the
# program, the tests labelled `gpu`, the libraries they load that are neither LibTorch's nor the C
# library's, configurations, CLIP's vocabulary, and a little data with its frames stored.
#
#   scripts/bundle.sh [FILE]        FILE: build/vtr_bundle.tar.xz when left out
#   VTR_PRESET=dev                  what is packed is built as this preset; `cuda` when left out
#
# There: tar -xf vtr_bundle.tar.xz && vtr_bundle/gpu_check.sh, or vtr_bundle/vtr train ... It needs
# x86-64 with the C library of Debian 12 or newer, and finds torch through python3 or $VTR_TORCH.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

preset=${VTR_PRESET:-cuda}
readonly limit=60000000
readonly file=$(realpath -m "${1:-build/vtr_bundle.tar.xz}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
readonly root=$work/vtr_bundle

# Those that are the machine's own or come with torch. libstdc++ is what torch finds too.
readonly not_ours='/torch/lib/|/nvidia/|/lib(c|m|dl|rt|pthread|resolv|gcc_s|stdc\+\+|gomp)\.so|/ld-linux'

copy_libraries() {
  ldd "$root"/bin/* | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u | grep -vE "$not_ours" |
    xargs cp -Lt "$root/lib"
}

# launcher NAME: runs bin/NAME with the libraries of the bundle and of torch.
launcher() {
  cat >"$root/$1" <<LAUNCHER
#!/bin/sh
here=\$(cd "\$(dirname "\$0")" && pwd)
find='import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")'
torch=\${VTR_TORCH:-\$(python3 -c "\$find" 2>/dev/null)}
if [ ! -e "\$torch/lib/libtorch_cpu.so" ]; then
  echo "vtr: no torch \$(cat "\$here/torch_version") is found through python3; VTR_TORCH names its folder" >&2
  exit 1
fi
export VTR_HOME="\${VTR_HOME:-\$here}" VTR_PROGRAM="\$here/vtr"
export LD_LIBRARY_PATH="\$here/lib:\$torch/lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
exec "\$here/bin/$1" "\$@"
LAUNCHER
  chmod +x "$root/$1"
}

# Videos as frames of the size that the models of configs/ take, and the annotations beside them.
make_data() {
  local vtr=build/$preset/vtr from=$work/shapes
  "$vtr" data make-shapes --out "$from" --seed 1 --train 16 --test 8
  "$vtr" data pack --config shapes.yaml data.root="$from" --out "$root/frames"
  mkdir "$root/data"
  cp "$from"/*.json "$from"/*.csv "$root/data"
}

build "$preset" vtr vtr_nccl gpu_test
mkdir -p "$root/assets" "$root/lib" "$(dirname "$file")"
cmake --install "build/$preset" --prefix "$root" --strip >/dev/null
copy_libraries
launcher vtr
launcher gpu_test
sed -n 's/^torch==//p' third_party/requirements.txt >"$root/torch_version"
cp -r configs "$root"
rm "$root"/configs/sweeps/*.svg
cp .venv/assets/* "$root/assets"
cp scripts/gpu_check.sh scripts/bench_step.py scripts/plain_clip.py scripts/make_clip_fixtures.py LICENSE "$root"
make_data

XZ_OPT="--x86 --lzma2=preset=9e,dict=256MiB" tar -C "$work" --sort=name --owner=0 --group=0 -cJf "$file" vtr_bundle
size=$(stat -c %s "$file")
say "$file: $size bytes, unpacked $(du -sb "$root" | cut -f1)"
((size < limit)) || die "larger than $limit bytes"
