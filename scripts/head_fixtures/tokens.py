#!/usr/bin/env python3
"""Heads that look at words, frames and patches, restated a text and a video at a time.

Writes tests/fixtures/models/heads_tokens.safetensors for tests/models/heads_tokens_test.cc:
  inputs/{text,tokens,words,frames,patches,lengths}  words and lengths: how many tokens and frames
  <case>/{words,lengths}                             where they are other ones
  <case>/{upstream,sim} or <case>/penalty            upstream: d loss / d sim
  <case>/weights/<parameter>, <case>/grads/<parameter or input>
  topk/...                                           the perturbed choice of TS2-Net
Computed in double, stored as float32. Needs torch and safetensors.
"""
import math
import pathlib

import torch
import torch.nn.functional as F
from formulas import block_shapes, blocks, linear, norm, temporal_shapes, unit
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/fixtures/models/heads_tokens.safetensors"
N, L, T, P, D = 4, 5, 4, 6, 12  # texts and videos, words, frames, patches, width
HEADS = 3
WORDS, FRAMES = (5, 3, 4, 2), (4, 2, 3, 4)  # lengths


def soft(x, tau=1.0):
    """softmax of a vector, -inf allowed."""
    e = torch.exp(tau * (x - x.max()))
    return e / e.sum()


def frame_transformer(p, x, mask):
    """CLIP4Clip's seqTransf over one sequence; what is masked is seen by nobody and stays."""
    kept = x[mask]
    placed = kept + p["temporal.positions"][:len(x)][mask]
    mixed = x.clone()
    mixed[mask] = kept + blocks(p, "transformerClip", placed, 1, HEADS)
    return mixed


def transformer_shapes(rows):
    return block_shapes("transformerClip", 1, D) | temporal_shapes("learned", rows, D, HEADS)


# Every score below is of text i and video j: x holds the inputs.

def mug(x, p, i, j, mode="frame_token_simple", authors=False, tau=100):
    words, is_word = x["tokens"][i], x["text_mask"][i]
    frames = unit(x["frames"][j])
    if not authors:
        words, is_word = words[is_word], is_word[is_word]
        frames = frames[x["video_mask"][j]]
    if mode == "frame_text":
        cosines = frames @ unit(x["text"][i])
        return cosines @ soft(cosines, tau)
    words = unit(words)
    cosines = words @ frames.T
    e = cosines * is_word.double().unsqueeze(-1)
    no_zeros = lambda v: torch.where(v == 0, -math.inf, v)
    guided = e if mode == "frame_token_simple" else cosines
    t2v = torch.stack([soft(e[a], tau) @ guided[a] for a in range(len(words))])
    v2t = torch.stack([soft(no_zeros(e[:, b]), tau) @ e[:, b] for b in range(len(frames))])
    by_word, by_frame = soft(no_zeros(t2v), tau), soft(v2t, tau)
    if mode == "frame_token_simple":
        return (by_word @ t2v + by_frame @ v2t) / 2
    return (by_word @ words) @ (by_frame @ frames)


def token_weights(x, p, name):
    layers = sorted({key.split(".")[1] for key in p if key.startswith(name)}, key=int)
    if not layers:
        return torch.zeros(len(x), dtype=x.dtype)
    for i in layers:
        x = linear(p, f"{name}.{i}", x)
        x = x if i == layers[-1] else x.clamp_min(0)
    return x.squeeze(-1)


def wti_parts(x, p, i, j):
    """Words, frames, their masks and weights (0 where there is none)."""
    frames, is_frame = x["frames"][j], x["video_mask"][j]
    if "temporal.positions" in p:
        frames = frame_transformer(p, frames, is_frame)
    words, is_word = x["tokens"][i], x["text_mask"][i]
    w, v = torch.zeros(len(words)).double(), torch.zeros(len(frames)).double()
    w[is_word] = soft(token_weights(words[is_word], p, "text_weight_fc"))
    v[is_frame] = soft(token_weights(frames[is_frame], p, "video_weight_fc"))
    return unit(words), unit(frames), is_word, is_frame, w, v


def nearest(words, frames, is_word, is_frame, authors):
    """Each word's nearest frame and each frame's nearest word."""
    e = words @ frames.T
    if authors:
        e = e * is_word.double().unsqueeze(1) * is_frame.double()
        return e, e.argmax(1), e.argmax(0)
    return (e, e.masked_fill(~is_frame, -9).argmax(1),
            e.masked_fill(~is_word.unsqueeze(1), -9).argmax(0))


def wti(x, p, i, j, authors=False):
    words, frames, is_word, is_frame, w, v = wti_parts(x, p, i, j)
    e, frame, word = nearest(words, frames, is_word, is_frame, authors)
    t2v = sum(w[a] * e[a, frame[a]] for a in range(len(words)))
    return (t2v + sum(v[b] * e[word[b], b] for b in range(len(frames)))) / 2


def correlation(rows, others, weights):
    scaled = [(z - z.mean(0)) / z.std(0) for z in (torch.stack(rows), torch.stack(others))]
    return sum(w * torch.outer(a, b) for w, a, b in zip(weights, *scaled))


