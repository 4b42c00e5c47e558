#!/usr/bin/env python3
"""Turns the captions in MMT's HDF5 files, one a video, into one JSON file.

    scripts/mmt_to_json.py vid_feat_files/mult_h5 mult_h5.json

Written is {video: [captions]}, a caption as its words (`raw_captions.0`, `raw_captions.1`, ...), the
videos by name; `vtr` reads it beside MMT's lists. Needs Python 3.9 and h5py (python3-h5py).
"""
import argparse
import json
import os
import sys
from pathlib import Path

try:
    import h5py
except ImportError:
    sys.exit("h5py is not there: apt install python3-h5py, or pip install h5py")

PREFIX = "raw_captions."


def captions_of(path):
    with h5py.File(path, "r") as file:
        numbers = sorted(int(name[len(PREFIX):]) for name in file if name.startswith(PREFIX))
        if numbers != list(range(len(numbers))) or not numbers:
            raise ValueError(f"its captions are numbered {numbers}")
        return [[word.decode("utf-8") if isinstance(word, bytes) else str(word)
                 for word in file[f"{PREFIX}{i}"][()]] for i in numbers]


def convert(folder, target):
    captions = {}
    for path in sorted(Path(folder).rglob("*.h5")):
        try:
            captions[path.stem] = captions_of(path)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise SystemExit(f"{path}: {error}") from error
    if not captions:
        raise SystemExit(f"{folder}: no .h5 file in it")
    aside = f"{target}.{os.getpid()}.aside"
    try:
        Path(aside).write_text(json.dumps(captions, ensure_ascii=False), encoding="utf-8")
        os.replace(aside, target)
    finally:
        Path(aside).unlink(missing_ok=True)
    return len(captions)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("source", help="the folder of the .h5 files, in folders of their letters")
    parser.add_argument("target", help="the .json to write")
    arguments = parser.parse_args()
    print(f"{arguments.target}: {convert(arguments.source, arguments.target)} videos")


if __name__ == "__main__":
    main()
