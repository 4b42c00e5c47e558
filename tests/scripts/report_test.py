#!/usr/bin/env python3
"""A trained Shapes run's report, and the index of two and a sweep, as Chromium shows them.

  report_test.py VTR      VTR: the program. Exits 77 where there is no Chromium.

And the checker is worth something: each promise, broken in the page, is a complaint.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

CHECK = pathlib.Path(__file__).parents[2] / "scripts/check_report.py"

# What is broken in a page, and the complaint.
FAULTS = [
    ("<h1>", "<img src='data:image/png;base64,AAAA' alt='broken'><h1>", "does not load: broken"),
    (" alt=\"frame 1 of", " alt=\"\" title=\"frame 1 of", "a picture without a text"),
    ("</main>", "</main><script>console.error('x')</script>", "console.error"),
    ("</main>", "</main><script>missing()</script>", "throws"),
    ("<body>", "<body><img src='https://example.invalid/a.png' alt='far'>", "a picture from outside"),
    ("--quiet: #565d66", "--quiet: #9aa0a8", "contrast"),
    ("<main>", "<main><div style='width: 1400px'>wide</div>", "pixels wider than the window"),
    ("<h2>Training", "<h4>Training", "skips a level"),
    ("button.addEventListener", "void ", "aria-sort is not ascending"),
    ("return x - y", "return y - x", "not sorted by"),
]


# Pictures that a page has at least: the frames of its queries, the scores.
PICTURES = {"index.html": 10, "joint.html": 20, "mean.html": 20}

SWEEP = """config: shapes.yaml
options: {train.batch: 16, train.max_steps: 2}
grid: {model.head.topk: [1, 4]}
seeds: [1, 2]
evaluate: [ordered, single]
plot: {x: model.head.topk}
"""


def check(*pages):
    return subprocess.run([sys.executable, CHECK, *pages], capture_output=True, text=True)


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main():
    vtr = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        page = work / "page.html"
        page.write_text("<!DOCTYPE html><html lang='en'><title>a</title><p>a</p></html>")
        if check(page).returncode == 77:
            print("skipped: no Chromium here (apt-get install chromium, or CHROMIUM=PATH)")
            sys.exit(77)
        run(vtr, "data", "make-shapes", "--out", work / "data", "--train", "60", "--test", "24")
        for name, head in (("joint", "{topk: 4}"), ("mean", "{name: mean_pool}")):
            run(vtr, "train", "--config", "shapes.yaml", f"data.root={work}/data", "--run", work / name,
                f"model.head={head}", "train.batch=16", "train.max_steps=8", "data.val_fraction=0.2")
        (work / "sweep.yaml").write_text(SWEEP)
        run(vtr, "sweep", "--config", work / "sweep.yaml", f"data.root={work}/data", "--out",
            work / "swept")
        run(vtr, "report", work / "joint", work / "mean", work / "swept", "--out", work / "pages",
            "--queries", "2")
        pages = sorted((work / "pages").glob("*.html"))
        assert [path.name for path in pages] == sorted(PICTURES), pages
        result = check(*pages, "--screenshots", work / "shots")
        print(result.stdout)
        assert result.returncode == 0, result.stderr
        index = (work / "pages/index.html").read_text()
        assert index.count(" over model.head.topk, ") >= 10, "five metrics of two splits"
        for name, least in PICTURES.items():
            found = [int(n) for n in re.findall(rf"{name} at .*: (\d+) pictures", result.stdout)]
            assert found and min(found) >= least, (name, found)
        for shot in sorted((work / "shots").glob("*.png")):
            assert shot.read_bytes()[:4] == b"\x89PNG" and shot.stat().st_size > 20000, shot
        whole = (work / "pages/joint.html").read_text()
        for good, bad, complaint in FAULTS:
            assert good in whole, good
            page.write_text(whole.replace(good, bad))
            result = check(page)
            assert result.returncode == 1 and complaint in result.stderr, (bad, result)


if __name__ == "__main__":
    main()
