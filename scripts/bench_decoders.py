#!/usr/bin/env python3
"""Times vtr's decoding beside that of others, on the same files and cores, in one run.

  python3 -m venv build/bench && build/bench/bin/pip install -r third_party/requirements-bench.txt
  build/bench/bin/python scripts/bench_decoders.py --vtr build/release/vtr --json decoders.json

Makes, once, H.264 videos of 320 x 240, 25 frames a second and 10 s with x264's defaults, with a key
frame every 250 frames and every 50. Everyone takes the same 12 frames (the middles of equal
intervals) and resizes them to 224 with antialiased bicubic; `ffmpeg` merely decodes everything.
Everyone has a process or thread a core, each with a video of its own and one codec thread, but for
OpenCV's seeking, which is as X-Pool calls it. Rounds go through all of them in turn; medians count.
Needs the program ffmpeg, which the set-up does not install.
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import resource
import statistics
import subprocess
import tempfile
import time

import av
import cv2
import decord
import numpy as np
from PIL import Image

FRAMES, SIZE, LENGTH = 12, 224, 250
# The floors of what vtr has to reach, as parts of the others' rates.
FLOORS = {"decord": 1.15, "opencv_seek": 3.5, "ffmpeg": 0.85}


def make_videos(folder, count, distance):
    """Zooms into different places of a fractal, with a little noise as a camera's."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        path = folder / f"video{i}.mp4"
        if path.exists():
            continue
        source = (f"mandelbrot=size=320x240:rate=25:start_scale={3 / (i + 1):.4f}"
                  f":end_pts=400:start_x={-0.743643 + i * 1e-5:.6f},noise=alls=5:allf=t")
        subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-frames:v", str(LENGTH),
             "-c:v", "libx264", "-g", str(distance), "-pix_fmt", "yuv420p", f"{path}.part.mp4"],
            check=True)
        os.rename(f"{path}.part.mp4", path)


def indices(count):
    return [(2 * i + 1) * count // (2 * FRAMES) for i in range(FRAMES)]


def resized(rgb):
    height, width = rgb.shape[:2]
    shorter = min(height, width)
    image = Image.fromarray(rgb).resize((SIZE * width // shorter, SIZE * height // shorter),
                                        Image.BICUBIC)
    left, top = (image.width - SIZE) // 2, (image.height - SIZE) // 2
    return np.asarray(image.crop((left, top, left + SIZE, top + SIZE)))


def with_decord(path):
    reader = decord.VideoReader(path, num_threads=1)
    return [resized(f) for f in reader.get_batch(indices(len(reader))).asnumpy()]


def with_pyav(path):
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        wanted, taken = indices(stream.frames), []
        for i, frame in enumerate(container.decode(stream)):
            if i in wanted:
                taken.append(resized(frame.to_ndarray(format="rgb24")))
            if i == wanted[-1]:
                return taken


def with_opencv_seek(path):
    capture = cv2.VideoCapture(path)
    taken = []
    for i in indices(int(capture.get(cv2.CAP_PROP_FRAME_COUNT))):
        capture.set(cv2.CAP_PROP_POS_FRAMES, i)
        taken.append(resized(cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)))
    return taken


def with_opencv(path):
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    wanted, taken = indices(int(capture.get(cv2.CAP_PROP_FRAME_COUNT))), []
    for i in range(wanted[-1] + 1):
        capture.grab()
        if i in wanted:
            taken.append(resized(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)))
    return taken


OTHERS = {"decord": with_decord, "pyav": with_pyav, "opencv_seek": with_opencv_seek,
          "opencv": with_opencv}


def work(job):
    """Gives back the processor time it took."""
    name, path = job
    start = time.process_time()
    assert len(OTHERS[name](path)) == FRAMES, (name, path)
    return time.process_time() - start


def time_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_ffmpeg(files, cores):
    """A process a core, each with its part of the files one after another."""
    with tempfile.TemporaryDirectory() as folder:
        lists = []
        for core in range(cores):
            lists.append(pathlib.Path(folder) / f"{core}.txt")
            lists[-1].write_text("".join(f"file '{f.resolve()}'\n" for f in files[core::cores]))
        start = time.perf_counter()
        runs = [subprocess.Popen(["ffmpeg", "-v", "error", "-threads", "1", "-f", "concat", "-safe",
                                  "0", "-i", str(path), "-f", "null", "-"]) for path in lists]
        assert all(run.wait() == 0 for run in runs)
        return time.perf_counter() - start


def run_vtr(program, folder, cores):
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([program, "bench", "decode", str(folder), "--frames", str(FRAMES),
                        "--resolution", str(SIZE), "--threads", str(cores), "--repeat", "1",
                        "--json", f"{out}/vtr.json"], check=True, stdout=subprocess.DEVNULL)
        return json.loads(pathlib.Path(out, "vtr.json").read_text())["seconds"]


def measure(folder, args, pool):
    files = sorted(folder.glob("*.mp4"))
    rounds = {name: [] for name in ["vtr", *OTHERS, "ffmpeg"]}
    for repeat in range(-1, args.repeat):  # the first warms up
        for name, taken in rounds.items():
            start, before = time.perf_counter(), time_of_children()
            cpu = 0
            if name == "vtr":
                seconds = run_vtr(args.vtr, folder, args.cores)
            elif name == "ffmpeg":
                seconds = run_ffmpeg(files, args.cores)
            else:
                cpu = sum(pool.map(work, [(name, str(f)) for f in files], chunksize=1))
                seconds = time.perf_counter() - start
            if repeat >= 0:
                taken.append((seconds, cpu + time_of_children() - before))
    return {name: {"videos_per_second": len(files) / statistics.median(s for s, _ in taken),
                   "cpu_seconds_per_video": statistics.median(c for _, c in taken) / len(files)}
            for name, taken in rounds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--vtr", default="build/release/vtr", help="the program")
    parser.add_argument("--videos", default="build/bench-videos", help="where they are made")
    parser.add_argument("--count", type=int, default=16, help="videos of each kind")
    parser.add_argument("--repeat", type=int, default=5, help="rounds")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", help="the figures")
    args = parser.parse_args()
    results = {}
    with multiprocessing.get_context("spawn").Pool(args.cores) as pool:
        for distance in (250, 50):
            folder = pathlib.Path(args.videos) / f"key{distance}"
            make_videos(folder, args.count, distance)
            results[f"key{distance}"] = measure(folder, args, pool)
    for kind, rates in results.items():
        print(f"{kind}: {args.cores} cores; videos a second, and processor time of one")
        for name, rate in rates.items():
            ratio = rates["vtr"]["videos_per_second"] / rate["videos_per_second"]
            floor = f"  (floor {FLOORS[name]}{'' if ratio >= FLOORS[name] else ': MISSED'})" \
                if name in FLOORS else ""
            print(f"  {name:<12} {rate['videos_per_second']:8.1f} "
                  f"{1000 * rate['cpu_seconds_per_video']:8.1f} ms   "
                  f"vtr is {ratio:5.2f} times as fast{floor}")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
