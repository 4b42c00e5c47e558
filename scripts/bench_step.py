#!/usr/bin/env python3
"""A training step, and the encoders alone: vtr beside PyTorch, in one run.

    scripts/bench_step.py --json bench.json        # build/release/vtr, ViT-B/32, 16 x 12 frames
    scripts/bench_step.py --losses 50 --frames 2 --precisions fp32 bf16
    scripts/bench_step.py --device cuda --precisions fp32 bf16 fp16 --steps 20

PyTorch's side is transformers' CLIPModel, or plain_clip.py's where that is not installed, with
X-Pool's head as published, eager, in float32 and under autocast (fp16 with a GradScaler), with
torch.optim.AdamW; the encoders alone without gradients, each side at its best of these precisions.
Both sides start from the same weights and see the same batches, each run in a process of its own;
they take turns, so that what else the machine does meets both. --losses N compares the losses of N
steps instead of times, and exits with 1 where they are further apart than LIMITS says. PyTorch in
half precision is left out of the times on a CPU for which it has only a plain loop, in which a step
takes hours; --loops times it all the same. Needs torch; transformers is in
third_party/requirements-dev.txt.
"""
import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from plain_clip import load_file, save_file

try:
    from transformers import CLIPModel

    from make_clip_fixtures import config
except ImportError:
    from plain_clip import CLIPModel

    def config(*sizes):
        return sizes

VIT_B_32 = ((768, 12, 12, 224, 32), (512, 12, 8, 77, 49408), 512)
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1) * 255
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1) * 255
ADAMW = {"betas": (0.9, 0.98), "eps": 1e-6}
LR, ENCODER_LR, DECAY = 1e-4, 1e-6, 0.2  # vtr's defaults
LIMITS = {"fp32": 1e-4, "bf16": 0.02, "fp16": 0.02}  # of the losses, relative to PyTorch's in fp32


def has_matmul(precision, device):
    if device != "cpu" or precision == "fp32":
        return True
    return getattr(torch.ops.mkldnn, f"_is_mkldnn_{precision}_supported")()


class XPool(torch.nn.Module):
    """One attention head, its projections and the last layer at the identity, as published."""

    def __init__(self, width):
        super().__init__()
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(width) for _ in range(3))
        names = ("q", "k", "v", "out", "linear")
        self.layers = torch.nn.ModuleDict({name: torch.nn.Linear(width, width) for name in names})
        for layer in self.layers.values():
            torch.nn.init.eye_(layer.weight)
            torch.nn.init.zeros_(layer.bias)

    def forward(self, text, frames):
        """[B, D], [B, T, D] -> [B, B]"""
        t, f = self.norms[0](text), self.norms[0](frames)
        q, k, v = self.layers["q"](t), self.layers["k"](f), self.layers["v"](f)
        weights = (torch.einsum("nd,mtd->mnt", q, k) / q.shape[1] ** 0.5).softmax(-1)
        pooled = self.norms[1](self.layers["out"](weights @ v))  # [M, N, D]
        pooled = self.norms[2](pooled + self.layers["linear"](pooled))
        unit = torch.nn.functional.normalize
        return torch.einsum("nd,mnd->nm", unit(text, dim=-1), unit(pooled, dim=-1))


class Model:
    def __init__(self, folder, precision, device):
        self.clip = CLIPModel.from_pretrained(folder).to(device)
        self.head = XPool(self.clip.visual_projection.out_features).to(device)
        self.device, self.half = device, HALF.get(precision)
        self.mean, self.std = MEAN.to(device), STD.to(device)
        self.scaler = torch.amp.GradScaler(device, enabled=precision == "fp16")

    def autocast(self):
        return torch.autocast(self.device, self.half, enabled=self.half is not None)

    def frames(self, pixels):
        """[n, 3, R, R] uint8 -> [n, D]"""
        with self.autocast():
            pixels = (pixels.to(self.device).float() - self.mean) / self.std
            x = self.clip.get_image_features(pixel_values=pixels)
        return getattr(x, "pooler_output", x).float()

    def texts(self, ids, mask):
        """[n, L] -> [n, D]"""
        ids, mask = ids.to(self.device), mask.long().to(self.device)
        with self.autocast():
            x = self.clip.get_text_features(input_ids=ids, attention_mask=mask)
        return getattr(x, "pooler_output", x).float()

    def optimizer(self):
        groups = []
        for module, rate in ((self.clip, ENCODER_LR), (self.head, LR)):
            for matrices in (True, False):
                groups.append({"params": [p for p in module.parameters()
                                          if (p.dim() >= 2) == matrices],
                               "lr": rate, "weight_decay": DECAY if matrices else 0.0})
        return torch.optim.AdamW(groups, **ADAMW)

    def loss(self, pixels, ids, mask):
        frames = self.frames(pixels.flatten(0, 1)).view(*pixels.shape[:2], -1)
        logits = self.head(self.texts(ids, mask), frames) * self.clip.logit_scale.exp()
        target = torch.arange(len(logits), device=logits.device)
        cross_entropy = torch.nn.functional.cross_entropy
        return (cross_entropy(logits, target) + cross_entropy(logits.t(), target)) / 2

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()