def wti_penalty(x, p, variant, alpha1, alpha2, factor, authors=False):
    halves = [([], [], []), ([], [], [])]
    for n in range(N):
        words, frames, is_word, is_frame, w, v = wti_parts(x, p, n, n)
        _, frame, word = nearest(words, frames, is_word, is_frame, authors)
        for half, own, other, place, mask, weight in (
                (halves[0], words, frames, frame, is_word, w),
                (halves[1], frames, words, word, is_frame, v)):
            for a in range(len(own)):
                if mask[a]:
                    half[0].append(own[a])
                    half[1].append(other[place[a]])
                    half[2].append(weight[a] / N)
    if variant == 1:  # of one word and one frame each
        c = correlation(halves[0][0], halves[1][0], [1 / N] * N)
    else:
        c = sum(correlation(own, other, weights if variant == 3 else [1 / len(own)] * len(own))
                for own, other, weights in halves) / 2
    on = sum((c[a, a] - 1) ** 2 for a in range(D))
    off = sum(c[a, b] ** 2 for a in range(D) for b in range(D) if a != b)
    return factor * (alpha1 * on + alpha2 * off)


def xclip(x, p, i, j, authors=False):
    is_word, is_frame = x["text_mask"][i], x["video_mask"][j]
    mixed = x["frames"][j]
    if "temporal.positions" in p:
        mixed = frame_transformer(p, mixed, is_frame)
    video = unit(unit(mixed)[is_frame].mean(0))
    sentence, words, frames = (unit(x[k][n]) for k, n in (("text", i), ("tokens", i),
                                                          ("frames", j)))
    if authors:
        is_word, is_frame = torch.ones_like(is_word), torch.ones_like(is_frame)

    def attended(values, matrix, keep):
        weights = torch.zeros(len(values)).double()
        weights[keep] = soft(values[keep], 100)
        weights = weights @ matrix
        return sum(weights[a] * values[a] for a in range(len(values)) if keep[a])

    e = words @ p["local_mat_weight"] @ frames.T
    zero = torch.zeros(()).double()
    by_frame = torch.stack([attended(e[:, b], p["word_mat_weight"], is_word) if is_frame[b]
                            else zero for b in range(len(frames))])
    by_word = torch.stack([attended(e[a], p["frame_mat_weight"], is_frame) if is_word[a]
                           else zero for a in range(len(words))])
    fine = (attended(by_frame, p["frame_mat_weight2"], is_frame)
            + attended(by_word, p["word_mat_weight2"], is_word)) / 2
    return (sentence @ p["global_mat_weight"] @ video
            + attended(words @ video, p["word_logit_weight"], is_word)
            + attended(frames @ sentence, p["frame_logit_weight"], is_frame) + fine) / 4


def ts2_scores(tokens, p):
    name = "visual_token_selector.score_predictor."
    inner = F.gelu(norm(p, name + "in_conv.0", tokens) @ p[name + "in_conv.1.weight"].T)
    joined = torch.cat([inner, inner[:1].repeat(len(inner), 1)], -1)
    joined = F.gelu(joined @ p[name + "out_conv.0.weight"].T)
    return torch.tanh(joined @ p[name + "out_conv.2.weight"].T).squeeze(-1)


def ts2(x, p, i, j, authors=False, k=3):
    sequence, mask = [], []
    for t in range(T):
        tokens = torch.cat([x["frames"][j, t:t + 1], x["patches"][j, t]])
        best = sorted(ts2_scores(tokens, p)[1:].topk(k).indices.tolist())
        sequence += [tokens[0]] + [tokens[1 + a] for a in best]
        mask += [x["video_mask"][j, t]] * (1 + k)
    if authors:
        mask = x["video_mask"][j].tolist() * (1 + k)
    mask = torch.tensor(mask)
    mixed = frame_transformer(p, torch.stack(sequence), mask)[::1 + k]
    mask = mask[::1 + k]
    s = unit(mixed) @ unit(x["text"][i])
    w = s * mask.double()
    w = soft((w / w.norm()).masked_fill(~mask, -1e18), 4)
    return w @ s


def perturbed_topk(scores, noise, k, sigma):
    """The mean choice [R, K, P] and the derivative of it, choice by choice."""
    value, derivative = (torch.zeros(len(scores), k, scores.shape[1]).double() for _ in range(2))
    for r, row in enumerate(scores):
        for sample in noise[r]:
            for rank, place in enumerate(sorted((row + sigma * sample).topk(k).indices.tolist())):
                value[r, rank, place] += 1 / len(noise[r])
                derivative[r, rank, place] += sample[place] / len(noise[r]) / sigma
    return value, derivative


def weight_shapes(arch):
    return {f"{name}.{2 * i}.{kind}": shape
            for name in ("text_weight_fc", "video_weight_fc") for i in range(arch)
            for kind, shape in (("weight", (D if i < arch - 1 else 1, D)),
                                ("bias", (D if i < arch - 1 else 1,)))}


