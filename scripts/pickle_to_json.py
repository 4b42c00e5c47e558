#!/usr/bin/env python3
"""Turns a pickle of captions into JSON, without running anything inside it.

    scripts/pickle_to_json.py raw-captions.pkl raw-captions.json

A pickle is a program. This reader gives it nothing to call but what makes dictionaries and numbers:
any other name in the file is refused and printed. Dictionaries, lists, tuples, texts and
numbers are written, in their order. Needs Python 3.9, no packages.
"""
import argparse
import json
import os
import pickle
import sys

from pickle_to_safetensors import GLOBALS, Refused

# What a pickle of plain data may name, of what pickle_to_safetensors.py knows.
NAMES = {name: GLOBALS[name] for name in (
    "collections.OrderedDict", "_codecs.encode", "numpy.dtype",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")}
NAMES["collections.defaultdict"] = lambda *_: {}
NAMES["builtins.list"] = NAMES["__builtin__.list"] = list  # a defaultdict's default


class Reader(pickle.Unpickler):
    """pickle's own interpreter, with NAMES as the whole world."""

    def find_class(self, module, name):
        full = f"{module}.{name}"
        if full not in NAMES:
            raise Refused(f"it names {full}, which is no plain data")
        return NAMES[full]

    def persistent_load(self, pid):
        raise Refused("it refers to something outside of it")


def plain(value):
    """Texts of Python 2 are bytes; the keys of JSON are texts."""
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise Refused(f"it holds a {type(value).__name__}")


def convert(source, target):
    with open(source, "rb") as file:
        try:
            text = json.dumps(plain(Reader(file, encoding="bytes").load()), ensure_ascii=False)
            data = text.encode("utf-8")
        except Refused:
            raise
        except Exception as error:  # a broken pickle fails in as many ways as there are opcodes
            raise Refused(f"not a readable pickle: {type(error).__name__}: {error}") from error
    aside = f"{target}.{os.getpid()}.aside"
    try:
        with open(aside, "wb") as out:
            out.write(data)
        os.replace(aside, target)
    finally:
        if os.path.exists(aside):
            os.remove(aside)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("source", help="the pickle: raw-captions.pkl, jsfusion_val_caption_idx.pkl")
    parser.add_argument("target", help="the .json to write")
    arguments = parser.parse_args()
    try:
        convert(arguments.source, arguments.target)
    except (Refused, OSError, RecursionError) as error:
        sys.exit(f"{arguments.source}: {error}")
    print(arguments.target)


if __name__ == "__main__":
    main()
