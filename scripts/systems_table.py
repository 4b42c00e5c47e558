#!/usr/bin/env python3
"""Every head and encoder variant on the generated benchmark, the same budget each, in one table.

    scripts/systems_table.py                        # build/release/vtr, runs/systems/table.{json,md}
    scripts/systems_table.py --steps 200 joint stan # some of them, shorter

A system that has its run is not trained again. All are trained before any is timed, so that a quiet
machine is needed for the last minutes only. Figures: retrieval of both caption kinds, values that
train, the median of 20 steps, the median of scoring 1,000 x 1,000 at the run's sizes, and training's
peak memory.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

FREEZE = "train.freeze=[clip.visual.*]"
# What a variant adds to the image tower trains; the tower itself does not, as for the heads.
TOWER = [f"clip.visual.{part}" for part in
         ("class_embedding", "positional_embedding", "proj", "conv1.*", "ln_*", "transformer.*")]
UNFROZEN = ["train.encode_once=false", f"train.freeze=[{','.join(TOWER)}]"]
SYSTEMS = {
    "mean_pool": [], "topk": [], "attention": [], "seq_lstm": [], "seq_transf": [],
    "tight_transf": ["train.loss.scale=1"],  # its score is no cosine and has no temperature
    "xpool": [], "cross": [], "joint": [], "xclip": [], "ts2": [],
    "mug": [], "wti": [], "mmt": [], "gated": [], "projection": [],
    "ts2_shift": ["model.head.name=ts2", "model.encoder.name=ts2_shift"],
    "centerclip": ["model.head.name=mean_pool", "model.encoder.name=centerclip",
                   "model.encoder.clusters=['2:6x24']"],
    "stan": ["model.head.name=mean_pool", "model.encoder.name=stan", "model.encoder.depth=2",
             *UNFROZEN],
    "dgl": ["model.head.name=mean_pool", "model.encoder.name=dgl", "text.max_words=24", *UNFROZEN],
    "linear_patch_3d": ["model.head.name=mean_pool", "model.encoder.linear_patch=3d", *UNFROZEN],
}
HEAD_OPTIONS = {"cross": {"heads": 8, "temporal": "learned"},
                "joint": {"heads": 8, "temporal": "learned", "dropout": 0.1}}
FRAMES = {"dgl": 1, "centerclip": 6}  # that the head sees
QUADRATIC = {"tight_transf"}  # a transformer for every pair: timed on 100 x 100, stated times 100
TIMED_STEPS = 20
COLUMNS = ["system", "captions", "R@1", "R@5", "R@10", "MdR", "MnR", "parameters", "step ms",
           "score 1k x 1k s", "peak MB"]


def run(command):
    """Runs it, with its output on ours; returns its peak memory in bytes."""
    print("$", " ".join(map(str, command)), file=sys.stderr, flush=True)
    child = subprocess.Popen([str(word) for word in command], stdout=sys.stderr)
    _, status, usage = os.wait4(child.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"failed: {' '.join(map(str, command))}")
    return usage.ru_maxrss * 1024


def trained_values(log):
    """Of '... 123 values train, 456 are frozen'."""
    line = next(line for line in log.read_text().splitlines() if "values train" in line)
    return int(line.split(" values train")[0].split()[-1])


def head_of(name):
    return next((o.split("=")[1] for o in SYSTEMS[name] if o.startswith("model.head.name=")), name)


def kept(record_file, budget, make):
    """What `make` gives for this budget, read if it was made before."""
    if record_file.exists():
        record = json.loads(record_file.read_text())
        if record["budget"] == budget:
            return record
    record = {"budget": budget, **make()}
    record_file.write_text(json.dumps(record))
    return record


def train(name, folder, steps, arguments):
    """Returns the peak memory in bytes."""
    options = [f"model.head.name={head_of(name)}",
               *(f"model.head.{o}={v}" for o, v in HEAD_OPTIONS.get(name, {}).items())]
    return run([arguments.vtr, "train", "--config", "shapes.yaml", "--run", folder, "--overwrite",
                f"data.root={arguments.data}", f"train.max_steps={steps}", "train.log_every=1",
                *options, *SYSTEMS[name]])


def trained(name, arguments):
    """The system's figures that no other program on the machine can change."""
    folder = arguments.out / name

    def make():
        peak = train(name, folder, arguments.steps, arguments)
        rows_file = folder / "rows.json"
        run([arguments.vtr, "eval", "--run", folder, "--split", "ordered", "--split", "single",
             "--json", rows_file])
        return {"system": name, "rows": json.loads(rows_file.read_text()),
                "parameters": trained_values(folder / "log.txt"), "peak_bytes": peak}

    return kept(folder / "record.json", {"steps": arguments.steps, "data": str(arguments.data)},
                make)


def timed(name, arguments):
    """Seconds of a step and of scoring."""
    folder, head = arguments.out / "timed" / name, head_of(name)
    score_file = folder / "score.json"
    side = 100 if head in QUADRATIC else 1000
    train(name, folder, TIMED_STEPS, arguments)
    own = [word for option, value in HEAD_OPTIONS.get(name, {}).items()
           for word in ("--set", f"{option}={value}")]
    run([arguments.vtr, "bench", "score", "--head", head, *own, "--skip-naive", "--repeat", 3,
         "--width", 128, "--patches", 36, "--frames", FRAMES.get(name, 12), "--texts", side,
         "--videos", side, "--json", score_file])
    steps = [json.loads(line)["seconds"] for line in (folder / "metrics.jsonl").open()]
    return {"step_seconds": statistics.median(steps),
            "score_seconds": json.loads(score_file.read_text())["factored_seconds"] *
            (1000 / side) ** 2}


def table(records):
    lines = []
    for record in records:
        for row in record["rows"]:
            if row["direction"] != "t2v":
                continue
            lines.append([record["system"], row["captions"],
                          *(f"{row[m]:.1f}" for m in ("R@1", "R@5", "R@10", "MdR", "MnR")),
                          f"{record['parameters']:,}", f"{1000 * record['step_seconds']:.0f}",
                          f"{record['score_seconds']:.3g}", f"{record['peak_bytes'] / 1e6:.0f}"])
    widths = [max(len(line[i]) for line in [COLUMNS, *lines]) for i in range(len(COLUMNS))]
    form = lambda line: "| " + " | ".join(  # noqa: E731
        cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))) + " |"
    rule = "|" + "|".join("-" * (w + 1) + ("-" if i < 2 else ":") for i, w in enumerate(widths)) + "|"
    return "\n".join([form(COLUMNS), rule, *map(form, lines)]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help="of: " + ", ".join(SYSTEMS))
    parser.add_argument("--vtr", type=Path, default="build/release/vtr")
    parser.add_argument("--out", type=Path, default="runs/systems")
    parser.add_argument("--data", type=Path, default="data/quickstart")
    parser.add_argument("--steps", type=int, default=400)
    arguments = parser.parse_args()
    unknown = set(arguments.systems) - set(SYSTEMS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if not arguments.data.exists():
        run([arguments.vtr, "data", "make-shapes", "--out", arguments.data, "--seed", 1, "--train",
             1200, "--test", 240])
    names = arguments.systems or list(SYSTEMS)
    records = [trained(name, arguments) for name in names]
    records = [{**record, **timed(name, arguments)} for name, record in zip(names, records)]
    (arguments.out / "table.md").write_text(table(records))
    (arguments.out / "table.json").write_text(json.dumps(records, indent=1))
    print(table(records), end="")


if __name__ == "__main__":
    main()
