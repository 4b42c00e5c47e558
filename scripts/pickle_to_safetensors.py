#!/usr/bin/env python3
"""Turns a checkpoint of torch.save into safetensors, without running anything inside it.

    scripts/pickle_to_safetensors.py model_best.pth model_best.safetensors

A pickle is a program. This reader gives it nothing to call but what makes tensors, dictionaries and
numbers; any other name in the file is refused and printed. Both formats of torch.save are read, the
zip of torch 1.6 and later and the one before. Of nested dictionaries ({epoch, state_dict,
optimizer}) the state dict is written: without the prefix `module.`, dtypes as they are, tensors
that share memory each on their own; numbers and texts beside it become metadata. Needs Python 3.9,
no packages.
"""
import argparse
import collections
import json
import math
import os
import pickle
import struct
import sys
import zipfile

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
STATE_KEYS = ("state_dict", "model_state_dict", "model")
# torch's storage classes and dtypes: (safetensors' dtype, bytes a value)
DTYPES = {
    "Double": ("F64", 8), "Float": ("F32", 4), "Half": ("F16", 2), "BFloat16": ("BF16", 2),
    "Long": ("I64", 8), "Int": ("I32", 4), "Short": ("I16", 2), "Char": ("I8", 1),
    "Byte": ("U8", 1), "Bool": ("BOOL", 1)}
NUMPY_FORMATS = {"f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "i1": "b",
                 "u8": "Q", "u4": "I", "u2": "H", "u1": "B", "b1": "?"}


class Refused(Exception):
    """What is wrong with the file, for people."""


class Storage(collections.namedtuple("Storage", "key dtype numel begin")):
    """A run of values in the file; begin: its first, for a view into another storage."""

    __slots__ = ()


class Tensor(collections.namedtuple("Tensor", "storage offset shape stride")):
    """A strided view of a storage, in values."""

    __slots__ = ()


class Dictionary(dict):
    """Of the pickle's OrderedDict only the items; the attributes a state dict has are not needed."""

    __slots__ = ()

    def __setstate__(self, _):
        pass


class Inert:
    """Stands for an object that is not needed: takes anything and keeps nothing."""

    def __new__(cls, *_, **__):
        return object.__new__(cls)

    def __init__(self, *_, **__):
        pass

    def __setstate__(self, _):
        pass

    def __setitem__(self, *_):
        pass

    def append(self, *_):
        pass

    extend = add = append


class NumpyDtype(Inert):
    def __init__(self, code="", *_):
        self.format = NUMPY_FORMATS.get(code.lstrip("<|=") if isinstance(code, str) else "")


def numpy_scalar(dtype, data=b""):
    if not isinstance(dtype, NumpyDtype) or dtype.format is None:
        return Inert()
    return struct.unpack("<" + dtype.format, data)[0]


def latin1(text, encoding="latin1"):
    """How pickles of protocol 2 write bytes."""
    if encoding != "latin1":
        raise Refused(f"_codecs.encode to {encoding!r}")
    return text.encode("latin1")


def counts(*values):
    return all(type(n) is int and n >= 0 for n in values)


def tensor(storage, offset, shape, stride, *_):
    if not isinstance(storage, Storage) or len(shape) != len(stride) or not counts(
            offset, *shape, *stride):
        raise Refused("a tensor that is none: wrong storage, shape or strides")
    numel = math.prod(shape)
    last = offset + sum((n - 1) * s for n, s in zip(shape, stride))
    if numel > storage.numel or (numel > 0 and last >= storage.numel):
        raise Refused(f"a tensor of shape {list(shape)} that reaches beyond its storage")
    return Tensor(storage, offset, tuple(shape), tuple(stride))


# All that a pickle may name.
GLOBALS = {
    "collections.OrderedDict": Dictionary,
    "builtins.set": set,
    "__builtin__.set": set,
    "_codecs.encode": latin1,
    "torch._utils._rebuild_tensor_v2": tensor,
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    "torch.Size": tuple,
    "torch.device": Inert,
    "numpy.dtype": NumpyDtype,
    "numpy.ndarray": Inert,
    **{f"numpy.{core}.multiarray.{name}": function for core in ("core", "_core")
       for name, function in (("scalar", numpy_scalar), ("_reconstruct", Inert))},
    **{f"torch.{place}{name}Storage": dtype for name, dtype in DTYPES.items()
       for place in ("", "cuda.")},
    **{f"torch.{name}": name for name in ("float64", "float32", "float16", "bfloat16", "int64",
                                          "int32", "int16", "int8", "uint8", "bool")},
}


