#!/usr/bin/env python3
"""Opens an archive that `vtr export` wrote with torch.jit.load and runs it.

  scripts/check_export.py FILE

Prints the shapes of what encode_image, encode_text and forward give, and exits 1 when a value is
not finite. Needs torch (third_party/requirements-dev.txt).
"""
import sys

import torch


def main(path):
    model = torch.jit.load(path, map_location="cpu").eval()
    side, context, vocab = (int(getattr(model, name)) for name in
                            ("input_resolution", "context_length", "vocab_size"))
    torch.manual_seed(0)
    image = torch.randn(2, 3, side, side)
    text = torch.randint(1, vocab - 1, (3, context))
    text[:, -1] = vocab - 1  # the end token: OpenAI's encode_text looks for the largest id
    with torch.no_grad():
        results = {"encode_image": model.encode_image(image),
                   "encode_text": model.encode_text(text), "forward": model(image, text)[0]}
    for name, value in results.items():
        size = value.abs().float().mean()
        print(f"{name}: {list(value.shape)} {value.dtype} mean |x| {size:.4f}")
    names = [name for name, _ in model.named_parameters()]
    print(f"{len(names)} parameters, {names[0]} ... {names[-1]}")
    return 0 if all(value.isfinite().all() for value in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 else __doc__)
