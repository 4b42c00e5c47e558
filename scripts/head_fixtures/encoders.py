#!/usr/bin/env python3
"""What the encoder variants compute, for tests/models/encoder_variants_parity_test.cc.

tests/fixtures/encoders/
  clip.safetensors        a tiny CLIP in OpenAI's names, random weights
  <variant>.safetensors   the weights that the variant adds, its features of two videos (the second
                          has one frame less than there is room for) and of two texts, and the
                          gradients of their weighted sum
Every video is computed by itself on the frames it has, token by token where that is clearer than
fast, in double; stored as float32. Needs torch and safetensors.
"""
import math
import pathlib

import torch
from formulas import linear, norm, quick_gelu
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/fixtures/encoders"
W, HEADS, LAYERS, PATCH, SIDE, D = 8, 2, 3, 4, 4, 6
TEXT_W, VOCAB, CONTEXT, WORDS = 12, 20, 8, 6
FRAMES, LENGTHS = 4, (4, 3)
IDS = torch.tensor([[1, 5, 7, 3, 19, 0], [1, 9, 19, 0, 0, 0]])
ENDS = (4, 2)


def chirp(*shape):
    k = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(0.7 * k + 0.0013 * k * k).reshape(shape)


def attention(query, keys, wq, wk, wv, wo, causal=False):
    """query [n, W], keys [m, W]; each w a function; heads one after the other."""
    q, k, v = wq(query), wk(keys), wv(keys)
    size = q.shape[1] // HEADS
    parts = []
    for h in range(HEADS):
        s = slice(h * size, (h + 1) * size)
        logits = q[:, s] @ k[:, s].T / size**0.5
        if causal:
            logits = logits + torch.full_like(logits, -math.inf).triu(1)
        parts.append(logits.softmax(-1) @ v[:, s])
    return wo(torch.cat(parts, 1))


def openai_attention(query, keys, p, name, causal=False):
    ws, bs = p[name + ".in_proj_weight"].chunk(3), p[name + ".in_proj_bias"].chunk(3)
    q, k, v = (lambda x, i=i: x @ ws[i].T + bs[i] for i in range(3))
    return attention(query, keys, q, k, v, lambda x: linear(p, name + ".out_proj", x), causal)


def hf_attention(x, p, name):
    parts = [lambda y, part=part: linear(p, f"{name}.{part}_proj", y) for part in "qkv"]
    return attention(x, x, *parts, lambda y: linear(p, name + ".out_proj", y))


def mlp(x, p, first, second):
    return linear(p, second, quick_gelu(linear(p, first, x)))


def after(x, attended, p, block):
    x = x + attended
    return x + mlp(norm(p, block + ".ln_2", x), p, block + ".mlp.c_fc", block + ".mlp.c_proj")


def block(x, p, name, causal=False):
    y = norm(p, name + ".ln_1", x)
    return after(x, openai_attention(y, y, p, name + ".attn", causal), p, name)


def image_block(i):
    return f"visual.transformer.resblocks.{i}"


def embed(video, p):
    """[T, 3, R, R] -> a list of [1 + P, W]."""
    out = []
    for frame in video:
        rows = [p["visual.class_embedding"]]
        for y in range(SIDE):
            for x in range(SIDE):
                window = frame[:, y * PATCH:(y + 1) * PATCH, x * PATCH:(x + 1) * PATCH]
                rows.append((p["visual.conv1.weight"] * window).sum((1, 2, 3)))
        out.append(norm(p, "visual.ln_pre", torch.stack(rows) + p["visual.positional_embedding"]))
    return out


def project(x, p):
    return norm(p, "visual.ln_post", x) @ p["visual.proj"]


def features(tokens, p):
    all_tokens = project(torch.stack(tokens), p)  # [T, 1 + P, D]
    return all_tokens[:, 0], all_tokens[:, 1:]


def clip_3d(video, p):
    x = torch.nn.functional.conv3d(video.transpose(0, 1)[None], p["visual.conv2.weight"],
                                   stride=(1, PATCH, PATCH), padding=(1, 0, 0))[0]
    x = x.permute(1, 2, 3, 0).flatten(1, 2)  # [T, P, W]
    tokens = []
    for frame in x:
        rows = torch.cat([p["visual.class_embedding"][None], frame])
        y = norm(p, "visual.ln_pre", rows + p["visual.positional_embedding"])
        for i in range(LAYERS):
            y = block(y, p, image_block(i))
        tokens.append(y)
    return features(tokens, p)