def train(model, batches, steps):
    """Seconds of every step and of its parts (on a GPU: of handing them out), and the losses."""
    optimizer = model.optimizer()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    result = {name: [] for name in ("step", "forward", "backward", "optimiser", "losses")}
    for i in range(steps):
        at = [time.perf_counter()]
        optimizer.zero_grad()
        loss = model.loss(*(batches[x][i % len(batches[x])] for x in ("pixels", "ids", "mask")))
        at.append(time.perf_counter())
        model.scaler.scale(loss).backward()
        at.append(time.perf_counter())
        model.scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        model.scaler.step(optimizer)
        model.scaler.update()
        model.wait()
        at.append(time.perf_counter())
        for name, begin, end in (("step", 0, 3), ("forward", 0, 1), ("backward", 1, 2),
                                 ("optimiser", 2, 3)):
            result[name].append(at[end] - at[begin])
        result["losses"].append(loss.item())
    return result


@torch.no_grad()
def encode(model, batches, repeat):
    """Frames and captions a second; captions in batches as they come, padded to their longest."""
    pixels, rates = batches["pixels"][0].flatten(0, 1), {"frames": [], "captions": []}
    for _ in range(repeat):
        start = time.perf_counter()
        model.frames(pixels)
        model.wait()
        rates["frames"].append(len(pixels) / (time.perf_counter() - start))
        start = time.perf_counter()
        for ids, mask in zip(batches["captions"].split(128), batches["captions_mask"].split(128)):
            longest = int(mask.sum(1).max())
            model.texts(ids[:, :longest], mask[:, :longest])
        model.wait()
        rates["captions"].append(len(batches["captions"]) / (time.perf_counter() - start))
    return rates


