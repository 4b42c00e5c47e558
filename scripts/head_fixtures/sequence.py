#!/usr/bin/env python3
"""The heads over frames, restated text by text and video by video from their papers' formulas, for
tests/models/heads_sequence_test.cc.

tests/fixtures/models/heads_sequence.safetensors
  inputs/{text,tokens,words,frames,lengths}  words and lengths: how many tokens and frames there are
  inputs/times                               of the frames, seconds
  <case>/upstream                            d loss / d sim
  <case>/sim
  <case>/weights/<parameter>, <case>/grads/<parameter or input>
Everything is computed in double and stored as float32. Needs torch and safetensors.
"""
import pathlib

import torch
import torch.nn.functional as F
from formulas import (added, attention, block_shapes, blocks, cosine, cross_norm, gelu, linear,
                      linear_shapes, norm, norm_shapes, quick_gelu, temporal_shapes, unit)
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/fixtures/models"
N, M, T, L, D = 4, 3, 4, 5, 8
HEADS = 2
LENGTHS, WORDS = [4, 2, 3], [5, 3, 4, 2]
UNIT = 0.5  # seconds from one position to the next
# Positions 1 + times / UNIT are not whole, and the last of video 0 lies beyond the tables' ends.
TIMES = [[0.15, 0.6, 1.35, 2.3], [0.35, 0.85, 0, 0], [0.05, 0.45, 1.1, 0]]


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


def unit_mean(z):
    return unit(z).mean(0)


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


def positions(j, times, before=()):
    """Of video j's frames, by index or by `times`, and of the tokens before them, all at one place."""
    at = [1 + (seconds / UNIT if times else i) for i, seconds in enumerate(TIMES[j][:LENGTHS[j]])]
    return [*before, *(p + 1 if before else p for p in at)]


def placed(w, kind, x, at):
    return torch.stack([y + added(w, kind, p, len(y)) for y, p in zip(x, at)])


def transformer(kind, layers, times=False):
    def sim(w, x):
        videos = []
        for j in range(M):
            frames, at = x["frames"][j][:LENGTHS[j]], positions(j, times)
            mixed = blocks(w, "transformerClip", placed(w, kind, frames, at), layers, HEADS, kind,
                           at, T)
            videos.append(unit_mean(mixed + frames))
        return between(x["text"], videos)
    return sim


def tight(kind, layers, times=False):
    def sim(w, x):
        rows = []
        for text in x["text"]:
            for j in range(M):
                at = positions(j, times, before=[1])
                pair = torch.cat([text.unsqueeze(0), x["frames"][j][:LENGTHS[j]]])
                first = blocks(w, "cross.transformer", placed(w, kind, pair, at), layers, HEADS,
                               kind, at, T + 1)[0]
                h = linear(w, "cross.pooler.dense", cross_norm(w, "cross.pooler.ln_pool", first))
                rows.append(linear(w, "similarity_dense", quick_gelu(h)))
        return torch.stack(rows).view(N, M)
    return sim


def bert(w, frames, kind, layers, at):
    """CLS, AGG and the frames at positions `at`."""
    reduced = [unit(linear(w, "video_dim_reduce.frames.fc", v))
               for v in [frames.max(0).values, *frames]]
    kinds = w["vid_bert.embeddings.token_type_embeddings.weight"]
    x = placed(w, kind, [kinds[0], *(y + kinds[1] for y in reduced)], at)
    x = cross_norm(w, "vid_bert.embeddings.layer_norm", x)
    for n in range(layers):
        p = f"vid_bert.encoder.layer.{n}."
        q, k, v = (linear(w, p + f"attention.self.{name}", x) for name in ("query", "key", "value"))
        y = linear(w, p + "attention.output.dense",
                   attention(w, kind, q, k, v, at, HEADS, T + 1))
        x = cross_norm(w, p + "attention.output.layer_norm", x + y)
        y = linear(w, p + "output.dense", gelu(linear(w, p + "intermediate.dense", x)))
        x = cross_norm(w, p + "output.layer_norm", x + y)
    return x[1]


def mmt(kind, layers, times=False):
    def sim(w, x):
        videos = [bert(w, x["frames"][j][:LENGTHS[j]], kind, layers,
                       positions(j, times, before=[1, 1])) for j in range(M)]
        return between(gated_unit(w, "text_GU.frames", x["text"], "running"), videos)
    return sim


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
    h = gelu(norm(w, "img_projector.1", linear(w, "img_projector.0", frames.mean(0))))
    return norm(w, "img_projector.4", linear(w, "img_projector.3", h))


def unit_shapes(prefix, n, m, batch_norm=False):
    shapes = linear_shapes(prefix + ".fc", n, m) | linear_shapes(prefix + ".cg.fc", m, m)
    return shapes | (norm_shapes(prefix + ".cg.batch_norm", m) if batch_norm else {})


def lstm_shapes():
    p = "lstm_visual."
    return {p + "weight_ih_l0": (4 * D, D), p + "weight_hh_l0": (4 * D, D),
            p + "bias_ih_l0": (4 * D,), p + "bias_hh_l0": (4 * D,)}


def seq_shapes(kind, layers):
    return block_shapes("transformerClip", layers, D) | temporal_shapes(kind, T, D, HEADS)


def tight_shapes(kind, layers):
    return (block_shapes("cross.transformer", layers, D) | linear_shapes("similarity_dense", D, 1)
            | linear_shapes("cross.pooler.dense", D, D) | norm_shapes("cross.pooler.ln_pool", D)
            | temporal_shapes(kind, T + 1, D, HEADS))


def mmt_shapes(kind, layers, width=12, inner=10):
    shapes = linear_shapes("video_dim_reduce.frames.fc", D, width)
    shapes |= temporal_shapes(kind, T + 1, width, HEADS)
    shapes |= {"vid_bert.embeddings.token_type_embeddings.weight": (2, width)}
    shapes |= norm_shapes("vid_bert.embeddings.layer_norm", width)
    for n in range(layers):
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


CASES = {
    "mean_pool": ({}, vectors(plain, lambda w, frames: unit_mean(frames))),
    "topk": ({}, weighted(nearest_two)),
    "attention": ({}, weighted(lambda r, v: (r / 0.2).softmax(0) @ v)),
    "seq_lstm": (lstm_shapes(), vectors(plain, lstm)),
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


for name, shapes_of, sim_of in (("seq_transf", seq_shapes, transformer),
                                ("tight_transf", tight_shapes, tight), ("mmt", mmt_shapes, mmt)):
    CASES[name] = shapes_of("learned", 2), sim_of("learned", 2)
    CASES[f"{name}_none"] = shapes_of("none", 1), sim_of("none", 1)
    for kind in ("learned", "sinusoidal", "rotary", "relative"):
        CASES[f"{name}_{kind}_times"] = shapes_of(kind, 1), sim_of(kind, 1, times=True)


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
    out |= {"inputs/lengths": torch.tensor(LENGTHS), "inputs/words": torch.tensor(WORDS),
            "inputs/times": torch.tensor(TIMES)}
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