def ts2_shift(video, p, shifted=2):
    x = embed(video, p)
    fold, last = x[0].shape[0] // 7, len(x) - 1
    for i in range(LAYERS):
        y = [norm(p, image_block(i) + ".ln_1", frame) for frame in x]
        if i >= LAYERS - shifted:
            z = [frame.clone() for frame in y]
            for t in range(len(x)):
                for row in range(1, z[t].shape[0], fold):
                    z[t][row] = y[max(t - 1, 0)][row]
                for row in range(4, z[t].shape[0], fold):
                    if t < last:
                        z[t][row] = y[t + 1][row]
            y = z
        x = [after(frame, openai_attention(n, n, p, image_block(i) + ".attn"), p, image_block(i))
             for frame, n in zip(x, y)]
    return features(x, p)


def stan(video, p, depth=2):
    x, cls, patches = embed(video, p), None, None  # [W], [T][P, W]
    positions = p["visual.positional_embedding"]
    for i in range(LAYERS):
        x = [block(frame, p, image_block(i)) for frame in x]
        j = i - (LAYERS - depth)
        if j < 0:
            continue
        mean = sum(frame[0] for frame in x) / len(x)
        if j == 0:
            cls = (mean + p["visual.class_embedding"] + positions[0]) / 2
            patches = [frame[1:] + positions[1:] + p["STAN_time_embed.weight"][t]
                       for t, frame in enumerate(x)]
        else:
            cls = cls + mean
            patches = [a + frame[1:] for a, frame in zip(patches, x)]
        name = f"STAN_T_layers.{j}"
        moved = [[] for _ in x]
        for place in range(SIDE * SIDE):
            line = torch.stack([frame[place] for frame in patches])  # [T, W]
            r = hf_attention(norm(p, name + ".layer_norm1", line), p, name + ".self_attn")
            line = line + linear(p, name + ".temporal_fc", r)
            for t in range(len(x)):
                moved[t].append(line[t])
        patches = [torch.stack(frame) for frame in moved]
        name = f"STAN_S_layers.{j}"
        r = [hf_attention(norm(p, name + ".layer_norm1", torch.cat([cls[None], frame])), p,
                          name + ".self_attn") for frame in patches]
        cls = cls + sum(y[0] for y in r) / len(r)
        patches = [frame + y[1:] for frame, y in zip(patches, r)]
        names = name + ".mlp.fc1", name + ".mlp.fc2"
        cls = cls + mlp(norm(p, name + ".layer_norm2", cls), p, *names)
        patches = [frame + mlp(norm(p, name + ".layer_norm2", frame), p, *names)
                   for frame in patches]
    return features([frame + torch.cat([cls[None], own]) for frame, own in zip(x, patches)], p)


def dgl_prompts(p, generator, n=2):
    """(text [layers][n, TEXT_W], video [layers][FRAMES][n, W])"""
    text, video = [], []
    for layer in range(LAYERS):
        columns = slice(layer * W, (layer + 1) * W)
        if generator == "transformer":
            rows = block(p["unified_prompt_embedding.weight"][:, columns], p,
                         "PromptTransformer.resblocks.0")
            text.append(mlp(rows[:n], p, "unified_prompt_mlp.c_fc", "unified_prompt_mlp.c_proj"))
            video.append([rows[2 * n + t * n:2 * n + (t + 1) * n] for t in range(FRAMES)])
        else:
            rows = p["visual_prompt_embedding"][0][:, columns]
            text.append(linear(p, "prefix_text_prompt_proj_layer", rows))
            video.append([rows] * FRAMES)
    return text, video


def dgl_video(video, p, generator, n=2):
    prompts = dgl_prompts(p, generator)[1]
    shared, x = p["visual.prompt_embeddings"][0], embed(video, p)
    for i in range(LAYERS):
        name = image_block(i)
        x = [torch.cat([frame[:1], prompts[i][t], frame[1:] if i == 0 else frame[1 + n:]])
             for t, frame in enumerate(x)]
        g = norm(p, name + ".ln_1", shared)
        y = [norm(p, name + ".ln_1", frame) for frame in x]
        x = [after(frame, openai_attention(own, torch.cat([g, own]), p, name + ".attn"), p, name)
             for frame, own in zip(x, y)]
        shared = after(shared, openai_attention(g, torch.cat([g, *y]), p, name + ".attn"), p, name)
    return project(shared[:1], p)


def dgl_text(ids, p, generator, n=2):
    """All words' features, with prompts behind the text too: [L, D]."""
    prompts = dgl_prompts(p, generator)[0]
    x = p["token_embedding.weight"][ids] + p["positional_embedding"][:len(ids)]
    behind = torch.zeros(n, TEXT_W, dtype=x.dtype)  # nothing before them sees them
    for i in range(LAYERS):
        words = x[1:] if i == 0 else x[1 + n:-n]
        x = torch.cat([x[:1], prompts[i], words, behind])
        x = block(x, p, f"transformer.resblocks.{i}", causal=True)
    x = torch.cat([x[:1], x[1 + n:-n]])
    return norm(p, "ln_final", x) @ p["text_projection"]


