"""CLIP of plain torch under the names of transformers' CLIPModel, where that is not installed, and
safetensors files without their package. For bench_step.py."""
import ctypes
import json
import struct

import torch
from torch import nn

DTYPES = {"F32": torch.float32, "I64": torch.int64, "U8": torch.uint8, "BOOL": torch.bool}


def save_file(tensors, path):
    names, header, at = {dtype: name for name, dtype in DTYPES.items()}, {}, 0
    tensors = sorted(((name, x.contiguous()) for name, x in tensors.items()),
                     key=lambda item: -item[1].element_size())  # so that each lies aligned
    for name, x in tensors:
        header[name] = {"dtype": names[x.dtype], "shape": list(x.shape), "data_offsets": [at, at + x.nbytes]}
        at += x.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text) + -len(text) % 8) + text + b" " * (-len(text) % 8))
        for _, x in tensors:
            file.write(ctypes.string_at(x.data_ptr(), x.nbytes))


def load_file(path):
    data = bytearray(path.read_bytes())
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    return {name: torch.frombuffer(data, dtype=DTYPES[x["dtype"]], count=torch.Size(x["shape"]).numel(),
                                   offset=begin + x["data_offsets"][0]).view(x["shape"])
            for name, x in json.loads(data[8:begin]).items() if name != "__metadata__"}


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attn = nn.ModuleDict({f"{x}_proj": nn.Linear(width, width) for x in ("q", "k", "v", "out")})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, x, causal):
        y = self.layer_norm1(x)
        q, k, v = (self.self_attn[f"{n}_proj"](y).unflatten(2, (self.heads, -1)).transpose(1, 2)
                   for n in "qkv")
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        x = x + self.self_attn["out_proj"](y.transpose(1, 2).flatten(2))
        y = self.mlp["fc1"](self.layer_norm2(x))
        return x + self.mlp["fc2"](y * torch.sigmoid(1.702 * y))


class Tower(nn.Module):
    def __init__(self, width, layers, heads, places, norms):
        super().__init__()
        self.embeddings, self.encoder = nn.Module(), nn.Module()
        self.embeddings.position_embedding = nn.Embedding(places, width)
        self.encoder.layers = nn.ModuleList(Block(width, heads) for _ in range(layers))
        for name in norms:
            self.add_module(name, nn.LayerNorm(width))

    def forward(self, x, causal=False):
        for layer in self.encoder.layers:
            x = layer(x, causal)
        return x


class CLIPModel(nn.Module):
    def __init__(self, sizes):
        """sizes: (width, layers, heads, resolution, patch), (width, layers, heads, context, vocab), dim"""
        super().__init__()
        self.sizes = (width, layers, heads, size, patch), text, dim = sizes
        places = (size // patch) ** 2 + 1
        self.vision_model = Tower(width, layers, heads, places, ("pre_layrnorm", "post_layernorm"))  # sic
        self.vision_model.embeddings.class_embedding = nn.Parameter(torch.randn(width) * width**-0.5)
        self.vision_model.embeddings.patch_embedding = nn.Conv2d(3, width, patch, patch, bias=False)
        self.text_model = Tower(*text[:4], ("final_layer_norm",))
        self.text_model.embeddings.token_embedding = nn.Embedding(text[4], text[0])
        self.visual_projection = nn.Linear(width, dim, bias=False)
        self.text_projection = nn.Linear(text[0], dim, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(2.6592))
        for name, x in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(x)
            elif x.dim() > 1:  # in blocks less, so that what they add up to keeps its size
                std = x.shape[1] ** -0.5 * (0.2 if ".layers." in name else 1)
                nn.init.normal_(x, std=0.02 if "embedding" in name else std)

    def get_image_features(self, pixel_values):
        tower, of = self.vision_model, self.vision_model.embeddings
        x = of.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
        x = torch.cat([of.class_embedding.expand(len(x), 1, -1), x], 1) + of.position_embedding.weight
        return self.visual_projection(tower.post_layernorm(tower(tower.pre_layrnorm(x))[:, 0]))

    def get_text_features(self, input_ids, attention_mask):
        """The end token, whose id is the largest, does not see the padding behind it."""
        tower, of = self.text_model, self.text_model.embeddings
        x = of.token_embedding(input_ids) + of.position_embedding.weight[:input_ids.shape[1]]
        ends = tower(x, causal=True)[torch.arange(len(x), device=x.device), input_ids.argmax(1)]
        return self.text_projection(tower.final_layer_norm(ends))

    def save_pretrained(self, folder):
        folder.mkdir()
        save_file({name: x.detach() for name, x in self.named_parameters()}, folder / "model.safetensors")
        heads = {f"{x}_config": {"num_attention_heads": y[2]} for x, y in zip(("vision", "text"), self.sizes)}
        (folder / "config.json").write_text(json.dumps({"model_type": "clip", "sizes": self.sizes, **heads}))

    @classmethod
    def from_pretrained(cls, folder):
        model = cls(json.loads((folder / "config.json").read_text())["sizes"])
        model.load_state_dict(load_file(folder / "model.safetensors"))
        return model