def child(arguments):
    """What a process of PyTorch's side does."""
    torch.backends.cudnn.allow_tf32 = False  # of the patches' convolution: vtr's float32 is float32
    model = Model(arguments.folder / "clip", arguments.child, arguments.device)
    batches = load_file(arguments.folder / "batches.safetensors")
    work = encode if arguments.encode else train
    result = work(model, batches, arguments.losses or 1 + arguments.steps)
    result["peak"] = (torch.cuda.max_memory_allocated() if arguments.device == "cuda" else
                      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    print(json.dumps(result))


def pytorch(arguments, folder, precision, *more):
    out = subprocess.run([sys.executable, __file__, "--child", precision, "--folder", folder,
                          "--device", arguments.device, "--losses", str(arguments.losses),
                          "--steps", str(arguments.steps), *more],
                         check=True, stdout=subprocess.PIPE).stdout
    return json.loads(out)


def vtr(arguments, folder, what, precision):
    """Of `vtr bench step|encode`, under the names of PyTorch's side."""
    out = Path(folder) / "vtr.json"
    repeat = arguments.losses - 1 if arguments.losses else arguments.steps
    subprocess.run([arguments.vtr, "bench", what, "--weights", Path(folder) / "clip", "--head",
                    "xpool", "--precision", precision, "--repeat", str(repeat), "--batches",
                    Path(folder) / "batches.safetensors", "--json", out,
                    f"device={arguments.device}", f"text.max_words={arguments.words}",
                    "model.head.dropout=0"], check=True, stdout=subprocess.DEVNULL)
    return json.loads(out.read_text())


def make_inputs(folder, arguments):
    """Random weights of ViT-B/32's sizes, batches of full captions, and captions of MSR-VTT's
    lengths: 11 tokens in the mean, a few of 30."""
    torch.manual_seed(1)
    CLIPModel(config(*VIT_B_32)).save_pretrained(folder / "clip")
    vocab = VIT_B_32[1][4]
    batches = 5 if arguments.losses else 1

    def captions(n, lengths):
        place = torch.arange(arguments.words)
        ids = torch.randint(1, vocab - 2, (n, arguments.words))
        ids[:, 0] = vocab - 2
        ids[place.expand(n, -1) == lengths[:, None] - 1] = vocab - 1
        mask = place < lengths[:, None]
        return ids * mask, mask

    ids, mask = captions(batches * arguments.batch,
                         torch.full((batches * arguments.batch,), arguments.words))
    shape = (batches, arguments.batch)
    lengths = torch.poisson(torch.full((arguments.captions,), 7.0)) + 4
    lengths[::50] = arguments.words
    texts, texts_mask = captions(arguments.captions, lengths.clamp(3, arguments.words).long())
    save_file({"pixels": torch.randint(0, 256, (*shape, arguments.frames, 3, 224, 224),
                                       dtype=torch.uint8),
               "ids": ids.view(*shape, -1), "mask": mask.view(*shape, -1),
               "captions": texts, "captions_mask": texts_mask}, folder / "batches.safetensors")


def ratio(numerator, denominator):
    return round(numerator / denominator, 3)


def compare_losses(folder, arguments):
    result = {}
    reference = pytorch(arguments, folder, "fp32")["losses"]
    for precision in arguments.precisions:
        ours = vtr(arguments, folder, "step", precision)["losses"]
        result[precision] = {"largest_relative_difference": max(
            abs(a - b) / abs(b) if a == a else float("inf") for a, b in zip(ours, reference)),
            "steps": len(ours),
            "limit": LIMITS[precision],
            "first": [ours[0], reference[0]], "last": [ours[-1], reference[-1]]}
    return result


def compare_times(folder, arguments):
    steps, parts, peaks = {}, {}, {}

    def add(name, step, phases, peak):
        steps.setdefault(name, []).extend(step)
        parts.setdefault(name, []).extend(phases)
        peaks[name] = max(peaks.get(name, 0), peak)

    for _ in range(arguments.rounds):
        for precision in arguments.precisions:
            ours = vtr(arguments, folder, "step", precision)
            add(f"vtr {precision}", [ours["step_seconds"]],
                [[ours[x] for x in ("forward", "backward", "optimiser")]], ours["peak_bytes"])
            if arguments.loops or has_matmul(precision, arguments.device):
                theirs = pytorch(arguments, folder, precision)
                add(f"pytorch {precision}", theirs["step"][1:],
                    zip(*(theirs[x][1:] for x in ("forward", "backward", "optimiser"))),
                    theirs["peak"])
            print({k: [round(x, 2) for x in v] for k, v in steps.items()}, file=sys.stderr)
    middle = {name: statistics.median(values) for name, values in steps.items()}
    result = {name: {"step_seconds": middle[name], "peak_bytes": peaks[name],
                     **{part: statistics.median(x[i] for x in parts[name])
                        for i, part in enumerate(("forward", "backward", "optimiser"))}}
              for name in steps}
    for precision in arguments.precisions:
        for over in sorted({"fp32", precision}):
            name, over = f"vtr {precision}", f"pytorch {over}"
            if over in middle:
                result[f"{name} over {over}"] = ratio(middle[over], middle[name])
    return result


def compare_encoding(folder, arguments):
    """Each side at its best precision, of those asked for."""
    rates = {}
    for _ in range(arguments.rounds):
        for precision in arguments.precisions:
            ours = vtr(arguments, folder, "encode", precision)
            for what in ("frames", "captions"):
                rates.setdefault(f"vtr {precision} {what}", []).append(ours[f"{what}_per_second"])
            if arguments.loops or has_matmul(precision, arguments.device):
                theirs = pytorch(arguments, folder, precision, "--encode")
                for what in ("frames", "captions"):
                    rates.setdefault(f"pytorch {precision} {what}", []).extend(theirs[what][1:])
            print({k: [round(x, 1) for x in v] for k, v in rates.items()}, file=sys.stderr)
    middle = {name: statistics.median(values) for name, values in rates.items()}

    def best(who, what):
        return max(value for name, value in middle.items()
                   if name.startswith(who) and name.endswith(what))

    return {**{f"{name}_per_second": value for name, value in middle.items()},
            **{f"{what} over pytorch": ratio(best("vtr", what), best("pytorch", what))
               for what in ("frames", "captions") if any("pytorch" in name for name in middle)}}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vtr", type=Path, default="build/release/vtr")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--words", type=int, default=32)
    parser.add_argument("--captions", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=3, help="timed, after one to warm up")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--precisions", nargs="+", default=["bf16", "fp32"])
    parser.add_argument("--loops", action="store_true")
    parser.add_argument("--losses", type=int, default=0, metavar="STEPS")
    parser.add_argument("--only", choices=["step", "encode"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--encode", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder, arguments)
        result = {"clip": CLIPModel.__module__.split(".")[0]}
        if arguments.losses:
            result.update(compare_losses(folder, arguments))
        else:
            if arguments.only != "encode":
                result.update(compare_times(folder, arguments))
            if arguments.only != "step":
                result.update(compare_encoding(folder, arguments))
    text = json.dumps(result, indent=1)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    return int(arguments.losses > 0 and any(
        result[p]["largest_relative_difference"] > LIMITS[p] for p in arguments.precisions))


if __name__ == "__main__":
    sys.exit(main())
