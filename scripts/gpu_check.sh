#!/usr/bin/env bash
# What a machine with an NVIDIA GPU has to show: the tests labelled `gpu`, what a step of every head
# and precision costs there, and a job of one process over NCCL. From a checkout (which it builds, as
# the preset `cuda`) or from the bundle that scripts/bundle.sh makes.
#
#   scripts/gpu_check.sh [FOLDER]     FOLDER: where the figures go, runs/gpu_check when left out
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [[ -x $here/vtr ]]; then  # the bundle
  vtr=$here/vtr tests=$here/gpu_test
  say() { printf '== %s\n' "$*" >&2; }
else
  source "$here/lib.sh"
  build cuda vtr gpu_test
  vtr=build/cuda/vtr tests=build/cuda/gpu_test
fi
out=${1:-runs/gpu_check}
mkdir -p "$out"

if ! "$vtr" bench step --batch 2 --frames 1 --repeat 1 device=cuda >/dev/null 2>"$out/why"; then
  say "no GPU: $(tail -n 1 "$out/why")"
  exit 1
fi
{ "$vtr" --version; nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader; } |
  tee "$out/machine.txt"

failed=0
say "the tests labelled gpu"
"$tests" --gtest_output="json:$out/tests.json" >"$out/tests.txt" || failed=1
grep -E "^\[  (PASSED|FAILED)" "$out/tests.txt" || failed=1

# bench NAME options...: a step of ViT-B/32, 16 videos of 12 frames; its figures in NAME.json.
bench() {
  local name=$1
  shift
  "$vtr" bench step --batch 16 --frames 12 --words 32 --repeat 20 --json "$out/$name.json" \
    device=cuda "$@" >/dev/null 2>"$out/$name.log" ||
    { say "$name: $(tail -n 1 "$out/$name.log")"; failed=1; }
}
say "steps in every precision, and of every head"
for precision in fp32 bf16 fp16; do bench "xpool_$precision" --head xpool --precision "$precision"; done
bench xpool_recomputed --head xpool --precision bf16 train.checkpoint_activations=blocks
for head in $("$vtr" list heads | awk '/^[a-z]/ {print $1}'); do
  bench "head_$head" --head "$head" --precision bf16
done
python3 - "$out" <<'PYTHON'
import json, pathlib, sys
print(f"{'step':24} {'ms':>8} {'videos/s':>9} {'peak, GB':>9}")
for file in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
    row = json.loads(file.read_text())
    if "step_seconds" in row:
        print(f"{file.stem:24} {1e3 * row['step_seconds']:8.1f} {row['videos_per_second']:9.1f} "
              f"{row['peak_bytes'] / 1e9:9.2f}")
PYTHON

# beside NAME options...: as bench_step.py says; its figures in beside_pytorch_NAME.json.
beside() {
  local name=beside_pytorch_$1
  shift
  "$python" "$here/bench_step.py" --vtr "$vtr" --device cuda --json "$out/$name.json" "$@" \
    2>"$out/$name.log" || { say "$name: $(tail -n 1 "$out/$name.log")"; failed=1; }
}
say "the losses of 50 steps, a step and the encoders beside PyTorch"
python=
for candidate in python3 .venv/bin/python; do
  "$candidate" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null || continue
  python=$candidate
  break
done
if [[ -n $python ]]; then
  beside losses --precisions fp32 bf16 --losses 50
  beside times --precisions fp32 bf16 fp16 --steps 20
else
  say "left out: neither python3 nor .venv/bin/python has a torch that sees the GPU"
fi

say "a run: profiled, and as a job of one process over NCCL"
if [[ -d $here/frames ]]; then
  data=(data.root="$here/data" data.store="$here/frames")
else
  data=(data.root=data/gpu_check)
  "$vtr" data make-shapes --out data/gpu_check --seed 1 --train 64 --test 16 --overwrite
fi
run() {  # NAME command...
  local name=$1
  shift
  local more=()
  [[ $name != profiled ]] || more=(--profile)
  "$@" train --config shapes.yaml "${data[@]}" device=cuda --run "$out/$name" --overwrite \
    train.max_steps=30 train.batch=16 train.precision=bf16 "${more[@]}" 2>&1 | tee "$out/$name.log" | tail -n 2
}
run alone "$vtr" || failed=1
run profiled "$vtr" || failed=1
torchrun=$(command -v torchrun || true)
if [[ -n $torchrun ]]; then
  run nccl "$torchrun" --nproc-per-node 1 --no-python -- "$vtr" || failed=1
else
  RANK=0 WORLD_SIZE=1 MASTER_ADDR=127.0.0.1 MASTER_PORT=29417 run nccl "$vtr" || failed=1
fi
say "figures and logs: $out"
exit $failed
