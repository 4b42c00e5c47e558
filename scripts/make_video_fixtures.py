#!/usr/bin/env python3
"""Small videos of every awkward kind, and what PyAV and Pillow make of them, for
tests/video/golden_frames_test.cc; written to tests/fixtures/video/golden/.

  python3 -m venv build/bench && build/bench/bin/pip install -r third_party/requirements-bench.txt
  build/bench/bin/python scripts/make_video_fixtures.py

(Made with PyAV 18.1.0, which carries its own FFmpeg, and Pillow 13.0.0.) golden.txt has a line for
each file and rule: the indices of 6 frames, and their seconds since the first, or since 0.55 where
the rule is `segment`: `uniform` of [0.55, 1.45) s. FILE.bin has the pixels of the `uniform` ones and
then of the segment's, [<= 12, 3, 24, 24].
"""
import fractions
import pathlib
import struct

import av
import av.filter
import numpy as np
from PIL import Image

from make_pixel_fixtures import clip_preprocess

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/video/golden"
WIDTH, HEIGHT, FRAMES, SIZE, FPS = 64, 48, 6, 24, 4
SEGMENT = 0.55, 1.45


def picture(i, width, height, channels=3):
    """Smooth, so that no way of halving the colours matters; bright where the time says so."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    phase = i * 0.35
    red = 120 + 60 * np.sin(x / 15 + phase) + 25 * np.cos(y / 12)
    green = 110 + 50 * np.cos(y / 14 - phase) + 20 * np.sin(x / 20)
    blue = 100 + 40 * np.sin((x + y) / 25 + 2 * phase)
    alpha = 128 + 100 * np.cos(x / 30)
    return np.stack([red, green, blue, alpha][:channels], -1).round().astype(np.uint8)


def write(name, codec, count, width=WIDTH, height=HEIGHT, pixels="yuv420p", options=None,
          times=None, rate=10, container=None, full=False):
    """`times`: milliseconds of each frame, for a variable rate. `full`: BT.709 of full range."""
    colours = {"dst_colorspace": "ITU709", "dst_color_range": "JPEG"} if full else {}
    with av.open(str(OUT / name), "w", options=container or {}) as out:
        stream = out.add_stream(codec, rate=rate, options={"threads": "1", **(options or {})})
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        if full:
            stream.codec_context.colorspace = av.video.reformatter.Colorspace.ITU709
            stream.codec_context.color_range = av.video.reformatter.ColorRange.JPEG
        if times:
            stream.codec_context.time_base = fractions.Fraction(1, 1000)
        for i in range(count):
            rgba = pixels in ("rgba", "yuva420p")
            frame = av.VideoFrame.from_ndarray(picture(i, width, height, 4 if rgba else 3),
                                               format="rgba" if rgba else "rgb24")
            frame = frame.reformat(format=pixels, **colours)
            frame.pts = times[i] if times else i
            frame.time_base = fractions.Fraction(1, 1000 if times else rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def write_sound(name, codec):
    with av.open(str(OUT / name), "w") as out:
        stream = out.add_stream(codec, rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        out.mux(stream.encode(frame))
        out.mux(stream.encode())


def edit(name, change):
    data = bytearray((OUT / name).read_bytes())
    (OUT / name).write_bytes(bytes(change(data) or data))


def rotate(mp4):
    """The track header's matrix: a quarter turn clockwise."""
    identity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, HEIGHT << 16, 0, 1 << 30)
    at = mp4.index(identity, mp4.index(b"tkhd"))
    mp4[at:at + len(turned)] = turned


def state_frames(count):
    def change(avi):
        for at in (avi.index(b"strh") + 40, avi.index(b"avih") + 24):
            avi[at:at + 4] = struct.pack("<I", count)
    return change


def forget_rate(mkv):
    """The element DefaultDuration becomes a void of the same length."""
    at = mkv.index(b"\x23\xe3\x83")
    mkv[at:at + 2] = bytes([0xEC, 0x82 + (mkv[at + 3] & 127)])


def add_cover(mp3):
    """An ID3 tag with a picture, before the sound."""
    Image.fromarray(picture(0, WIDTH, HEIGHT)).save(OUT / "cover.jpg")
    jpeg = (OUT / "cover.jpg").read_bytes()
    (OUT / "cover.jpg").unlink()
    body = b"\0image/jpeg\0\x03\0" + jpeg
    frame = b"APIC" + struct.pack(">I", len(body)) + b"\0\0" + body
    size = len(frame)
    start = mp3.index(b"\xff\xf3") if mp3[:3] == b"ID3" else 0
    return b"ID3\x03\0\0" + bytes(size >> s & 127 for s in (21, 14, 7, 0)) + frame + mp3[start:]