class Reader(pickle.Unpickler):
    """pickle's own interpreter, with GLOBALS as the whole world."""

    def __init__(self, file, drop):
        super().__init__(file, encoding="latin1")
        self.drop = drop
        self.sizes = {}  # of a storage's values, by its key

    def find_class(self, module, name):
        full = f"{module}.{name}"
        if full in GLOBALS:
            return GLOBALS[full]
        if full in self.drop:
            return Inert
        raise Refused(f"it names {full}, which is neither a tensor nor plain data; if it is not "
                      f"part of the weights, --drop {full} reads on without it")

    def persistent_load(self, pid):
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise Refused("a reference to something other than a tensor's storage")
        _, dtype, key, _, numel = pid[:5]
        view = pid[5] if len(pid) > 5 else None
        begin, numel = (view[1], view[2]) if view else (0, numel)
        if dtype not in DTYPES.values() or not isinstance(key, str) or not counts(begin, numel):
            raise Refused("a storage of an unknown kind")
        self.sizes[key] = dtype[1]
        return Storage(key, dtype, numel, begin)


def unpickle(reader):
    try:
        return reader.load()
    except Refused:
        raise
    except Exception as error:  # a broken pickle fails in as many ways as there are opcodes
        raise Refused(f"not a readable pickle: {type(error).__name__}: {error}") from error


class ZipFile:
    """The format since torch 1.6."""

    def __init__(self, file, drop):
        try:
            self.zip = zipfile.ZipFile(file)
        except zipfile.BadZipFile as error:
            raise Refused(f"a broken zip archive: {error}") from error
        names = self.zip.namelist()
        self.root = next((n[:-len("data.pkl")] for n in names if n.endswith("data.pkl")), None)
        if self.root is None:
            raise Refused("a zip archive without data.pkl: no checkpoint of torch.save")
        if self.root + "constants.pkl" in names:
            raise Refused("a TorchScript archive, which vtr reads as it is")
        if self.root + "byteorder" in names and self.zip.read(self.root + "byteorder") != b"little":
            raise Refused("written on a big-endian machine")
        with self.zip.open(self.root + "data.pkl") as inner:
            self.object = unpickle(Reader(inner, drop))

    def values(self, key):
        try:
            return self.zip.read(f"{self.root}data/{key}")
        except (KeyError, zipfile.BadZipFile) as error:
            raise Refused(f"storage {key}: {error}") from error


class LegacyFile:
    """The format before: five pickles, then every storage as its length and its bytes."""

    def __init__(self, file, drop):
        self.file = file
        if unpickle(Reader(self.file, drop)) != LEGACY_MAGIC:
            raise Refused("a pickle, but no checkpoint of torch.save")
        _, system = (unpickle(Reader(self.file, drop)) for _ in range(2))
        if not isinstance(system, dict) or not system.get("little_endian", False):
            raise Refused("written on a big-endian machine")
        reader = Reader(self.file, drop)
        self.object = unpickle(reader)
        self.places = {}
        for key in self.storages(drop):
            if key not in reader.sizes:
                raise Refused(f"storage {key} belongs to no tensor")
            numel, = struct.unpack("<Q", self.exactly(8))
            place, size = file.tell(), numel * reader.sizes[key]
            if place + size > os.fstat(file.fileno()).st_size:
                raise Refused("it ends too early: truncated?")
            self.places[key] = (place, size)
            file.seek(size, os.SEEK_CUR)

    def storages(self, drop):
        keys = unpickle(Reader(self.file, drop))
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise Refused("its list of storages is none")
        return keys

    def exactly(self, size):
        data = self.file.read(size)
        if len(data) != size:
            raise Refused("it ends too early: truncated?")
        return data

    def values(self, key):
        if key not in self.places:
            raise Refused(f"storage {key} is not in the file")
        place, size = self.places[key]
        self.file.seek(place)
        return self.exactly(size)


