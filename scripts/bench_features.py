#!/usr/bin/env python3
"""Times training from stored features at the size of MSR-VTT's 9k split.

A store of one small video is made by `vtr encode` with a small CLIP of width --width; its index and
shards are then blown up to --videos videos with --captions captions each, of random half precision
features, and `vtr train` runs on that. Prints one JSON object a batch size: what a step takes in
all, on the clock and of the processors, and what of it is the model's (gathering the features, the
head forward and backward, the optimiser), the minutes of an epoch, and, by `--profile`, a step's
products and what a large one reached beside it. With --set model.head=mean_pool, which computes
next to nothing, the step is the data's. With --epoch a whole epoch is trained instead of --steps,
and what it took, start-up aside, is printed too.

    scripts/bench_features.py --vtr build/release/vtr --batch 32 --batch 128
    scripts/bench_features.py --batch 128 --set data.captions_per_video=4
    scripts/bench_features.py --batch 32 --epoch --set model.head.dropout=0
"""
import argparse
import hashlib
import json
import pathlib
import random
import re
import resource
import statistics
import struct
import subprocess
import tempfile
import time

SMALL = ("{name: clip, embed_dim: %d, image_resolution: 32, patch: 16, vision_width: 64, vision_layers: 1, "
         "context: 32, vocab: 192, text_width: 64, text_layers: 1}")


def run(*words):
    """Wall and processor seconds, and what was printed."""
    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.monotonic(), usage.ru_utime + usage.ru_stime
    wall, cpu = spent()
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}\n{done.stderr}")
    wall_end, cpu_end = spent()
    return wall_end - wall, cpu_end - cpu, done.stdout


def write_shard(path, tensors):
    """tensors: name -> (dtype, shape, bytes); the file's SHA-256."""
    header, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    whole = struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values())
    path.write_bytes(whole)
    return hashlib.sha256(whole).hexdigest()


HIGH = bytes((b & 0x83) | 0x38 for b in range(256))  # exponents around 1: |x| in [0.5, 2)


def halves(random_bytes):
    data = bytearray(random_bytes)
    data[1::2] = data[1::2].translate(HIGH)
    return bytes(data)


def blow_up(store, args):
    """The store's only split, made as large as is asked for."""
    index = json.loads((store / "index.json").read_text())
    split = index["splits"][0]
    folder = store / split["folder"]
    source = random.Random(1)
    words = ["red", "blue", "green", "circle", "square", "then", "a", "moves", "appears", "and"]
    items = [{"id": f"video{v}", "bytes": 0, "start": 0, "end": 0,
              "captions": [" ".join(source.choices(words, k=9)) + f" {c}" for c in range(args.captions)]}
             for v in range(args.videos)]
    (folder / "items.json").write_text(json.dumps(items))
    split["items_sha256"] = hashlib.sha256((folder / "items.json").read_bytes()).hexdigest()
    split["videos"], split["texts"] = args.videos, args.videos * args.captions
    split["video_shards"], split["text_shards"] = [], []
    per = split["videos_per_shard"]
    for k, first in enumerate(range(0, args.videos, per)):
        n, t, d = min(per, args.videos - first), args.frames, args.width
        sha = write_shard(folder / f"videos-{k:05}.safetensors", {
            "times": ("F32", [n, t], struct.pack(f"<{t}f", *range(t)) * n),
            "frames": ("F16", [n, t, d], halves(source.randbytes(2 * n * t * d))),
            "frame_mask": ("BOOL", [n, t], b"\x01" * (n * t))})
        split["video_shards"].append({"sha256": sha, "rows": n, "skipped": []})
    per = split["texts_per_shard"]
    for k, first in enumerate(range(0, split["texts"], per)):
        n = min(per, split["texts"] - first)
        sha = write_shard(folder / f"texts-{k:05}.safetensors", {
            "pooled": ("F16", [n, args.width], halves(source.randbytes(2 * n * args.width)))})
        split["text_shards"].append({"sha256": sha, "rows": n, "skipped": []})
    (store / "index.json").write_text(json.dumps(index))
    return items


def annotate(data, items):
    """MSR-VTT's files for those ids."""
    (data / "MSRVTT_data.json").write_text(json.dumps({
        "videos": [{"video_id": item["id"]} for item in items],
        "sentences": [{"video_id": item["id"], "caption": c, "sen_id": 20 * v + i}
                      for v, item in enumerate(items) for i, c in enumerate(item["captions"])]}))
    (data / "MSRVTT_train.9k.csv").write_text("video_id\n" + "".join(f"{i['id']}\n" for i in items))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vtr", default="build/release/vtr")
    parser.add_argument("--videos", type=int, default=9000)
    parser.add_argument("--captions", type=int, default=20)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--batch", type=int, action="append")
    parser.add_argument("--steps", type=int, default=200, help="steps of each run")
    parser.add_argument("--epoch", action="store_true", help="train a whole one, not --steps")
    parser.add_argument("--set", action="append", default=[], help="option=value of the training")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        run(args.vtr, "data", "make-shapes", "--out", work / "data", "--train", 1, "--train-orders", 1,
            "--test", 2, "--orders", 2)
        options = ["data.dataset=shapes", f"data.root={work / 'data'}", "data.train=train",
                   "data.test=ordered", f"video.frames={args.frames}", "text.max_words=32",
                   "text.tokenizer={name: sentencepiece, model: shapes/pieces.model}",
                   f"model.encoder={SMALL % args.width}", "model.head={name: joint, heads: 8}",
                   "train.freeze=[clip.visual.*, clip.t*, clip.ln_final.*, clip.positional_embedding]"]
        config = work / "bench.yaml"
        config.write_text("device: auto\n")
        run(args.vtr, "encode", "--config", config, "--out", work / "store", "--split", "train", *options)
        annotate(work / "data", blow_up(work / "store", args))
        pairs = args.videos * args.captions
        for batch in args.batch or [32, 128]:
            def train(steps, *more):
                return run(args.vtr, "train", "--config", config, "--run", work / "run", "--overwrite",
                           f"data.features={work / 'store'}", f"train.batch={batch}",
                           f"train.max_steps={steps}", *options, *args.set, *more)
            *_, profile = train(7, "--profile")
            products, ceiling = re.search(r"([\d.]+) GFLOP .* of the (\d+) of a large", profile).groups()
            start, start_cpu, _ = train(1)
            steps = pairs // batch if args.epoch else args.steps
            whole, whole_cpu, _ = train(1 + steps)
            lines = [json.loads(x) for x in (work / "run" / "metrics.jsonl").read_text().splitlines()]
            model = statistics.median(line["seconds"] for line in lines)
            step = statistics.median(line["seconds"] + line["data_wait"] for line in lines)
            print(json.dumps({"batch": batch, "start_seconds": round(start, 2),
                              "step_ms": round(1e3 * step, 2), "model_ms": round(1e3 * model, 2),
                              "step_cpu_ms": round(1e3 * (whole_cpu - start_cpu) / steps, 2),
                              "epoch_minutes": round(step * (pairs // batch) / 60, 2),
                              **({"trained_epoch_minutes": round((whole - start) / 60, 2)}
                                 if args.epoch else {}),
                              "gflop": float(products), "large_product_gflops": float(ceiling)}),
                  flush=True)


if __name__ == "__main__":
    main()
