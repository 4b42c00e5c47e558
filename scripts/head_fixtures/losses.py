#!/usr/bin/env python3
"""Writes tests/fixtures/losses/parity.safetensors: values and gradients of the losses, restated term
by term from the papers' formulas. Needs torch and safetensors; the C++ tests read the file alone."""
import math
from pathlib import Path

import torch
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parents[2] / "tests/fixtures/losses/parity.safetensors"
VIDEOS, CAPTIONS = 3, 2  # a batch of six pairs: two captions of each of three videos
B = VIDEOS * CAPTIONS


def same_video(i, j):
    return i // CAPTIONS == j // CAPTIONS


def negatives(i, mask):
    return [j for j in range(B) if j == i or not (mask and same_video(i, j))]


def cross_entropy(rows, mask):
    """-mean_i log exp(s_ii) / sum_j exp(s_ij)"""
    total = 0
    for i in range(B):
        total = total - (rows[i][i] - torch.log(sum(rows[i][j].exp() for j in negatives(i, mask))))
    return total / B


def dual(rows, temperature, mask):
    """s_ij n_j exp(s_ij / t) / sum_k exp(s_kj / t), n_j the rows that the column j sees"""
    weighted = [[None] * B for _ in range(B)]
    for j in range(B):
        seen = negatives(j, mask)
        z = sum((rows[k][j] / temperature).exp() for k in seen)
        for i in range(B):
            weighted[i][j] = rows[i][j] * (rows[i][j] / temperature).exp() / z * len(seen)
    return weighted


def hinge(rows, margin, mask, diagonal, hard):
    """mean of w_ij max(0, margin + s_ij - s_ii)"""
    weight = {}
    for i in range(B):
        for j in negatives(i, mask):
            if i == j and not diagonal:
                continue
            weight[i, j] = 1.0
            if hard > 0:  # HowTo100M's matrix of videos, spread over their captions
                easy = 1 - hard
                alpha = easy / ((VIDEOS - 1) * hard)
                weight[i, j] = VIDEOS * hard * (1 if same_video(i, j) else alpha)
    total = sum(w * (margin + rows[i][j] - rows[i][i]).clamp(min=0) for (i, j), w in weight.items())
    return total / len(weight)


def columns(rows):
    return [[rows[j][i] for j in range(B)] for i in range(B)]


def value(kind, sim, log_scale, o):
    scale = o["scale"] if o.get("scale") else log_scale.exp()
    logits = [[sim[i, j] * scale for j in range(B)] for i in range(B)]
    mask = o.get("mask_duplicates", True)

    def direction(rows):
        if kind == "symmetric_ce":
            return cross_entropy(rows, mask)
        if kind == "dual_softmax":
            return cross_entropy(dual(rows, o.get("temperature", 1000), mask), mask)
        plain = [[x / scale for x in row] for row in rows]
        return hinge(plain, o.get("margin", 0.05), mask, o.get("diagonal", False),
                     o.get("hard_negatives", 0))

    both = direction(logits) + direction(columns(logits))
    return both if o.get("reduction") == "sum" else both / 2


CASES = {
    "clip4clip": ("symmetric_ce", {"mask_duplicates": False}),
    "stan": ("symmetric_ce", {"mask_duplicates": False, "scale": 100, "reduction": "sum"}),
    "frozen": ("symmetric_ce", {"mask_duplicates": False, "scale": 20, "reduction": "sum"}),
    "ce_masked": ("symmetric_ce", {}),
    "mmt": ("max_margin", {"mask_duplicates": False}),
    "moee": ("max_margin", {"mask_duplicates": False, "diagonal": True}),
    "howto100m": ("max_margin", {"mask_duplicates": False, "diagonal": True, "reduction": "sum",
                                 "margin": 0.1, "hard_negatives": 0.5}),
    "howto100m_far": ("max_margin", {"mask_duplicates": False, "diagonal": True, "reduction": "sum",
                                     "margin": 0.1, "hard_negatives": 0.2}),
    "margin_masked": ("max_margin", {"margin": 0.2}),
    "camoe": ("dual_softmax", {"mask_duplicates": False}),
    "camoe_sharp": ("dual_softmax", {"mask_duplicates": False, "temperature": 10}),
    "dual_masked": ("dual_softmax", {"temperature": 10}),
}


def main():
    torch.manual_seed(1)
    sim = torch.rand(B, B, dtype=torch.double) * 0.4 + 0.2 * torch.eye(B, dtype=torch.double)
    log_scale = torch.tensor(math.log(30.0), dtype=torch.double)
    sim, log_scale = sim.float().double(), log_scale.float().double()
    same = torch.tensor([[i != j and same_video(i, j) for j in range(B)] for i in range(B)])
    out = {"sim": sim.float(), "logit_scale": log_scale.float(), "duplicates": same}
    metadata = {}
    for name, (kind, options) in CASES.items():
        s, ls = sim.clone().requires_grad_(), log_scale.clone().requires_grad_()
        got = value(kind, s, ls, options)
        got.backward()
        out[f"{name}.value"] = got.detach()
        out[f"{name}.grad_sim"] = s.grad
        if kind != "max_margin" and not options.get("scale"):
            out[f"{name}.grad_scale"] = ls.grad
        given = "".join(f", {k}: {str(v).lower()}" for k, v in options.items())
        metadata[name] = f"{{name: {kind}{given}}}"
    OUT.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in out.items()}, OUT, metadata)


if __name__ == "__main__":
    main()
