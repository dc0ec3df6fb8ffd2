"""The workloads in PyTorch; the argument is `eager` or `compile`."""
import os
import sys

import torch
import torch.nn.functional as F
from protocol import MANY, parse, serve, tokens
from real_torch import real
from torch import nn

COMPILED = sys.argv[1] == "compile"
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)
        self.dense1, self.dense2 = nn.Linear(7 * 7 * 64, 256), nn.Linear(256, 10)

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            x = F.avg_pool2d(F.relu(conv(x)), 2)
        return F.log_softmax(self.dense2(F.relu(self.dense1(x.flatten(1)))), 1)


class Mlp(nn.Sequential):
    def __init__(self, inputs, hidden, classes):
        first = [nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()]
        super().__init__(*first, nn.Linear(hidden, classes), nn.LogSoftmax(1))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(256, eps=1e-6), nn.LayerNorm(256, eps=1e-6)
        self.inputs, self.output = nn.Linear(256, 3 * 256), nn.Linear(256, 256)
        self.dense1, self.dense2 = nn.Linear(256, 1024), nn.Linear(1024, 256)

    def forward(self, x):
        batch, length, _ = x.shape
        heads = self.inputs(self.norm1(x)).view(batch, length, 3, 8, 32).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(*heads).transpose(1, 2).reshape(x.shape)
        x = x + self.output(attended)
        return x + self.dense2(F.gelu(self.dense1(self.norm2(x)), approximate="tanh"))


class ConvNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 64, 3, padding=1), nn.LayerNorm(64, eps=1e-6)

    def forward(self, x):
        return F.leaky_relu(self.norm(self.conv(x).permute(0, 2, 3, 1)), 0.01)


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.dense = nn.LSTM(64, 128, batch_first=True), nn.Linear(128, 10)

    def forward(self, x):
        return F.log_softmax(self.dense(self.rnn(x)[0][:, -1]), -1)


class EncoderBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(384, 384) for _ in range(4))
        self.norm1, self.norm2 = (nn.LayerNorm(384, eps=1e-12) for _ in range(2))
        self.dense1, self.dense2 = nn.Linear(384, 1536), nn.Linear(1536, 384)

    def forward(self, x, mask):
        heads = [f(x).view(*x.shape[:2], 12, 32).transpose(1, 2) for f in (self.query, self.key, self.value)]
        attended = F.scaled_dot_product_attention(*heads, attn_mask=mask).transpose(1, 2).reshape(x.shape)
        x = self.norm1(x + self.output(attended))
        return self.norm2(x + self.dense2(F.gelu(self.dense1(x))))


class SentenceEncoder(nn.Module):
    """all-MiniLM-L6-v2."""

    def __init__(self):
        super().__init__()
        self.words, self.positions = nn.Embedding(30522, 384), nn.Embedding(512, 384)
        self.kind, self.norm = nn.Parameter(torch.randn(384)), nn.LayerNorm(384, eps=1e-12)
        self.blocks = nn.ModuleList(EncoderBlock() for _ in range(6))

    def forward(self, ids, mask):
        x = self.norm(self.words(ids) + self.positions.weight[: ids.shape[1]] + self.kind)
        for block in self.blocks:
            x = block(x, mask[:, None, None, :])
        real = mask[:, :, None].float()
        return F.normalize((x * real).sum(1) / real.sum(1))


def chain(x, y):
    g = x * 0.5 * (torch.tanh((x + x * x * x * 0.044715) * 0.79788456) + 1)
    h = g * y + x
    s = 1 / (torch.exp(-h) + 1)
    return torch.tanh(s * 2 - 1) * h + g


def network(workload, batch):
    """The module, the shape of its input and its classes; images have their channels first."""
    return {
        "w1": lambda: (Cnn(), (batch, 1, 28, 28), 10),
        "w2": lambda: (Mlp(784, 1024, 10), (batch, 784), 10),
        "w3": lambda: (Block(), (batch, 128, 256), 0),
        "w4": lambda: (Mlp(8, 16, 4), (batch, 8), 4),
        "w5": lambda: (ConvNorm(), (batch, 3, 32, 32), 0),
        "w7": lambda: (Lstm(), (batch, 64, 64), 10),
    }[workload]()


def make(case):
    torch.manual_seed(0)
    if step := real(case, torch.compile if COMPILED else None):
        return step, 1
    compiled = torch.compile if COMPILED else lambda f: f
    workload, mode, batch = parse(case)
    if workload == "w6":
        f, x, y = compiled(chain), torch.randn(4 << 20), torch.randn(4 << 20)
        return inference(lambda: f(x, y), 1)
    if workload == "r4":
        ids = ((torch.arange(batch * tokens(case)) * 7919 + 13) % 30522).view(batch, -1)
        f, mask = compiled(SentenceEncoder().eval()), torch.ones_like(ids, dtype=torch.bool)
        return inference(lambda: f(ids, mask), 1)
    model, shape, classes = network(workload, batch)
    x, y = torch.randn(shape), torch.arange(shape[0]) * 7 % max(classes, 1)
    if COMPILED and x.dim() == 4:
        model, x = (a.to(memory_format=torch.channels_last) for a in (model, x))
    steps = MANY if workload == "w4" else 1
    if mode == "fwd":
        f = compiled(model)
        return inference(lambda: f(x), steps)

    def loss():
        out = model(x)
        return F.nll_loss(out, y) if classes else (out * out).mean()

    f = compiled(loss)
    optimizer = torch.optim.Adam(model.parameters(), 1e-8, fused=COMPILED)

    def run():
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            f().backward()
            if mode == "train":
                optimizer.step()

    return run, steps


def inference(f, steps):
    def run():
        with torch.inference_mode():
            for _ in range(steps):
                f()

    return run, steps


serve(make)