def xclip_shapes(frames_mixed):
    sizes = {"global_mat_weight": D, "local_mat_weight": D}
    sizes |= {f"word_{name}": L for name in ("logit_weight", "mat_weight", "mat_weight2")}
    sizes |= {f"frame_{name}": T for name in ("logit_weight", "mat_weight", "mat_weight2")}
    return {name: (n, n) for name, n in sizes.items()} | (
        transformer_shapes(T) if frames_mixed else {})


def ts2_shapes():
    name = "visual_token_selector.score_predictor."
    return transformer_shapes(4 * T) | {
        name + "in_conv.0.weight": (D,), name + "in_conv.0.bias": (D,),
        name + "in_conv.1.weight": (D // 2, D), name + "out_conv.0.weight": (D // 2, D),
        name + "out_conv.2.weight": (1, D // 2)}


def parameters(shapes):
    start = lambda name, shape: (torch.eye(*shape) if name.endswith(("mat_weight", "mat_weight2",
                                                                     "logit_weight"))
                                 else torch.ones(shape) if ".ln_" in name and "weight" in name
                                 or name.endswith("in_conv.0.weight") else torch.zeros(shape))
    return {name: (start(name, shape).double() + 0.2 * torch.randn(shape).double()).float()
            for name, shape in shapes.items()}


def lengths(sizes, most):
    return torch.arange(most) < torch.tensor(sizes).unsqueeze(1)


def inputs():
    return {"text": torch.randn(N, D), "tokens": torch.randn(N, L, D),
            "frames": torch.randn(N, T, D), "patches": torch.randn(N, T, P, D)}


def cases():
    """Scores of a pair and penalties of a batch, name: (shapes of the parameters, function)"""
    pairs = {}
    for mode in ("frame_token_simple", "frame_token", "frame_text"):
        for authors in (False, True):
            name = f"mug_{mode}" + ("_authors" if authors else "")
            pairs[name] = ({}, lambda *a, m=mode, b=authors: mug(*a, mode=m, authors=b))
    pairs["wti_uniform"] = ({}, wti)
    for arch in (1, 2, 3):
        pairs[f"wti_arch{arch}"] = (weight_shapes(arch), wti)
    pairs["wti_authors"] = (weight_shapes(2), lambda *a: wti(*a, authors=True))
    pairs["wti_seqTransf"] = (weight_shapes(2) | transformer_shapes(T), wti)
    pairs["xclip_meanP"] = (xclip_shapes(False), xclip)
    pairs["xclip_authors"] = (xclip_shapes(False), lambda *a: xclip(*a, authors=True))
    pairs["xclip_seqTransf"] = (xclip_shapes(True), xclip)
    pairs["ts2"] = (ts2_shapes(), ts2)
    pairs["ts2_authors"] = (ts2_shapes(), lambda *a: ts2(*a, authors=True))
    penalties = {f"wti_decorrelation{variant}{'_authors' if authors else ''}":
                 (weight_shapes(2), lambda x, p, v=variant, a=authors:
                  wti_penalty(x, p, v, 0.11, 0.3, 0.5, a))
                 for variant, authors in ((1, False), (2, False), (3, False), (3, True))}
    return pairs, penalties


def main():
    torch.manual_seed(11)
    given, upstream = inputs(), torch.randn(N, N)
    out = {f"inputs/{name}": value for name, value in given.items()}
    out |= {"inputs/words": torch.tensor(WORDS), "inputs/lengths": torch.tensor(FRAMES)}
    pairs, penalties = cases()
    for name, (shapes, compute) in (pairs | penalties).items():
        p = parameters(shapes)
        out |= {f"{name}/weights/{key}": value for key, value in p.items()}
        x, p = ({key: v.double().requires_grad_() for key, v in some.items()} for some in (given, p))
        leaves = p | x
        counts = WORDS, FRAMES
        if name == "wti_decorrelation1":  # one word and one frame: nothing is left to chance
            counts = (1,) * N, (1,) * N
            out |= {f"{name}/{key}": torch.tensor(counts[0]) for key in ("words", "lengths")}
        x = x | {"text_mask": lengths(counts[0], L), "video_mask": lengths(counts[1], T)}
        if name in pairs:
            value = torch.stack([torch.stack([compute(x, p, i, j) for j in range(N)])
                                 for i in range(N)])
            (value * upstream).sum().backward()
            out |= {f"{name}/upstream": upstream.clone(), f"{name}/sim": value.detach().float()}
        else:
            value = compute(x, p)
            value.backward()
            out[f"{name}/penalty"] = value.detach().float()
        out |= {f"{name}/grads/{key}": leaf.grad.float() for key, leaf in leaves.items()
                if leaf.grad is not None}
    scores, noise = 0.05 * torch.randn(3, P), torch.randn(3, 20, P)
    value, derivative = perturbed_topk(scores.double(), noise.double(), 3, 0.05)
    gradient = torch.randn(3, 3, P)
    out |= {"topk/scores": scores, "topk/noise": noise, "topk/value": value.float(),
            "topk/gradient": gradient,
            "topk/grad": (gradient.double() * derivative).sum(1).float()}
    save_file({name: value.contiguous() for name, value in out.items()}, OUT)
    print(OUT.name, OUT.stat().st_size // 1000, "kB")


if __name__ == "__main__":
    main()
