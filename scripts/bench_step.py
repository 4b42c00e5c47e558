#!/usr/bin/env python3
"""A training step and the encoders alone: vtr beside PyTorch, in one run.

    scripts/bench_step.py --json bench.json            # build/release/vtr, ViT-B/32, 16 x 12 frames
    scripts/bench_step.py --losses 50 --batch 4 --frames 2    # the same losses, step after step

PyTorch's side is transformers' CLIPModel with X-Pool's head, eager: full float32, and bf16 autocast
over float32 weights, AdamW; both sides start from the same weights and see the same batches. They
take turns, so that what else the machine does meets both. Needs third_party/requirements-dev.txt.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPModel

from make_clip_fixtures import config

VIT_B_32 = ((768, 12, 12, 224, 32), (512, 12, 8, 77, 49408), 512)
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1) * 255
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1) * 255
ADAMW = {"lr": 1e-6, "betas": (0.9, 0.98), "eps": 1e-6, "weight_decay": 0.2}


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


class Trainer:
    def __init__(self, folder, precision):
        self.clip = CLIPModel.from_pretrained(folder)
        self.head = XPool(self.clip.config.projection_dim)
        self.bf16 = precision == "bf16"
        parameters = [*self.clip.parameters(), *self.head.parameters()]
        groups = [{"params": [p for p in parameters if p.dim() >= 2]},
                  {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, **ADAMW)

    def features(self, pixels, ids, mask):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            frames = self.clip.get_image_features(pixel_values=pixels.flatten(0, 1))
            text = self.clip.get_text_features(input_ids=ids, attention_mask=mask)
        frames, text = (getattr(x, "pooler_output", x) for x in (frames, text))
        return text.float(), frames.float().view(*pixels.shape[:2], -1)

    def step(self, batch):
        """Seconds of forward, backward, update, and the loss."""
        times = [time.perf_counter()]
        pixels = (batch["pixels"].float() - MEAN) / STD
        sim = self.head(*self.features(pixels, batch["ids"], batch["mask"].long()))
        logits = sim * self.clip.logit_scale.exp()
        target = torch.arange(len(sim))
        loss = (torch.nn.functional.cross_entropy(logits, target) +
                torch.nn.functional.cross_entropy(logits.t(), target)) / 2
        times.append(time.perf_counter())
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for g in self.optimizer.param_groups
                                        for p in g["params"]], 1.0)
        times.append(time.perf_counter())
        self.optimizer.step()
        self.optimizer.zero_grad()
        times.append(time.perf_counter())
        return [*np.diff(times), loss.item()]
