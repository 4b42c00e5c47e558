#!/usr/bin/env python3
"""The heads over frames, restated text by text and video by video from their papers' formulas, for
tests/models/heads_sequence_test.cc.

tests/fixtures/models/heads_sequence.safetensors
  inputs/{text,tokens,words,frames,lengths}  words and lengths: how many tokens and frames there are
  <case>/upstream                            d loss / d sim
  <case>/sim
  <case>/weights/<parameter>, <case>/grads/<parameter or input>
Everything is computed in double and stored as float32. Needs torch and safetensors.
"""
import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/fixtures/models"
N, M, T, L, D = 4, 3, 4, 5, 8
HEADS = 2
LENGTHS, WORDS = [4, 2, 3], [5, 3, 4, 2]


def cosine(a, b):
    return (a / a.norm()) @ (b / b.norm())


def between(texts, videos):
    return torch.stack([torch.stack([cosine(t, v) for v in videos]) for t in texts])


def vectors(text, video):
    """sim of a vector per text and a vector per video."""
    def sim(w, x):
        texts = [text(w, t) for t in x["text"]]
        return between(texts, [video(w, x["frames"][j][:LENGTHS[j]]) for j in range(M)])
    return sim


def plain(w, text):
    return text


def linear(w, name, x):
    return x @ w[name + ".weight"].T + w[name + ".bias"]