def medoids(points, count):
    """k-medoids by sets, from KKZ's start."""
    distance = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    chosen = [int(points.norm(dim=1).argmax())]
    while len(chosen) < count:
        chosen.append(max((i for i in range(len(points)) if i not in chosen),
                          key=lambda i: float(min(distance[i, c] for c in chosen))))
    for _ in range(100):
        clusters = [[] for _ in chosen]
        for i in range(len(points)):
            own = chosen.index(i) if i in chosen else None
            nearest = min(range(count), key=lambda c: float(distance[i, chosen[c]]))
            clusters[nearest if own is None else own].append(i)
        # A point is one nearer to itself than zero: the authors' diagonal.
        moved = [min(c, key=lambda i: float(sum(distance[i, j] for j in c))) for c in clusters]
        if moved == chosen:
            break
        chosen = moved
    return sorted(chosen)


def centerclip(video, p, before=1, segments=2, count=6):
    x = embed(video, p)
    for i in range(LAYERS):
        if i == before:
            each = len(x) // segments
            parts = [x[s * each:(s + 1) * each] for s in range(segments)]
            x = []
            for part in parts:
                tokens = torch.cat([frame[1:] for frame in part])
                cls = sum(frame[0] for frame in part) / each
                x.append(torch.cat([cls[None], tokens[medoids(tokens.detach(), count)]]))
        x = [block(frame, p, image_block(i)) for frame in x]
    return features(x, p)


def spectral_medoids(points, count, sigma, neighbours):
    square = torch.cdist(points, points).square()
    w = torch.exp(-square / (2 * sigma**2))
    near = torch.zeros_like(w)
    for i, row in enumerate(w):
        near[i, row.topk(neighbours).indices] = 1
    w = w * torch.maximum(near, near.T)
    half = torch.diag(w.sum(1).pow(-0.5))
    u, _, _ = torch.linalg.svd(half @ (torch.diag(w.sum(1)) - w) @ half)
    q = u[:, -count:]
    return medoids(q / (q.norm(dim=1, keepdim=True) + 1e-6), count)


def make_linear(p, name, fan_in, fan_out):
    p[name + ".weight"] = torch.randn(fan_out, fan_in) * fan_in**-0.5
    p[name + ".bias"] = torch.randn(fan_out) * 0.1


def make_norm(p, name, width):
    p[name + ".weight"] = 1 + 0.1 * torch.randn(width)
    p[name + ".bias"] = 0.1 * torch.randn(width)


def make_block(p, name, width):
    p[name + ".attn.in_proj_weight"] = torch.randn(3 * width, width) * 1.5 * width**-0.5
    p[name + ".attn.in_proj_bias"] = torch.randn(3 * width) * 0.1
    make_linear(p, name + ".attn.out_proj", width, width)
    make_linear(p, name + ".mlp.c_fc", width, 4 * width)
    make_linear(p, name + ".mlp.c_proj", 4 * width, width)
    make_norm(p, name + ".ln_1", width)
    make_norm(p, name + ".ln_2", width)


def make_clip():
    p = {"visual.class_embedding": torch.randn(W), "visual.proj": torch.randn(W, D) * W**-0.5,
         "visual.positional_embedding": torch.randn(1 + SIDE * SIDE, W) * 0.5,
         "visual.conv1.weight": torch.randn(W, 3, PATCH, PATCH) * 0.2,
         "token_embedding.weight": torch.randn(VOCAB, TEXT_W),
         "positional_embedding": torch.randn(CONTEXT, TEXT_W) * 0.5,
         "text_projection": torch.randn(TEXT_W, D) * TEXT_W**-0.5,
         "logit_scale": torch.tensor(2.5)}
    for name, width in (("visual.ln_pre", W), ("visual.ln_post", W), ("ln_final", TEXT_W)):
        make_norm(p, name, width)
    for i in range(LAYERS):
        make_block(p, image_block(i), W)
        make_block(p, f"transformer.resblocks.{i}", TEXT_W)
    return p


