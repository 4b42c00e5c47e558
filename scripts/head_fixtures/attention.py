#!/usr/bin/env python3
"""The text-conditioned attention heads (xpool, cross, joint), restated pair by pair, attention head
by attention head, from their formulas, for tests/models/heads_attention_test.cc.

tests/fixtures/models/heads_attention.safetensors
  inputs/{text,tokens,words,frames,lengths,times}  times: seconds; tokens and words are not used
  <encoding>/weights/<parameter>                   of every case with that temporal encoding
  <case>/{upstream,sim}                            upstream: d loss / d sim
  <case>/grads/<parameter or input>
Everything is computed in double and stored as float32. Needs torch and safetensors.
"""
import pathlib

import torch
from formulas import added, cosine, linear, logit, norm
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/fixtures/models"
N, M, T, D = 3, 3, 4, 8
LENGTHS = [4, 1, 3]  # one has fewer frames than K
UNIT = 0.5  # seconds from one position to the next
# Positions 1 + times / UNIT are not whole, and the last of video 0 lies beyond the tables' ends.
TIMES = [[0.15, 0.6, 1.35, 2.3], [0.35, 0.35, 0.35, 0.35], [0.05, 0.45, 1.1, 1.1]]
TABLES = {"none": {}, "learned": {"positions": (T, D)}, "sinusoidal": {"scale": ()}, "rotary": {},
          "relative": {"distances": None}}  # [H, 2T + 1]


def score(w, text, frames, positions, kind, heads, topk, joint):
    d, count = D // heads, len(frames)
    parts = [slice(h * d, h * d + d) for h in range(heads)]
    f = [norm(w, "layer_norm1", x) + added(w, kind, p, D) for x, p in zip(frames, positions)]
    sequence, places = [norm(w, "layer_norm1", text)] + f, [0] + positions  # J
    q, k, v = ([linear(w, f"cross_attn.{name}_proj", x) for x in sequence] for name in "qkv")

    def logits(h, a):
        """Of token a of J over all of J."""
        return torch.stack([logit(w, kind, h, q[a][parts[h]], k[b][parts[h]], places[a], places[b],
                                  T) for b in range(count + 1)])

    def attended(h, weights, tokens):
        return sum(weight * v[b][parts[h]] for weight, b in zip(weights, tokens))

    text_row = [logits(h, 0)[1:] for h in range(heads)]
    r = sum(text_row) / heads
    kept = sorted(r.topk(min(topk or count, count)).indices.tolist())
    if joint:
        share = r[kept].softmax(0)
        pooled = 0
        for weight, i in zip(share, kept):
            mixed = torch.cat([attended(h, logits(h, i + 1).softmax(0), range(count + 1))
                               for h in range(heads)])
            pooled = pooled + weight * (f[i] + linear(w, "cross_attn.out_proj", mixed))
    else:
        pooled = linear(w, "cross_attn.out_proj", torch.cat(
            [attended(h, text_row[h][kept].softmax(0), [i + 1 for i in kept])
             for h in range(heads)]))
    z = norm(w, "layer_norm2", pooled)
    return cosine(text, norm(w, "layer_norm3", z + linear(w, "linear_proj", z)))


def sims(w, x, times, **options):
    def positions(j):
        if times:
            return [1 + seconds / UNIT for seconds in TIMES[j][:LENGTHS[j]]]
        return list(range(1, LENGTHS[j] + 1))
    return torch.stack([torch.stack([
        score(w, text, x["frames"][j][:LENGTHS[j]], positions(j), **options) for j in range(M)])
        for text in x["text"]])


def cases():
    """case: (its weights, its options)"""
    everything = {}
    for heads in (1, 2):
        everything[f"xpool_h{heads}"] = ("none", dict(
            times=False, kind="none", heads=heads, topk=0, joint=False))
    for name in ("cross", "joint"):
        for kind in TABLES:
            weights = lambda heads: f"relative_h{heads}" if kind == "relative" else kind
            options = dict(times=False, kind=kind, joint=name == "joint")
            for heads in (1, 2):
                for topk in (0, 2):
                    everything[f"{name}_{kind}_h{heads}_k{topk}"] = (
                        weights(heads), options | dict(heads=heads, topk=topk))
            if kind != "none":
                everything[f"{name}_{kind}_times"] = (
                    weights(2), options | dict(heads=2, topk=0, times=True))
    return everything


def shapes(group):
    linears = [f"cross_attn.{name}_proj" for name in ("q", "k", "v", "out")] + ["linear_proj"]
    norms = [f"layer_norm{i}" for i in (1, 2, 3)]
    result = {f"{name}.weight": (D, D) for name in linears}
    result |= {f"{name}.weight": (D,) for name in norms}
    result |= {f"{name}.bias": (D,) for name in linears + norms}
    if group.startswith("relative"):
        return result | {"temporal.distances": (int(group[-1]), 2 * T + 1)}
    return result | {"temporal." + name: shape for name, shape in TABLES[group].items()}


def main():
    generator = torch.Generator().manual_seed(5)

    def random(*shape):  # what float32 holds, so that both sides read the same
        return torch.randn(shape, generator=generator).double()

    def weight(name, shape):
        start = torch.eye(D) if len(shape) == 2 and name.endswith(".weight") else float(
            name.startswith("layer_norm") and name.endswith(".weight") or name.endswith("scale"))
        return (start + 0.3 * random(*shape)).float().double()

    inputs = {"text": random(N, D), "tokens": random(N, 1, D), "frames": random(M, T, D)}
    out = {"inputs/" + name: value.clone() for name, value in inputs.items()}
    out |= {"inputs/lengths": torch.tensor(LENGTHS), "inputs/words": torch.ones(N),
            "inputs/times": torch.tensor(TIMES)}
    groups = {group: {name: weight(name, shape) for name, shape in shapes(group).items()}
              for group in sorted({group for group, _ in cases().values()})}
    for group, weights in groups.items():
        out |= {f"{group}/weights/{name}": value for name, value in weights.items()}
    for case, (group, options) in cases().items():
        x = {name: value.clone().requires_grad_() for name, value in inputs.items()}
        w = {name: value.clone().requires_grad_() for name, value in groups[group].items()}
        upstream, sim = random(N, M), sims(w, x, **options)
        (sim * upstream).sum().backward()
        out |= {f"{case}/upstream": upstream, f"{case}/sim": sim.detach()}
        out |= {f"{case}/grads/{name}": value.grad for name, value in (w | x).items()
                if value.grad is not None}
    save_file({k: v.float().contiguous() for k, v in out.items()},
              OUT / "heads_attention.safetensors")


if __name__ == "__main__":
    main()
