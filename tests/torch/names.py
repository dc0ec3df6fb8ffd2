"""Models with the names of other libraries, for `io::torch`: names.safetensors has state dicts, inputs and outputs.

    pip install torch numpy safetensors && python names.py
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

HEADS = 2


def heads(x):
    """[batch, length, features] as [batch, heads, length, depth]."""
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def attend(q, k, v):
    return F.scaled_dot_product_attention(heads(q), heads(k), heads(v)).transpose(1, 2).flatten(2)


class Bert(nn.Module):
    """The names of `transformers.BertModel`, without what is between the layers."""

    def __init__(self):
        super().__init__()
        self.embeddings = nn.ModuleDict(
            {"word_embeddings": nn.Embedding(11, 8), "position_embeddings": nn.Embedding(6, 8), "LayerNorm": nn.LayerNorm(8, eps=1e-12)}
        )
        self.embeddings.register_buffer("position_ids", torch.arange(6)[None])
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(self.layer() for _ in range(2))

    @staticmethod
    def layer():
        own = nn.ModuleDict({name: nn.Linear(8, 8) for name in ("query", "key", "value")})
        output = nn.ModuleDict({"dense": nn.Linear(8, 8), "LayerNorm": nn.LayerNorm(8, eps=1e-12)})
        attention = nn.Module()
        attention.add_module("self", own)
        attention.add_module("output", output)
        return nn.ModuleDict({"attention": attention})

    def forward(self, ids):
        of = self.embeddings
        x = of["LayerNorm"](of["word_embeddings"](ids) + of["position_embeddings"](of.position_ids[:, : ids.shape[1]]))
        for layer in self.encoder.layer:
            attention = layer["attention"]
            own, output = getattr(attention, "self"), attention.output
            y = attend(own["query"](x), own["key"](x), own["value"](x))
            x = output["LayerNorm"](x + output["dense"](y))
        return x


class Vit(nn.Module):
    """The names of an attention of `timm`."""

    def __init__(self):
        super().__init__()
        self.attn = nn.ModuleDict({"qkv": nn.Linear(8, 24), "proj": nn.Linear(8, 8)})

    def forward(self, x):
        return self.attn["proj"](attend(*self.attn["qkv"](x).chunk(3, -1)))


class Gpt(nn.Module):
    """A `Conv1D` of GPT-2, whose weight is [in, out], and an output layer that is the embedding."""

    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(7, 4)
        self.c_fc = nn.Module()
        self.c_fc.weight = nn.Parameter(torch.randn(4, 4))
        self.c_fc.bias = nn.Parameter(torch.randn(4))
        self.lm_head = nn.Linear(4, 7, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, ids):
        return self.lm_head(self.wte(ids) @ self.c_fc.weight + self.c_fc.bias)


class Pitch(nn.Module):
    """Convolutions over one dimension that are written as `Conv2d`, and a slope for each channel."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, (4, 1))
        self.act = nn.PReLU(3)
        self.point = nn.Conv1d(3, 5, 1)
        self.gain = nn.Parameter(torch.randn(5))

    def forward(self, x):
        return self.point(self.act(self.conv(x[..., None]))[..., 0]) * self.gain[:, None]


class Cross(nn.Module):
    """Attention to other features than its own."""

    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(8, HEADS, kdim=5, vdim=6, batch_first=True)

    def forward(self, x):
        return self.attn(x, x[..., :5], x[..., :6], need_weights=False)[0]


torch.manual_seed(0)
models = {"bert": Bert(), "vit": Vit(), "gpt": Gpt(), "pitch": Pitch(), "cross": Cross()}
inputs = {
    "bert": torch.tensor([[1, 10, 3, 3, 0], [0, 5, 2, 9, 9]]),
    "vit": torch.randn(2, 5, 8),
    "gpt": torch.tensor([[6, 0, 3]]),
    "pitch": torch.randn(2, 2, 9),
    "cross": torch.randn(2, 4, 8),
}
arrays = {}
with torch.no_grad():
    for name, model in models.items():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        x = inputs[name]
        arrays[f"x.{name}"] = x.int() if x.dtype == torch.int64 else x
        arrays[f"y.{name}"] = model(x).contiguous()
        for key, value in model.state_dict().items():
            # Copies, as safetensors has no tensors that share their values.
            arrays[f"state.{name}/{key}"] = value.clone()

if __name__ == "__main__":
    save_file(arrays, pathlib.Path(__file__).with_name("names.safetensors"))
    print(torch.__version__, len(arrays))
