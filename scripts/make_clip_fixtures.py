#!/usr/bin/env python3
"""What transformers' CLIPModel computes, for tests/models/clip_parity_test.cc and tests/train/.

tests/fixtures/models/
  clip_tiny/               a CLIP folder as save_pretrained writes it, random weights
  clip_tiny.safetensors    two batches, their features, the loss's gradients, losses of ten steps
  clip_slice.safetensors   features of two layers of ViT-B/32 at its true widths; weights and inputs
                           are a hash of name and index that the test repeats
Everything is computed in double and stored as float32, so that a difference is the test's own.
Needs third_party/requirements-dev.txt; no model is downloaded.
"""
import pathlib

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/models"
STEPS, BATCH = 10, 4
ADAMW = {"lr": 1e-3, "betas": (0.9, 0.98), "eps": 1e-6, "weight_decay": 0.2}
PARTS = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc",
         "mlp.fc2": "mlp.c_proj", "self_attn.out_proj": "attn.out_proj"}


def config(vision, text, dim):
    """Of (width, layers, heads, resolution, patch) and (width, layers, heads, context, vocab)."""
    towers = {"vision_config": dict(image_size=vision[3], patch_size=vision[4]),
              "text_config": dict(max_position_embeddings=text[3], vocab_size=text[4],
                                  bos_token_id=1, pad_token_id=0, eos_token_id=text[4] - 1)}
    for name, (width, layers, heads, *_) in zip(towers, (vision, text)):
        towers[name].update(hidden_size=width, intermediate_size=4 * width, projection_dim=dim,
                            num_hidden_layers=layers, num_attention_heads=heads)
    return CLIPConfig(projection_dim=dim, **towers)


def named(model, of):
    """{OpenAI's name: of(parameter)} of transformers' parameters."""
    get = {name: of(value) for name, value in model.named_parameters()}
    out = {"logit_scale": get["logit_scale"], "text_projection": get["text_projection.weight"].T,
           "visual.proj": get["visual_projection.weight"].T,
           "token_embedding.weight": get["text_model.embeddings.token_embedding.weight"],
           "positional_embedding": get["text_model.embeddings.position_embedding.weight"],
           "visual.class_embedding": get["vision_model.embeddings.class_embedding"],
           "visual.conv1.weight": get["vision_model.embeddings.patch_embedding.weight"],
           "visual.positional_embedding": get["vision_model.embeddings.position_embedding.weight"]}
    for ours, theirs in (("ln_final", "text_model.final_layer_norm"),
                         ("visual.ln_pre", "vision_model.pre_layrnorm"),
                         ("visual.ln_post", "vision_model.post_layernorm")):
        for kind in ("weight", "bias"):
            out[f"{ours}.{kind}"] = get[f"{theirs}.{kind}"]
    for prefix, tower in (("", model.text_model), ("visual.", model.vision_model)):
        source = "vision_model" if prefix else "text_model"
        for i in range(len(tower.encoder.layers)):
            block, theirs = f"{prefix}transformer.resblocks.{i}", f"{source}.encoder.layers.{i}"
            for kind in ("weight", "bias"):
                for part, ours in PARTS.items():
                    out[f"{block}.{ours}.{kind}"] = get[f"{theirs}.{part}.{kind}"]
                out[f"{block}.attn.in_proj_{kind}"] = torch.cat(
                    [get[f"{theirs}.self_attn.{x}_proj.{kind}"] for x in "qkv"])
    assert sum(t.numel() for t in out.values()) == sum(t.numel() for t in get.values())
    return out


def features(model, pixels, ids):
    vision, text = model.vision_model(pixel_values=pixels), model.text_model(input_ids=ids)
    patches = model.vision_model.post_layernorm(vision.last_hidden_state[:, 1:])
    return {"image": model.visual_projection(vision.pooler_output),
            "text": model.text_projection(text.pooler_output),
            "patches": model.visual_projection(patches),
            "tokens": model.text_projection(text.last_hidden_state)}


def texts(rng, context, vocab):
    """Ids [2, BATCH, context] of random lengths: 1, words, the largest id as end, then zeros."""
    ids = torch.zeros(2, BATCH, context, dtype=torch.long)
    for row in ids.view(-1, context):
        end = rng.integers(2, context)
        row[0], row[end] = 1, vocab - 1
        row[1:end] = torch.from_numpy(rng.integers(2, vocab - 1, end - 1))
    return ids


