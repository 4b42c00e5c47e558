#!/usr/bin/env python3
"""HDF5 files in MMT's form, and broken ones, through the conversion."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import h5py

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/mmt_to_json.py"


class MmtToJson(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.source = pathlib.Path(folder.name, "mult_h5")
        self.target = pathlib.Path(folder.name, "mult_h5.json")

    def write(self, video, captions, first=0):
        path = self.source / video[0] / video[1] / video[2] / f"{video}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            for i, words in enumerate(captions, first):
                file.create_dataset(f"raw_captions.{i}", data=words, dtype=h5py.string_dtype())
                file[f"raw_captions_t.{i}"] = [[0.0, 0.0]] * len(words)
            file["features.rgb"] = [[0.5, 1.0]]
        return path

    def run_script(self):
        return subprocess.run([sys.executable, SCRIPT, self.source, self.target],
                              capture_output=True, text=True, check=False)

    def refuse(self, message):
        outcome = self.run_script()
        self.assertEqual(outcome.returncode, 1)
        self.assertIn(message, outcome.stderr)
        self.assertNotIn("Traceback", outcome.stderr)
        self.assertFalse(self.target.exists())

    def test_captions_keep_their_order_and_letters(self):
        many = [["number", str(i)] for i in range(12)]
        self.write("video9", many)
        self.write("video1", [["an", "\u00e9tude"]])
        outcome = self.run_script()
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        self.assertEqual(json.loads(self.target.read_text("utf-8")),
                         {"video1": [["an", "\u00e9tude"]], "video9": many})

    def test_what_is_no_such_file_is_named(self):
        self.refuse("no .h5 file")
        self.write("video1", [["rain"]], first=1)
        self.refuse("video1.h5: its captions are numbered [1]")
        self.write("video1", [])
        self.refuse("numbered []")
        path = self.write("video1", [["rain"]])
        path.write_bytes(path.read_bytes()[:200])
        self.refuse("video1.h5: ")


if __name__ == "__main__":
    unittest.main()