def make_stan(p):
    p["STAN_time_embed.weight"] = torch.randn(64, W)
    for i in range(2):
        for kind in "ST":
            name = f"STAN_{kind}_layers.{i}"
            for part in ("q", "k", "v", "out"):
                make_linear(p, f"{name}.self_attn.{part}_proj", W, W)
            make_norm(p, name + ".layer_norm1", W)
        make_linear(p, f"STAN_T_layers.{i}.temporal_fc", W, W)
        make_linear(p, f"STAN_S_layers.{i}.mlp.fc1", W, 4 * W)
        make_linear(p, f"STAN_S_layers.{i}.mlp.fc2", 4 * W, W)
        make_norm(p, f"STAN_S_layers.{i}.layer_norm2", W)


def make_dgl(p, generator, n=2):
    p["visual.prompt_embeddings"] = torch.randn(1, 3, W)
    if generator == "transformer":
        p["unified_prompt_embedding.weight"] = torch.randn(2 * n + n * FRAMES, LAYERS * W)
        make_block(p, "PromptTransformer.resblocks.0", W)
        make_linear(p, "unified_prompt_mlp.c_fc", W, 2 * W)
        make_linear(p, "unified_prompt_mlp.c_proj", 2 * W, TEXT_W)
    else:
        p["visual_prompt_embedding"] = torch.randn(1, n, LAYERS * W)
        make_linear(p, "prefix_text_prompt_proj_layer", W, TEXT_W)
        make_linear(p, "postfix_text_prompt_proj_layer", W, TEXT_W)


def padded(rows, size):
    rest = torch.zeros(size - rows.shape[0], *rows.shape[1:], dtype=rows.dtype)
    return torch.cat([rows, rest])


def video_part(compute, pixels, p, used):
    """Frames and patches of every video; zero where `used` (frames by video) ends."""
    out = {}
    parts = [compute(pixels[b], p) for b in range(len(used))]
    for i, name in enumerate(("frames", "patches")):
        out[name] = torch.stack([padded(part[i][:n], max(used)) for part, n in zip(parts, used)])
    return out


def store(name, clip, added, compute, frozen=False):
    p = {k: v.float().double() for k, v in (clip | added).items()}
    trained = {k: v.requires_grad_() for k, v in p.items() if k in added or not frozen}
    pixels = chirp(len(LENGTHS), FRAMES, 3, PATCH * SIDE, PATCH * SIDE).float().double()
    pixels.requires_grad_()
    out = compute(pixels, p)
    sum((value * chirp(*value.shape)).sum() for value in out.values()).backward()
    file = {f"out.{k}": v for k, v in out.items()} | {f"added.{k}": p[k] for k in added}
    file |= {f"grad.{k}": v.grad for k, v in trained.items() if v.grad is not None}
    file["pixels"] = (pixels.grad * chirp(*pixels.shape)).sum((2, 3, 4))  # [B, T]
    save_file({k: v.detach().float().contiguous() for k, v in file.items()},
              OUT / f"{name}.safetensors")
    print(name, {k: tuple(v.shape) for k, v in out.items()})


def whole(compute):
    """On the frames that a video has."""
    def run(pixels, p):
        own = [pixels[b, :n] for b, n in enumerate(LENGTHS)]
        return video_part(compute, own, p, LENGTHS)
    return run


def dgl(generator):
    def run(pixels, p):
        frames = [dgl_video(pixels[b, :n], p, generator) for b, n in enumerate(LENGTHS)]
        words = torch.stack([dgl_text(ids, p, generator) for ids in IDS])
        pooled = torch.stack([words[b, end] for b, end in enumerate(ENDS)])
        return {"frames": torch.stack(frames), "pooled": pooled, "tokens": words}
    return run


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    clip = make_clip()
    save_file({k: v.contiguous() for k, v in clip.items()}, OUT / "clip.safetensors",
              {"vision_heads": str(HEADS), "text_heads": str(HEADS), "activation": "quick_gelu"})
    store("clip_3d", clip, {"visual.conv2.weight": torch.randn(W, 3, 3, PATCH, PATCH) * 0.2},
          whole(clip_3d))
    store("ts2_shift", clip, {}, whole(ts2_shift))
    added = {}
    make_stan(added)
    store("stan", clip, added, whole(stan))
    for generator in ("transformer", "linear"):
        added = {}
        make_dgl(added, generator)
        store(f"dgl_{generator}", clip, added, dgl(generator), frozen=True)
    # The second video's last frame is not there, and with it the segment that it ends.
    store("centerclip", clip, {}, lambda pixels, p: video_part(centerclip, pixels, p, (2, 1)))
    points = torch.randn(3, 24, 5) + torch.randn(3, 4, 5).repeat(1, 6, 1)
    ids = torch.tensor([spectral_medoids(x.double(), 4, 2.0, 8) for x in points])
    save_file({"points": points, "ids": ids}, OUT / "spectral.safetensors")
    print("spectral", ids.tolist())


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
