#!/usr/bin/env python3
"""Puts annotations that a test wrote as JSON into the form their authors ship: FILE.json becomes
FILE.pkl, or the folder FILE of MMT's HDF5 files.

    tests/scripts/true_form.py FILE.json pkl|h5
"""
import json
import pathlib
import pickle
import sys


def main():
    path, form = pathlib.Path(sys.argv[1]), sys.argv[2]
    data = json.loads(path.read_text("utf-8"))
    path.unlink()
    if form == "pkl":
        path.with_suffix(".pkl").write_bytes(pickle.dumps(data, 2))
        return
    import h5py
    for video, captions in data.items():
        file = path.with_suffix("") / video[0] / video[1] / video[2] / f"{video}.h5"
        file.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(file, "w") as out:
            for i, words in enumerate(captions):
                out.create_dataset(f"raw_captions.{i}", data=words, dtype=h5py.string_dtype())


if __name__ == "__main__":
    main()
