#!/usr/bin/env python3
"""Checkpoints of torch.save, as torch wrote them and as an attacker would, through the conversion."""
import io
import json
import os
import pathlib
import pickle
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import pickle_to_safetensors as conversion  # noqa: E402

FIXTURES = ROOT / "tests/fixtures/pickles"


def read_safetensors(path):
    """{name: (dtype, shape, bytes)}, metadata"""
    data = path.read_bytes()
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    metadata, body = header.pop("__metadata__", {}), data[8 + length:]
    return {name: (e["dtype"], e["shape"], body[slice(*e["data_offsets"])])
            for name, e in header.items()}, metadata


class Call:
    """Pickles as a call of `function`, which whoever unpickles it carelessly makes."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


class Conversion(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)
        self.target = self.path / "out.safetensors"

    def zip(self, data, storages=(), name="archive/data.pkl"):
        path = self.path / "made.pt"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(name, data)
            for key, values in storages:
                file.writestr(f"archive/data/{key}", values)
        return path

    def refused(self, path, part):
        with self.assertRaises(conversion.Refused) as caught:
            conversion.convert(path, self.target)
        self.assertIn(part, str(caught.exception))
        self.assertEqual([f.name for f in self.path.iterdir() if "safetensors" in f.name], [])

    def test_both_formats_give_torchs_own_values(self):
        expected, _ = read_safetensors(FIXTURES / "expected.safetensors")
        for name in ("zip.pt", "legacy.pt", "bare.bin"):
            conversion.convert(FIXTURES / name, self.target)
            got, metadata = read_safetensors(self.target)
            self.assertEqual(got, expected, name)
            kept = {} if name == "bare.bin" else {"epoch": "3", "arch": "Net", "best": "46.9"}
            self.assertEqual(metadata, kept, name)

    def test_nothing_in_a_file_is_run(self):
        mark = self.path / "it_ran"
        calls = [Call(os.system, f"touch {mark}"), Call(eval, f"open({str(mark)!r}, 'w')"),
                 Call(getattr, Call(__import__, "os"), "getcwd"),
                 Call(subprocess.check_call, ["touch", str(mark)])]
        for call in calls:
            for protocol in (0, 2, 4):
                for whole in (call, {"state_dict": {"w": call}}, {"epoch": call}, [call]):
                    data = pickle.dumps(whole, protocol)
                    self.refused(self.zip(data), "it names ")
                    if protocol > 0:  # any of the legacy format's pickles, here the first
                        (self.path / "made.pt").write_bytes(data)
                        self.refused(self.path / "made.pt", "it names ")
        self.assertFalse(mark.exists())

    def test_a_way_through_an_allowed_name_is_refused(self):
        for module, name in (("collections", "OrderedDict.__init__.__globals__"),
                             ("torch._utils", "_rebuild_tensor_v2.__globals__"),
                             ("collections", "namedtuple"), ("pickle_to_safetensors", "convert")):
            data = (b"\x80\x04" + b"".join(b"\x8c" + bytes([len(part)]) + part.encode()
                                           for part in (module, name)) + b"\x93.")
            self.refused(self.zip(data), f"it names {module}.{name}")

    def test_what_is_refused_can_be_dropped_and_still_does_not_run(self):
        mark = self.path / "it_ran"
        file = zipfile.ZipFile(FIXTURES / "bare.bin")
        self.addCleanup(file.close)
        root = next(n for n in file.namelist() if n.endswith("data.pkl"))[:-len("data.pkl")]
        inner = file.read(root + "data.pkl")
        self.assertEqual((inner[:2], inner[-1:]), (b"\x80\x02", b"."))
        harm = pickle.dumps(Call(os.system, f"touch {mark}"), 2)
        # {"state_dict": <the file's>, "hook": <the call>}
        data = (b"\x80\x02}(X\x0a\x00\x00\x00state_dict" + inner[2:-1] + b"X\x04\x00\x00\x00hook"
                + harm[2:-1] + b"u.")
        made = self.zip(data, [(n.split("/")[-1], file.read(n)) for n in file.namelist()
                               if "/data/" in n])
        name = f"{os.system.__module__}.system"
        self.refused(made, f"--drop {name}")
        conversion.convert(made, self.target, [name])
        self.assertEqual(read_safetensors(self.target)[0],
                         read_safetensors(FIXTURES / "expected.safetensors")[0])
        self.assertFalse(mark.exists())

    def tensor(self, offset=0, shape=(2,), stride=(1,), numel=2):
        """data.pkl of {"w": a float tensor over storage 0}."""
        out = io.BytesIO()
        writer = pickle._Pickler(out, 2)  # the slow one: its opcodes can be written one by one
        writer.write(b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n(")
        writer.write(b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
                     b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpu")
        writer.save(numel)
        writer.write(b"tQ")
        for item in (offset, shape, stride, False):
            writer.save(item)
        writer.write(b"}tRs.")
        return out.getvalue()

    def test_a_tensor_stays_within_its_storage(self):
        values = [("0", struct.pack("<2f", 1, 2))]
        conversion.convert(self.zip(self.tensor(), values), self.target)
        self.assertEqual(read_safetensors(self.target)[0]["w"], ("F32", [2], values[0][1]))
        self.target.unlink()
        for wrong in ({"offset": 1}, {"offset": -1}, {"shape": (3,)}, {"stride": (2,)},
                      {"stride": (-1,)}, {"shape": (1 << 40,), "stride": (0,)}):
            self.refused(self.zip(self.tensor(**wrong), values), "a tensor")
        self.refused(self.zip(self.tensor(numel=9, shape=(9,)), values), "too few")
        self.refused(self.zip(self.tensor()), "storage 0")

    def test_other_files_are_told_apart(self):
        (self.path / "a").write_bytes(b"hello")
        self.refused(self.path / "a", "no checkpoint of torch.save")
        self.refused(FIXTURES / "expected.safetensors", "already safetensors")
        self.refused(self.zip(b"", name="readme"), "without data.pkl")
        self.refused(self.zip(b"", [], name="x/constants.pkl"), "without data.pkl")
        (self.path / "a").write_bytes(pickle.dumps({"w": 1}, 2))
        self.refused(self.path / "a", "a pickle, but no checkpoint")
        self.refused(self.zip(pickle.dumps([1], 2)), "it is a list, not a state dict")
        self.refused(self.zip(pickle.dumps({"model": {"epochs": [1]}}, 2)), "holds: epochs")
        loop = {}
        loop["model"] = loop
        self.refused(self.zip(pickle.dumps(loop, 2)), "no state dict")

    def test_truncation_is_found_wherever_it_is(self):
        for name in ("zip.pt", "legacy.pt"):
            whole = (FIXTURES / name).read_bytes()
            for size in (20, len(whole) // 3, len(whole) // 2, len(whole) - 40):
                (self.path / "cut").write_bytes(whole[:size])
                self.refused(self.path / "cut", "")

    def test_the_program_prints_one_line_and_fails(self):
        path = self.zip(pickle.dumps(Call(os.system, "true"), 2))
        script = ROOT / "scripts/pickle_to_safetensors.py"
        done = subprocess.run([sys.executable, script, path, self.target], capture_output=True,
                              text=True, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (1, "", 1))


if __name__ == "__main__":
    unittest.main()