def norm(w, name, x, eps=1e-12):
    centred = x - x.mean(-1, keepdim=True)
    deviation = (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt()
    return centred / deviation * w[name + ".weight"] + w[name + ".bias"]


def quick_gelu(x):
    return x / (1 + torch.exp(-1.702 * x))


def gelu(x):
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def turned(x, position):
    """Neighbouring channels as complex numbers, times exp(i position / 10000^(2k/d))."""
    d = len(x)
    z = torch.complex(x[0::2], x[1::2])
    angles = torch.tensor([position * 10000 ** (-2 * k / d) for k in range(d // 2)]).double()
    return torch.view_as_real(z * torch.polar(torch.ones_like(angles), angles)).flatten()


def attention(q, k, v, kind="learned", distances=None, rows=0, first=1):
    """Token by token; token i is at position first + i. A tensor's rows are tokens."""
    d = q.shape[1] // HEADS
    out = []
    for i in range(len(q)):
        parts = []
        for h in range(HEADS):
            s = slice(h * d, (h + 1) * d)
            logits = []
            for j in range(len(k)):
                a, b = q[i, s], k[j, s]
                if kind == "rotary":
                    a, b = turned(a, first + i), turned(b, first + j)
                logit = (a @ b) / math.sqrt(d)
                if kind == "relative":
                    logit = logit + distances[h, j - i + rows]
                logits.append(logit)
            parts.append(torch.stack(logits).softmax(0) @ v[:, s])
        out.append(torch.cat(parts))
    return torch.stack(out)


def blocks(w, prefix, x, layers, kind="learned", rows=T):
    for n in range(layers):
        p = f"{prefix}.resblocks.{n}."
        q, k, v = (norm(w, p + "ln_1", x) @ w[p + "attn.in_proj_weight"].T
                   + w[p + "attn.in_proj_bias"]).chunk(3, -1)
        distances = w.get("temporal.distances")
        x = x + linear(w, p + "attn.out_proj", attention(q, k, v, kind, distances, rows))
        h = quick_gelu(linear(w, p + "mlp.c_fc", norm(w, p + "ln_2", x)))
        x = x + linear(w, p + "mlp.c_proj", h)
    return x


def unit_mean(z):
    return (z / z.norm(dim=-1, keepdim=True)).mean(0)


def lstm(w, frames):
    h = c = torch.zeros(D).double()
    out = []
    for x in frames:
        gates = (w["lstm_visual.weight_ih_l0"] @ x + w["lstm_visual.bias_ih_l0"]
                 + w["lstm_visual.weight_hh_l0"] @ h + w["lstm_visual.bias_hh_l0"])
        i, f, g, o = gates.chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        out.append(h)
    return unit_mean(torch.stack(out) + frames)


def waves(w, count):
    rows = [[f(p * 10000 ** (-2 * i / D)) for i in range(D // 2) for f in (math.sin, math.cos)]
            for p in range(1, count + 1)]
    return w["temporal.scale"] * torch.tensor(rows).double()


def transformer(kind, layers):
    def video(w, frames):
        x = frames
        if kind == "learned":
            x = x + w["temporal.positions"][:len(frames)]
        if kind == "sinusoidal":
            x = x + waves(w, len(frames))
        return unit_mean(blocks(w, "transformerClip", x, layers, kind) + frames)
    return video


def tight(w, x):
    sim = []
    for t in x["text"]:
        for j in range(M):
            pair = torch.cat([t.unsqueeze(0), x["frames"][j][:LENGTHS[j]]])
            pair = pair + w["temporal.positions"][:len(pair)]
            first = blocks(w, "cross.transformer", pair, 2, rows=T + 1)[0]
            h = linear(w, "cross.pooler.dense", norm(w, "cross.pooler.ln_pool", first))
            sim.append(linear(w, "similarity_dense", quick_gelu(h)))
    return torch.stack(sim).view(N, M)


def weighted(weights):
    """X-Pool's baselines: a video's vector for a text, from the cosines r."""
    def sim(w, x):
        rows = []
        for t in x["text"]:
            row = []
            for j in range(M):
                v = F.normalize(x["frames"][j][:LENGTHS[j]], dim=-1)
                row.append(cosine(t, weights(v @ (t / t.norm()), v)))
            rows.append(torch.stack(row))
        return torch.stack(rows)
    return sim


def bert(w, frames):
    reduced = [linear(w, "video_dim_reduce.frames.fc", v)
               for v in [frames.max(0).values, *frames]]
    kinds, places = w["vid_bert.embeddings.token_type_embeddings.weight"], w["temporal.positions"]
    x = [kinds[0] + places[0]]
    for i, y in enumerate(reduced):
        x.append(y / y.norm() + kinds[1] + places[i])
    x = norm(w, "vid_bert.embeddings.layer_norm", torch.stack(x))
    for n in range(2):
        p = f"vid_bert.encoder.layer.{n}."
        q, k, v = (linear(w, p + f"attention.self.{name}", x) for name in ("query", "key", "value"))
        y = linear(w, p + "attention.output.dense", attention(q, k, v))
        x = norm(w, p + "attention.output.layer_norm", x + y)
        y = linear(w, p + "output.dense", gelu(linear(w, p + "intermediate.dense", x)))
        x = norm(w, p + "output.layer_norm", x + y)
    return x[1]


def gated_unit(w, prefix, rows, batch_norm=None):
    """batch_norm: None, or which moments: "batch" or "running" (at their start, 0 and 1)."""
    y = linear(w, prefix + ".fc", rows)
    gate = linear(w, prefix + ".cg.fc", y)
    if batch_norm:
        mean, variance = gate.mean(0), gate.var(0, unbiased=False)
        if batch_norm == "running":
            mean, variance = torch.zeros_like(mean), torch.ones_like(variance)
        gate = (gate - mean) / (variance + 1e-5).sqrt()
        gate = gate * w[prefix + ".cg.batch_norm.weight"] + w[prefix + ".cg.batch_norm.bias"]
    return y / (1 + torch.exp(-gate))


def mmt(w, x):
    videos = [bert(w, x["frames"][j][:LENGTHS[j]]) for j in range(M)]
    return between(gated_unit(w, "text_GU.frames", x["text"], "running"), videos)


def gated(text, pool, batch_norm):
    def sim(w, x):
        rows = x["text"]
        if text == "max_words":
            rows = torch.stack([
                linear(w, "text_pooling.fc", x["tokens"][i][:WORDS[i]]).clamp(min=0).max(0).values
                for i in range(N)])
        kept = [x["frames"][j][:LENGTHS[j]] for j in range(M)]
        pooled = torch.stack([f.max(0).values if pool == "max" else f.mean(0) for f in kept])
        return between(gated_unit(w, "GU_text", rows, batch_norm),
                       gated_unit(w, "GU_video", pooled, batch_norm))
    return sim


def frozen_text(w, text):
    return linear(w, "txt_proj.1", text.clamp(min=0))


def clover_text(w, text):
    return linear(w, "text_projector.2", gelu(linear(w, "text_projector.0", text)))


def clover_video(w, frames):
    h = gelu(norm(w, "img_projector.1", linear(w, "img_projector.0", frames.mean(0)), 1e-5))
    return norm(w, "img_projector.4", linear(w, "img_projector.3", h), 1e-5)


def linear_shapes(name, n, m):
    return {name + ".weight": (m, n), name + ".bias": (m,)}


def norm_shapes(name, n):
    return {name + ".weight": (n,), name + ".bias": (n,)}


def block_shapes(prefix, layers):
    shapes = {}
    for n in range(layers):
        p = f"{prefix}.resblocks.{n}."
        shapes |= {p + "attn.in_proj_weight": (3 * D, D), p + "attn.in_proj_bias": (3 * D,)}
        shapes |= linear_shapes(p + "attn.out_proj", D, D)
        shapes |= norm_shapes(p + "ln_1", D) | norm_shapes(p + "ln_2", D)
        shapes |= linear_shapes(p + "mlp.c_fc", D, 4 * D)
        shapes |= linear_shapes(p + "mlp.c_proj", 4 * D, D)
    return shapes


def unit_shapes(prefix, n, m, batch_norm=False):
    shapes = linear_shapes(prefix + ".fc", n, m) | linear_shapes(prefix + ".cg.fc", m, m)
    return shapes | (norm_shapes(prefix + ".cg.batch_norm", m) if batch_norm else {})


def lstm_shapes():
    p = "lstm_visual."
    return {p + "weight_ih_l0": (4 * D, D), p + "weight_hh_l0": (4 * D, D),
            p + "bias_ih_l0": (4 * D,), p + "bias_hh_l0": (4 * D,)}


def tight_shapes():
    return (block_shapes("cross.transformer", 2) | linear_shapes("cross.pooler.dense", D, D)
            | norm_shapes("cross.pooler.ln_pool", D) | linear_shapes("similarity_dense", D, 1)
            | {"temporal.positions": (T + 1, D)})


def mmt_shapes(width=6, inner=10):
    shapes = linear_shapes("video_dim_reduce.frames.fc", D, width)
    shapes |= {"temporal.positions": (T + 1, width),
               "vid_bert.embeddings.token_type_embeddings.weight": (2, width)}
    shapes |= norm_shapes("vid_bert.embeddings.layer_norm", width)
    for n in range(2):
        p = f"vid_bert.encoder.layer.{n}."
        for name in ("query", "key", "value"):
            shapes |= linear_shapes(p + "attention.self." + name, width, width)
        shapes |= linear_shapes(p + "attention.output.dense", width, width)
        shapes |= norm_shapes(p + "attention.output.layer_norm", width)
        shapes |= linear_shapes(p + "intermediate.dense", width, inner)
        shapes |= linear_shapes(p + "output.dense", inner, width)
        shapes |= norm_shapes(p + "output.layer_norm", width)
    return shapes | unit_shapes("text_GU.frames", D, width, batch_norm=True)


def nearest_two(r, v):
    return v[r.topk(min(2, len(r))).indices].sum(0)


def transformer_case(kind, layers, encoding):
    shapes = block_shapes("transformerClip", layers) | encoding
    return shapes, vectors(plain, transformer(kind, layers))


CASES = {
    "mean_pool": ({}, vectors(plain, lambda w, frames: unit_mean(frames))),
    "topk": ({}, weighted(nearest_two)),
    "attention": ({}, weighted(lambda r, v: (r / 0.2).softmax(0) @ v)),
    "seq_lstm": (lstm_shapes(), vectors(plain, lstm)),
    "seq_transf": transformer_case("learned", 2, {"temporal.positions": (T, D)}),
    "seq_transf_none": transformer_case("none", 1, {}),
    "seq_transf_sinusoidal": transformer_case("sinusoidal", 1, {"temporal.scale": ()}),
    "seq_transf_rotary": transformer_case("rotary", 1, {}),
    "seq_transf_relative": transformer_case("relative", 1,
                                            {"temporal.distances": (HEADS, 2 * T + 1)}),
    "tight_transf": (tight_shapes(), tight),
    "mmt": (mmt_shapes(), mmt),
    "gated": (unit_shapes("GU_text", D, 6) | unit_shapes("GU_video", D, 6),
              gated("pooled", "max", None)),
    "gated_words": (linear_shapes("text_pooling.fc", D, 6) | unit_shapes("GU_text", 6, 6)
                    | unit_shapes("GU_video", D, 6), gated("max_words", "mean", None)),
    "gated_norm": (unit_shapes("GU_text", D, 6, True) | unit_shapes("GU_video", D, 6, True),
                   gated("pooled", "mean", "batch")),
    "projection_frozen": (linear_shapes("txt_proj.1", D, 5) | linear_shapes("vid_proj.0", D, 5),
                          vectors(frozen_text, lambda w, f: linear(w, "vid_proj.0", f.mean(0)))),
    "projection_all_in_one": (linear_shapes("txt_proj", D, 5) | linear_shapes("vid_proj", D, 5),
                              vectors(lambda w, t: linear(w, "txt_proj", t),
                                      lambda w, f: linear(w, "vid_proj", f.mean(0)))),
    "projection_clover": (linear_shapes("text_projector.0", D, D)
                          | linear_shapes("text_projector.2", D, 5)
                          | linear_shapes("img_projector.0", D, 10)
                          | norm_shapes("img_projector.1", 10)
                          | linear_shapes("img_projector.3", 10, 5)
                          | norm_shapes("img_projector.4", 5),
                          vectors(clover_text, clover_video)),
}


def random_weight(name, shape, generator):
    gain = len(shape) == 1 and name.endswith(".weight")
    return (0.3 * torch.randn(shape, generator=generator, dtype=torch.double)
            + (1 if gain else 0)).requires_grad_()


def main():
    generator = torch.Generator().manual_seed(7)

    def random(*shape):  # what float32 holds, so that both sides read the same
        return torch.randn(shape, generator=generator).double()

    inputs = {"text": random(N, D), "tokens": random(N, L, D), "frames": random(M, T, D)}
    out = {"inputs/" + name: value.clone() for name, value in inputs.items()}
    out |= {"inputs/lengths": torch.tensor(LENGTHS), "inputs/words": torch.tensor(WORDS)}
    for case, (shapes, sim_of) in CASES.items():
        x = {name: value.clone().requires_grad_() for name, value in inputs.items()}
        w = {name: random_weight(name, shape, generator).detach().float().double().requires_grad_()
             for name, shape in shapes.items()}
        upstream, sim = random(N, M), sim_of(w, x)
        (sim * upstream).sum().backward()
        out |= {f"{case}/upstream": upstream, f"{case}/sim": sim.detach()}
        out |= {f"{case}/weights/{name}": value.detach() for name, value in w.items()}
        out |= {f"{case}/grads/{name}": value.grad for name, value in (w | x).items()
                if value.grad is not None}
    save_file({k: v.float().contiguous() for k, v in out.items()},
              OUT / "heads_sequence.safetensors")


if __name__ == "__main__":
    main()