def tiny():
    rng = np.random.default_rng(1)
    model = CLIPModel(config((48, 2, 3, 32, 8), (32, 2, 2, 16, 100), 24))
    torch.manual_seed(1)
    with torch.no_grad():  # larger than an initialisation, so that attention is not uniform
        for name, p in model.named_parameters():
            if name != "logit_scale":
                p.normal_(std=p[0].numel() ** -0.5 if p.dim() > 1 else 0.1)
            if "norm" in name and name.endswith("weight"):
                p.add_(1)
    model.save_pretrained(OUT / "clip_tiny")
    model = model.double()
    pixels = torch.from_numpy(rng.standard_normal((2, BATCH, 3, 32, 32))).float()
    ids = texts(rng, 16, 100)
    out = {"pixels": pixels, "ids": ids, **features(model, pixels[0].double(), ids[0])}

    def loss(step):
        batch = {"pixel_values": pixels[step % 2].double(), "input_ids": ids[step % 2]}
        return model(**batch, return_loss=True).loss

    loss(0).backward()
    out |= {f"grad.{name}": grad for name, grad in named(model, lambda p: p.grad).items()}
    optimizer, losses = torch.optim.AdamW(model.parameters(), **ADAMW), []
    for step in range(STEPS):
        optimizer.zero_grad()
        losses.append(loss(step))
        losses[-1].backward()
        optimizer.step()
    out["losses"] = torch.stack(losses)
    store("clip_tiny", out, {k: str(v) for k, v in ADAMW.items()} | {"betas": "0.9 0.98"})
    print("losses", [round(x.item(), 4) for x in losses])


def hashed(name, shape):
    """Numbers in [-1, 1), a multiple of 2^-23 each: core/random's mix of the name's seed plus i."""

    def mix(x):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))

    with np.errstate(over="ignore"):
        seed = mix(np.uint64(0))
        for c in name.encode():
            seed = mix(seed ^ np.uint64(c))
        bits = mix(seed + np.arange(int(np.prod(shape)), dtype=np.uint64)) >> np.uint64(40)
    return torch.from_numpy((bits.astype(np.float64) - 2**23) / 2**23).float().reshape(shape)


def scale(name, shape):
    """Matrices keep a vector's size (uniform in +-sqrt(3 / in)); what is added stays below it."""
    if len(shape) < 2 or "embedding" in name:
        return 0.25
    fan_in = shape[0] if name.endswith("proj") or name == "text_projection" else np.prod(shape[1:])
    return 2.0 ** round(np.log2((3 / fan_in) ** 0.5))  # a power of two: the product is exact


def slice_of_b32():
    model = CLIPModel(config((768, 2, 12, 224, 32), (512, 2, 8, 77, 1000), 512)).double()
    with torch.no_grad():
        for name, p in named(model, lambda p: p).items():
            value = hashed(name, p.shape).double() * scale(name, p.shape)
            if "ln_" in name and name.endswith("weight"):
                value += 1
            value = value.float().double()
            if "in_proj" in name:  # joined by `named`: back into its thirds
                tower = model.vision_model if name.startswith("visual.") else model.text_model
                layer = tower.encoder.layers[int(name.split("resblocks.")[1].split(".")[0])]
                for part, third in zip("qkv", value.chunk(3)):
                    linear = getattr(layer.self_attn, f"{part}_proj")
                    getattr(linear, name.split("_")[-1]).copy_(third)
            else:
                p.copy_(value)
        pixels = hashed("pixels", (2, 3, 224, 224)).double() * 2
        ids = (hashed("ids", (2, 77)).double() * 499 + 500).long()  # in [1, 998]
        ids[:, 76], ids[1, 20], ids[1, 21:] = 999, 999, 0
        got = features(model, pixels, ids)
    store("clip_slice", {"image": got["image"], "text": got["text"]}, {})
    print("slice", got["image"].std().item(), got["text"].std().item())


def store(name, tensors, metadata):
    exact = {k: (v if v.dtype == torch.long else v.detach().float()).contiguous()
             for k, v in tensors.items()}
    save_file(exact, OUT / f"{name}.safetensors", metadata)


if __name__ == "__main__":
    torch.set_num_threads(1)
    tiny()
    slice_of_b32()
