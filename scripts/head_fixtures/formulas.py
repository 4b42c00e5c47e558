"""What the restatements of several heads and encoders are made of: layers by their parameters'
names, w a dictionary of them, and the temporal encodings position by position."""
import math

import torch


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def cosine(a, b):
    return unit(a) @ unit(b)


def linear(w, name, x):
    return x @ w[name + ".weight"].T + w[name + ".bias"]


def norm(w, name, x, eps=1e-5):
    centred = x - x.mean(-1, keepdim=True)
    deviation = (centred.square().mean(-1, keepdim=True) + eps).sqrt()
    return centred / deviation * w[name + ".weight"] + w[name + ".bias"]


def cross_norm(w, name, x):
    """CLIP4Clip's and BERT's."""
    return norm(w, name, x, 1e-12)


def quick_gelu(x):
    return x / (1 + torch.exp(-1.702 * x))


def gelu(x):
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def row(table, at):
    """Row of a table at a real place: a mixture of its two neighbours, held beyond the ends."""
    at = min(max(at, 0), len(table) - 1)
    low = math.floor(at)
    if low == at:
        return table[low]
    return table[low] * (low + 1 - at) + table[low + 1] * (at - low)


def added(w, kind, position, width):
    """What a temporal encoding adds to the frame at a position."""
    if kind == "learned":
        return row(w["temporal.positions"], position - 1)
    if kind == "sinusoidal":
        waves = [f(position / 10000 ** (2 * c / width))
                 for c in range(width // 2) for f in (math.sin, math.cos)]
        return w["temporal.scale"] * torch.tensor(waves, dtype=torch.double)
    return 0


def turned(x, position):
    """Neighbouring channels as complex numbers, times exp(i position / 10000^(2k/d))."""
    d = len(x)
    angles = torch.tensor([position * 10000 ** (-2 * k / d) for k in range(d // 2)]).double()
    z = torch.complex(x[0::2], x[1::2]) * torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(z).flatten()


def logit(w, kind, head, query, key, p_query, p_key, most):
    """Of one attention head, both vectors its own d channels; most: the largest distance."""
    if kind == "rotary":
        query, key = turned(query, p_query), turned(key, p_key)
    value = query @ key / math.sqrt(len(query))
    if kind == "relative":
        value = value + row(w["temporal.distances"][head], p_key - p_query + most)
    return value


def attention(w, kind, q, k, v, at, heads, most):
    """Token by token, at its position; a tensor's rows are tokens."""
    d = q.shape[1] // heads
    out = []
    for i in range(len(q)):
        parts = []
        for h in range(heads):
            s = slice(h * d, (h + 1) * d)
            logits = [logit(w, kind, h, q[i, s], k[j, s], at[i], at[j], most)
                      for j in range(len(k))]
            parts.append(torch.stack(logits).softmax(0) @ v[:, s])
        out.append(torch.cat(parts))
    return torch.stack(out)


def blocks(w, prefix, x, layers, heads, kind="learned", at=None, most=0):
    """CLIP4Clip's, over tokens at the positions `at`."""
    for n in range(layers):
        p = f"{prefix}.resblocks.{n}."
        q, k, v = (cross_norm(w, p + "ln_1", x) @ w[p + "attn.in_proj_weight"].T
                   + w[p + "attn.in_proj_bias"]).chunk(3, -1)
        mixed = attention(w, kind, q, k, v, at or range(len(x)), heads, most)
        x = x + linear(w, p + "attn.out_proj", mixed)
        h = quick_gelu(linear(w, p + "mlp.c_fc", cross_norm(w, p + "ln_2", x)))
        x = x + linear(w, p + "mlp.c_proj", h)
    return x


def block_shapes(prefix, layers, width):
    shapes = {}
    for n in range(layers):
        p = f"{prefix}.resblocks.{n}."
        shapes |= {p + "attn.in_proj_weight": (3 * width, width),
                   p + "attn.in_proj_bias": (3 * width,)}
        shapes |= linear_shapes(p + "attn.out_proj", width, width)
        shapes |= norm_shapes(p + "ln_1", width) | norm_shapes(p + "ln_2", width)
        shapes |= linear_shapes(p + "mlp.c_fc", width, 4 * width)
        shapes |= linear_shapes(p + "mlp.c_proj", 4 * width, width)
    return shapes


def linear_shapes(name, n, m):
    return {name + ".weight": (m, n), name + ".bias": (m,)}


def norm_shapes(name, n):
    return {name + ".weight": (n,), name + ".bias": (n,)}


def temporal_shapes(kind, rows, width, heads):
    return {"learned": {"temporal.positions": (rows, width)}, "sinusoidal": {"temporal.scale": ()},
            "relative": {"temporal.distances": (heads, 2 * rows + 1)}}.get(kind, {})
