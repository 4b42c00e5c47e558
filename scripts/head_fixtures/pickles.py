#!/usr/bin/env python3
"""Writes tests/fixtures/pickles/: one checkpoint in both formats of torch.save, and its tensors as
safetensors. Needs torch, numpy and safetensors; the test of the conversion reads the files alone."""
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parents[2] / "tests/fixtures/pickles"


def main():
    torch.manual_seed(1)
    net = torch.nn.Linear(5, 3)
    shared = torch.arange(12.0)
    grid = torch.arange(24, dtype=torch.float16).view(2, 3, 4)
    state = OrderedDict(net.state_dict())  # its values are tensors, its keys in order
    state |= {
        "parameter": torch.nn.Parameter(torch.randn(2, 2)),
        "tied.a": shared, "tied.b": shared, "tied.part": shared[4:10],
        "half.turned": grid.permute(2, 0, 1), "half.every_other": grid[:, :, ::2],
        "bfloat": torch.randn(7).bfloat16(), "double": torch.randn(2, 1, 3).double(),
        "ids": torch.arange(5).unsqueeze(0), "flags": torch.tensor([True, False, True]),
        "bytes": torch.tensor([250, 3], dtype=torch.uint8), "scale": torch.tensor(4.6052),
        "none": torch.empty(0, 4),
    }
    state = OrderedDict((f"module.{name}", value) for name, value in state.items())
    state._metadata = {"": {"version": 1}}
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(2, 5)).sum().backward()
    optimizer.step()
    whole = {"epoch": 3, "arch": "Net", "best": np.float64(46.9), "state_dict": state,
             "optimizer": optimizer.state_dict(), "history": np.arange(3)}
    OUT.mkdir(parents=True, exist_ok=True)
    torch.save(whole, OUT / "zip.pt")
    torch.save(whole, OUT / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(state, OUT / "bare.bin")
    expected = {k.removeprefix("module."): v.detach().clone().contiguous()
                for k, v in state.items()}
    save_file(expected, OUT / "expected.safetensors")


if __name__ == "__main__":
    main()