def make_files():
    x264 = {"preset": "medium", "crf": "16"}
    write("plain.mp4", "libx264", 40, options={**x264, "bf": "0", "g": "12"})
    write("b_long.mp4", "libx264", 60, options={**x264, "bf": "3", "g": "250", "sc_threshold": "0"})
    write("b_short.mp4", "libx264", 60, options={**x264, "bf": "3", "g": "10"})
    write("open_gop.mp4", "libx264", 60,
          options={**x264, "x264-params": "open-gop=1:keyint=10:bframes=3"})
    write("turned.mp4", "libx264", 20, options=x264)
    edit("turned.mp4", rotate)
    variable = [0, 100, 150, 200, 1000, 1033, 1066, 1500, 2500, 2510, 2520, 2530, 4000, 4100, 4200]
    write("variable.mp4", "libx264", 15, times=variable, rate=1000, options=x264)
    write("variable.mkv", "libx264", 15, times=variable, rate=1000, options=x264)
    for name, count in (("many.avi", 400), ("few.avi", 7)):
        write(name, "mjpeg", 24, pixels="yuvj420p", options={"qmin": "2", "qmax": "2"})
        edit(name, state_frames(count))
    write("mpeg4.avi", "mpeg4", 50, options={"bf": "2", "qmin": "2", "qmax": "3", "g": "12"})
    write("h264.avi", "libx264", 50, options={**x264, "bf": "3", "g": "12"})
    write("stream.ts", "libx264", 50, options={**x264, "bf": "2", "g": "12"})
    write("alpha.mov", "png", 8, pixels="rgba")
    write("alpha.webm", "libvpx-vp9", 20, pixels="yuva420p", options={"crf": "10", "b": "0"})
    write("full.webm", "libvpx-vp9", 20, options={"crf": "10", "b": "0"}, full=True)
    write("odd.mp4", "libx264", 20, 65, 49, pixels="yuv444p", options=x264)
    write("odd.webm", "libvpx-vp9", 20, 63, 47, options={"crf": "10", "b": "0"})
    write("ten_bit.mp4", "libx264", 30, pixels="yuv420p10le", options=x264)
    write("hevc.mp4", "libx265", 30, options={"crf": "14", "x265-params": "log-level=none"})
    write("one.mp4", "libx264", 1, options=x264)
    write("no_rate.mkv", "mjpeg", 1, pixels="yuvj420p", options={"qmin": "2", "qmax": "2"})
    edit("no_rate.mkv", forget_rate)
    write("cut.mp4", "libx264", 60, options=x264, container={"movflags": "faststart"})
    edit("cut.mp4", lambda data: data[:len(data) * 2 // 3])
    write_sound("sound.m4a", "aac")
    write_sound("cover.mp3", "libmp3lame")
    edit("cover.mp3", add_cover)


def to_rgb(frame):
    if not frame.format.name.endswith("10le"):
        return frame.to_ndarray(format="rgb24")
    # FFmpeg's quick way from 10 bits is up to two grey levels too dark.
    graph = av.filter.Graph()
    graph.link_nodes(graph.add_buffer(width=frame.width, height=frame.height, format=frame.format,
                                      time_base=frame.time_base),
                     graph.add("scale", "flags=bicubic+accurate_rnd+full_chroma_int"),
                     graph.add("format", "rgb24"), graph.add("buffersink")).configure()
    graph.push(frame)
    return graph.pull().to_ndarray()


def decode(path):
    """Every frame there is: its seconds since the first and its pixels as a player shows them."""
    frames = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            if packet.is_corrupt:  # the one a cut went through
                continue
            for frame in packet.decode():
                pixels = to_rgb(frame)
                if path.name == "turned.mp4":
                    pixels = np.rot90(pixels, -1)
                frames.append((frame.time, np.ascontiguousarray(pixels)))
        rate = stream.guessed_rate
    if path.suffix == ".avi":  # knows the order of decoding only
        return [(i / float(rate), p) for i, (_, p) in enumerate(frames)], float(rate)
    return [(t - frames[0][0], p) for t, p in frames], float(rate)


def middles(n, wanted):
    return [(2 * i + 1) * n // (2 * wanted) for i in range(wanted)]


def rule_indices(rule, seconds, rate):
    n, wanted = len(seconds), min(len(seconds), FRAMES)
    if rule == "uniform":
        return middles(n, wanted)
    if rule == "uniform_ends":
        return np.linspace(0, n - 1, wanted, dtype=int).tolist()
    if rule == "xpool":
        bounds = np.linspace(0, n, wanted + 1).astype(int)
        return ((bounds[:-1] + bounds[1:] - 1) // 2).tolist()
    if rule == "fps":
        beats = np.arange(0, seconds[-1] + 1 / rate - 5e-4, 1 / FPS)
        shown = sorted({max(i for i in range(n) if seconds[i] <= beat + 5e-4) for beat in beats})
        return [shown[i] for i in middles(len(shown), min(len(shown), FRAMES))]
    each_second = np.arange(0, n, max(1, int(rate)))  # clip4clip
    taken = np.linspace(0, len(each_second) - 1, min(len(each_second), FRAMES), dtype=int)
    return each_second[taken].tolist()


def segment_indices(seconds, rate):
    """Of the frames that begin in SEGMENT; between two of them the earlier one is on show."""
    start, end = SEGMENT
    inside = [i for i, t in enumerate(seconds) if start <= t < end]
    if not inside and start < seconds[-1] + 1 / rate:
        inside = [max(i for i, t in enumerate(seconds) if t <= start)]
    return [inside[i] for i in middles(len(inside), min(len(inside), FRAMES))]


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    make_files()
    lines = []
    for path in sorted(OUT.iterdir()):
        if path.suffix in (".txt", ".bin", ".m4a", ".mp3"):
            continue
        frames, rate = decode(path)
        seconds = [t for t, _ in frames]
        pixels = []
        for rule in ("uniform", "segment", "uniform_ends", "xpool", "fps", "clip4clip"):
            segment = rule == "segment"
            indices = segment_indices(seconds, rate) if segment else rule_indices(rule, seconds, rate)
            since = SEGMENT[0] if segment else 0
            lines.append(" ".join([path.name, rule, str(len(indices)), *map(str, indices),
                                   *(f"{seconds[i] - since:.4f}" for i in indices)]))
            if segment or rule == "uniform":
                pixels += [clip_preprocess(frames[i][1], SIZE).transpose(2, 0, 1) for i in indices]
        (OUT / f"{path.name}.bin").write_bytes(np.stack(pixels).tobytes())
    (OUT / "golden.txt").write_text("\n".join(lines) + "\n")
    print(f"{sum(p.stat().st_size for p in OUT.iterdir())} bytes in {OUT}")


if __name__ == "__main__":
    main()