def open_checkpoint(file, drop):
    head = file.read(9)
    file.seek(0)
    if head.startswith(b"PK\x03\x04"):
        return ZipFile(file, drop)
    if head[:1] == b"\x80":
        return LegacyFile(file, drop)
    raise Refused("already safetensors" if head[8:] == b"{" else "no checkpoint of torch.save")


def state_dict(value):
    """({name: Tensor}, metadata) of a state dict or of the dictionaries it is wrapped in."""
    metadata, where = {}, "it"
    for _ in range(len(STATE_KEYS)):
        if not isinstance(value, dict):
            raise Refused(f"{where} is a {type(value).__name__}, not a state dict")
        plain = {str(k): str(v) for k, v in value.items() if isinstance(v, (int, float, str))}
        tensors = {k: v for k, v in value.items() if isinstance(v, Tensor)}
        metadata.update(plain)
        inner = next((k for k in STATE_KEYS if isinstance(value.get(k), dict)), None)
        if tensors or inner is None:
            break
        value, where = value[inner], inner
    strange = [str(k) for k in value if k not in tensors and str(k) not in plain]
    if not tensors or strange or not all(isinstance(k, str) for k in tensors):
        raise Refused(f"{where} is no state dict; beside {len(tensors)} tensors it holds: "
                      + (", ".join(strange)[:200] or "nothing"))
    if all(name.startswith("module.") for name in tensors):
        tensors = {name[len("module."):]: v for name, v in tensors.items()}
    return tensors, metadata


def gather(data, shape, stride, offset, size):
    """The bytes of a strided view, row by row; offset and strides in bytes."""
    while shape and shape[-1] == 1:
        shape, stride = shape[:-1], stride[:-1]
    if not shape or 0 in shape:
        return b"" if 0 in shape else data[offset:offset + size]
    if stride[-1] == size:  # a row that lies together, and joins what lies behind it
        if len(shape) == 1:
            return data[offset:offset + shape[0] * size]
        return gather(data, shape[:-1], stride[:-1], offset, shape[-1] * size)
    if len(shape) == 1:
        return b"".join(data[offset + i * stride[0]:offset + i * stride[0] + size]
                        for i in range(shape[0]))
    return b"".join(gather(data, shape[1:], stride[1:], offset + i * stride[0], size)
                    for i in range(shape[0]))


def tensor_bytes(checkpoint, item):
    _, size = item.storage.dtype
    data = memoryview(checkpoint.values(item.storage.key))
    if len(data) < (item.storage.begin + item.storage.numel) * size:
        raise Refused(f"storage {item.storage.key} has {len(data)} bytes, too few: truncated?")
    return gather(data, item.shape, tuple(s * size for s in item.stride),
                  (item.storage.begin + item.offset) * size, size)


def write(path, checkpoint, tensors, metadata):
    """safetensors, the wider dtypes first; aside, then renamed."""
    order = sorted(tensors, key=lambda name: -tensors[name].storage.dtype[1])
    header, at = {"__metadata__": metadata} if metadata else {}, 0
    for name in order:
        (dtype, size), shape = tensors[name].storage.dtype, tensors[name].shape
        end = at + math.prod(shape) * size
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    aside = f"{path}.{os.getpid()}.aside"
    try:
        with open(aside, "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            for name in order:
                out.write(tensor_bytes(checkpoint, tensors[name]))
        os.replace(aside, path)
    finally:
        if os.path.exists(aside):
            os.remove(aside)


def convert(source, target, drop=()):
    with open(source, "rb") as file:
        checkpoint = open_checkpoint(file, frozenset(drop))
        tensors, metadata = state_dict(checkpoint.object)
        write(target, checkpoint, tensors, metadata)
    return tensors, metadata


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("source", help="the checkpoint: .pt, .pth, .bin, .pth.tar")
    parser.add_argument("target", help="the .safetensors to write")
    parser.add_argument("--drop", action="append", default=[], metavar="MODULE.CLASS",
                        help="read on without the objects of that class; its code never runs")
    arguments = parser.parse_args()
    try:
        tensors, metadata = convert(arguments.source, arguments.target, arguments.drop)
    except (Refused, OSError) as error:
        sys.exit(f"{arguments.source}: {error}")
    values = sum(math.prod(t.shape) for t in tensors.values())
    print(f"{arguments.target}: {len(tensors)} tensors, {values} values"
          + "".join(f", {k} {v}" for k, v in metadata.items()))


if __name__ == "__main__":
    main()
