"""R1 to R10 in PyTorch: what `src/real.rs` has, of the same sizes; R4 is in `peer_torch.py`."""
import torch
import torch.nn.functional as F
from protocol import parse
from torch import nn


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        conv = lambda channels, size, stride: nn.Conv2d(channels, outputs, size, stride, size // 2, bias=False)
        self.conv1, self.norm1 = conv(inputs, 3, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = conv(outputs, 3, 1), nn.BatchNorm2d(outputs)
        around = stride != 1 or inputs != outputs
        self.around = nn.Sequential(conv(inputs, 1, stride), nn.BatchNorm2d(outputs)) if around else nn.Identity()

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.around(x))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        layers, inputs = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()], 64
        for stage, features in enumerate((64, 128, 256, 512)):
            for stride in (2 if stage else 1, 1):
                layers.append(ResidualBlock(inputs, features, stride))
                inputs = features
        self.layers, self.dense = nn.Sequential(*layers), nn.Linear(512, 10)

    def forward(self, x):
        return self.dense(self.layers(x).mean((2, 3)))


class Separable(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for _ in range(4):
            layers += [nn.Conv2d(64, 64, 3, 1, 1, groups=64), nn.ReLU(), nn.Conv2d(64, 64, 1), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x).mean((2, 3))


class GptBlock(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(features, 1e-6), nn.LayerNorm(features, 1e-6)
        self.inputs, self.output = nn.Linear(features, 3 * features), nn.Linear(features, features)
        self.dense1, self.dense2 = nn.Linear(features, 4 * features), nn.Linear(4 * features, features)

    def heads(self, x):
        batch, length, features = x.shape
        return self.inputs(self.norm1(x)).view(batch, length, 3, 8, features // 8).permute(2, 0, 3, 1, 4)

    def finish(self, x, attended):
        x = x + self.output(attended.transpose(1, 2).reshape(x.shape))
        return x + self.dense2(F.gelu(self.dense1(self.norm2(x)), approximate="tanh"))

    def forward(self, x):
        return self.finish(x, F.scaled_dot_product_attention(*self.heads(x), is_causal=True))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(4096, 256)
        self.blocks, self.norm = nn.ModuleList(GptBlock(256) for _ in range(4)), nn.LayerNorm(256, 1e-6)

    def forward(self, ids):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.embed.weight.T


class Decoder(Gpt):
    """A token with caches that are written in place."""

    def __init__(self, batch, length):
        super().__init__()
        cache = lambda: [torch.zeros(batch, 8, length, 32) for _ in self.blocks]
        self.keys, self.values, self.length = cache(), cache(), length

    def forward(self, token, at):
        x = self.embed(token)
        mask = (torch.arange(self.length) <= at).view(1, 1, 1, -1)
        for block, keys, values in zip(self.blocks, self.keys, self.values):
            query, key, value = block.heads(x)
            keys.index_copy_(2, at.view(1), key)
            values.index_copy_(2, at.view(1), value)
            x = block.finish(x, F.scaled_dot_product_attention(query, keys, values, attn_mask=mask))
        return self.norm(x) @ self.embed.weight.T


class BagOfWords(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.dense = nn.Embedding(32000, 256), nn.Linear(256, 32000)

    def forward(self, ids):
        return self.dense(self.embed(ids).mean(1))


def wide():
    return nn.Sequential(*[layer for _ in range(3) for layer in (nn.Linear(1024, 1024), nn.ReLU())])


def indices(below, shape, first=0):
    count = torch.Size(shape).numel()
    return ((torch.arange(first, first + count) * 7919 + 13) % below).view(shape)


def decode(batch, compiled):
    model, token = Decoder(batch, 256).eval(), indices(4096, (batch, 1))
    f, count = compiled(model), [0]

    def run():
        with torch.inference_mode():
            f(token, torch.tensor(count[0] % 200))
        count[0] += 1

    return run


def clipped(batch, compiled):
    from torch.func import functional_call, grad, vmap

    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    params = {name: value.detach() for name, value in model.named_parameters()}
    x, labels = torch.randn(batch, 784), indices(10, (batch,))
    loss = lambda params, x, label: F.cross_entropy(functional_call(model, params, (x[None],)), label[None])

    def gradients(params, x, labels):
        grads = vmap(grad(loss), (None, 0, 0))(params, x, labels)
        squares = sum((leaf.reshape(batch, -1) ** 2).sum(1) for leaf in grads.values())
        scale = (1 / squares.sqrt()).clamp(max=1)
        return {name: (leaf * scale.view((-1,) + (1,) * (leaf.dim() - 1))).mean(0) for name, leaf in grads.items()}

    f = compiled(gradients)
    return lambda: f(params, x, labels)


def real(case, compiled):
    """A step of a case, or None if it is another one; `compiled` compiles a function, or is None."""
    if not case.startswith("r"):
        return None
    name, mode, batch = parse(case)
    is_compiled, compiled = compiled is not None, compiled or (lambda f: f)
    if name == "r3":
        return decode(batch, compiled)
    if name == "r6":
        return clipped(batch, compiled)
    cases = {
        "r1": lambda: (ResNet18(), torch.randn(batch, 3, 32, 32), indices(10, (batch,))),
        "r2": lambda: (Gpt(), indices(4096, (batch, 128)), indices(4096, (batch, 128), 1)),
        "r8f": lambda: (wide(), torch.randn(batch, 1024), None),
        "r8b": lambda: (wide(), torch.randn(batch, 1024), None),
        "r9": lambda: (Separable(), torch.randn(batch, 64, 32, 32), None),
        "r10": lambda: (BagOfWords(), indices(32000, (batch, 16)), indices(32000, (batch,))),
    }
    if name not in cases:
        return None
    model, x, labels = cases[name]()
    if is_compiled and x.dim() == 4:
        model, x = (a.to(memory_format=torch.channels_last) for a in (model, x))
    halves = name == "r8b"
    if mode == "fwd":
        model = model.eval()
        if halves:
            model, x = model.bfloat16(), x.bfloat16()
        f = compiled(model)

        def run():
            with torch.inference_mode():
                f(x)

        return run

    def loss():
        with torch.autocast("cpu", torch.bfloat16, enabled=halves):
            out = model(x)
        if labels is None:
            return (out.float() ** 2).mean()
        return F.cross_entropy(out.flatten(0, -2), labels.flatten())

    f, optimizer = compiled(loss), torch.optim.Adam(model.parameters(), 1e-8, fused=is_compiled)

    def train():
        optimizer.zero_grad(set_to_none=True)
        f().backward()
        optimizer.step()

    return train
