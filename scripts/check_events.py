#!/usr/bin/env python3
"""Reads a run's event files with TensorBoard itself and holds them against metrics.jsonl.

  python -m venv /tmp/tb && /tmp/tb/bin/pip install tensorboard
  /tmp/tb/bin/python scripts/check_events.py runs/NAME
"""
import json
import math
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main():
    run = pathlib.Path(sys.argv[1])
    everything = {"scalars": 0, "histograms": 0}
    events = EventAccumulator(str(run), size_guidance=everything).Reload()
    lines = [json.loads(line) for line in (run / "metrics.jsonl").open()]
    for tag in sorted(events.Tags()["scalars"]):
        if not tag.startswith("train/"):
            continue
        got = [(event.step, event.value) for event in events.Scalars(tag)]
        want = [(line["step"], line[tag[6:]]) for line in lines]
        if [step for step, _ in got] != [step for step, _ in want]:
            sys.exit(f"{tag}: steps {[step for step, _ in got]}, not {[step for step, _ in want]}")
        for (step, value), (_, wanted) in zip(got, want):
            if wanted is not None and not math.isclose(value, wanted, rel_tol=1e-6, abs_tol=1e-9):
                sys.exit(f"{tag}: {value} at step {step}, not {wanted}")
        print(f"{tag}: {len(got)} values up to step {got[-1][0]}")
    for tag in events.Tags()["histograms"]:
        print(f"{tag}: {len(events.Histograms(tag))} histograms")
    for tag in sorted(events.Tags()["scalars"]):
        if tag.startswith("val/"):
            print(f"{tag}: {len(events.Scalars(tag))} values")


if __name__ == "__main__":
    main()
