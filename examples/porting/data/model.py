"""The PyTorch model that `src/main.rs` is the twin of, and how the files beside this one were made.

    pip install torch numpy safetensors && python model.py

weights.safetensors: the state dict. example.safetensors: an input, what the model makes of it in evaluation and in training, and the
running statistics of its batch norm after that one pass in training.
"""

import torch
from safetensors.torch import save_file
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.fc = nn.Linear(12 * 2 * 2, 16)
        self.norm2 = nn.LayerNorm(16)
        self.label = nn.Embedding(10, 16)
        self.head = nn.Linear(16, 10)
        self.up = nn.ConvTranspose2d(12, 1, 4, stride=2, padding=1)

    def forward(self, x, hint):
        x = torch.relu(self.norm1(self.conv1(x)))
        x = nn.functional.avg_pool2d(x, 3, stride=2, padding=1)
        x = torch.relu(self.conv2(x))
        picture = self.up(x)
        x = torch.flatten(x, 1)
        x = torch.relu(self.norm2(self.fc(x)) + self.label(hint))
        return self.head(x), picture


def main():
    torch.manual_seed(0)
    net = Net()
    # A little training, so that no weight and no statistic is as it began.
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(20):
        x, hint = torch.rand(16, 1, 8, 8), torch.randint(10, (16,))
        logits, picture = net(x, hint)
        target = nn.functional.avg_pool2d(x, 2)
        loss = nn.functional.cross_entropy(logits, (x.sum((1, 2, 3)) % 10).long()) + ((picture - target) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    save_file(net.state_dict(), "weights.safetensors")

    x, hint = torch.rand(4, 1, 8, 8), torch.tensor([3, 1, 4, 1])
    with torch.no_grad():
        net.eval()
        logits, picture = net(x, hint)
        net.train()
        train_logits, _ = net(x, hint)
    save_file(
        {
            "x": x,
            "hint": hint.int(),
            "logits": logits,
            "picture": picture,
            "train_logits": train_logits,
            "running_mean": net.norm1.running_mean,
            "running_var": net.norm1.running_var,
        },
        "example.safetensors",
    )


main()
