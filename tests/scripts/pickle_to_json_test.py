#!/usr/bin/env python3
"""Pickles of captions as the field has them, and as an attacker would, through the conversion."""
import collections
import json
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/pickle_to_json.py"


class Call:
    """Pickles as a call of os.mkdir, which whoever unpickles it carelessly makes."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


class PickleToJson(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.source = pathlib.Path(self.folder.name, "a.pkl")
        self.target = pathlib.Path(self.folder.name, "a.json")
        self.addCleanup(self.folder.cleanup)

    def run_script(self, data):
        self.source.write_bytes(data)
        return subprocess.run([sys.executable, SCRIPT, self.source, self.target],
                              capture_output=True, text=True, check=False)

    def expect(self, data, wanted):
        outcome = self.run_script(data)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        self.assertEqual(json.dumps(json.loads(self.target.read_text("utf-8"))),
                         json.dumps(wanted))

    def refuse(self, data, message):
        outcome = self.run_script(data)
        self.assertEqual(outcome.returncode, 1)
        self.assertIn(message, outcome.stderr)
        self.assertNotIn("Traceback", outcome.stderr)
        self.assertFalse(self.target.exists())

    def test_captions_keep_their_order_in_every_protocol(self):
        captions = {"video9": [["a", "dog"], ["an", "\u00e9tude"]], "video1": ["rain"]}
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            self.expect(pickle.dumps(captions, protocol), captions)

    def test_dictionaries_of_collections_and_tuples_are_plain(self):
        grouped = collections.defaultdict(list)
        grouped["b"].append({"filename": "video1.mp4", "text": ("x", 1, 2.5, None)})
        self.expect(pickle.dumps(grouped), {"b": [{"filename": "video1.mp4",
                                                   "text": ["x", 1, 2.5, None]}]})
        self.expect(pickle.dumps(collections.OrderedDict(z=1, a=2)), {"z": 1, "a": 2})

    def test_texts_of_python_2_are_read(self):
        self.expect(b"(dp0\nS'video1'\np1\nI3\ns.", {"video1": 3})

    def test_nothing_is_called(self):
        made = os.path.join(self.folder.name, "made")
        self.refuse(pickle.dumps({"video1": Call(made)}), "it names posix.mkdir")
        self.assertFalse(os.path.exists(made))

    def test_what_is_no_pickle_is_refused(self):
        whole = pickle.dumps({"video1": ["rain"] * 9})
        for data in (b"", b"{}", whole[:-3], b"\x80\x04" + bytes(40)):
            self.refuse(data, "not a readable pickle")
        self.refuse(pickle.dumps({"a": {1, 2}}), "it ")


if __name__ == "__main__":
    unittest.main()
