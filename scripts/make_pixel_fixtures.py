#!/usr/bin/env python3
"""Pillow's answers to tests/video/resize_test.cc, written to tests/fixtures/video/.

The inputs are a formula that the test repeats, so only outputs are kept: whole when small, else a
checksum. Needs Pillow and numpy (made with 11.3.0 and 2.3.4); nothing at build or test time does.

  python3 -m venv /tmp/venv && /tmp/venv/bin/pip install pillow==11.3.0 numpy==2.3.4
  /tmp/venv/bin/python scripts/make_pixel_fixtures.py
"""
import pathlib
import zlib

import numpy as np
from PIL import Image

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/video"
# width, height, resolution; the first three are kept whole
CASES = [(97, 131, 24), (64, 64, 32), (40, 30, 48), (320, 240, 224), (97, 131, 64), (240, 320, 224),
         (224, 224, 224), (225, 224, 224), (1920, 1080, 224), (1000, 8, 16), (3, 200, 16),
         (1, 1, 16), (500, 333, 97), (101, 100, 50), (640, 480, 48)]


def image(width, height):
    """Smooth ramps, hard edges and noise: overshoot on both sides, all three channels unlike."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    i = ((y * width + x) * 3 + c).astype(np.uint32)
    noise = (i * np.uint32(2654435761)) >> np.uint32(24)
    edge = np.where(((x // 5 + y // 7 + c) % 2) == 1, 255, 0)
    ramp = (x * 3 + y * 2 + c * 40) % 256
    pick = (x // 16 + y // 16) % 3
    return np.where(pick == 0, noise, np.where(pick == 1, edge, ramp)).astype(np.uint8)


def clip_preprocess(pixels, resolution):
    """torchvision's Resize(resolution, BICUBIC) and CenterCrop(resolution) on a PIL image."""
    height, width = pixels.shape[:2]
    short, long = min(width, height), max(width, height)
    new_long = int(resolution * long / short)
    size = (resolution, new_long) if width <= height else (new_long, resolution)
    resized = Image.fromarray(pixels).resize(size, Image.BICUBIC)
    left = int(round((size[0] - resolution) / 2.0))
    top = int(round((size[1] - resolution) / 2.0))
    return np.asarray(resized.crop((left, top, left + resolution, top + resolution)))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    lines = []
    for n, (width, height, resolution) in enumerate(CASES):
        planar = clip_preprocess(image(width, height), resolution).transpose(2, 0, 1).tobytes()
        lines.append(f"{width} {height} {resolution} {zlib.crc32(planar)}\n")
        if n < 3:
            (OUT / f"resize_{width}x{height}_{resolution}.bin").write_bytes(planar)
    # A box cut out, then resized: what a random crop does.
    box = Image.fromarray(image(320, 240)[20:20 + 150, 33:33 + 171]).resize((64, 64), Image.BICUBIC)
    planar = np.asarray(box).transpose(2, 0, 1)
    (OUT / "resize.txt").write_text("".join(lines) + f"box {zlib.crc32(planar.tobytes())}\n"
                                    f"flipped {zlib.crc32(planar[:, :, ::-1].tobytes())}\n")


if __name__ == "__main__":
    main()
