"""What layers of PyTorch compute, for `io::torch`: layers.safetensors has a state dict, and an input and output of each layer.

    pip install torch numpy safetensors && python layers.py
"""

import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(0)
net = nn.ModuleDict(
    {
        "linear": nn.Linear(3, 5),
        "plain": nn.Linear(3, 2, bias=False),
        "conv1": nn.Conv1d(2, 3, 3, padding=1),
        "conv2": nn.Conv2d(4, 6, (3, 2), stride=2, groups=2),
        "conv3": nn.Conv3d(1, 2, 2, dilation=2),
        "up1": nn.ConvTranspose1d(3, 2, 4, stride=2, padding=1),
        "up2": nn.ConvTranspose2d(2, 3, (3, 2), stride=(2, 1)),
        "batch_norm": nn.BatchNorm1d(4),
        "statistics": nn.BatchNorm2d(3, affine=False),
        "layer_norm": nn.LayerNorm(6),
        "group_norm": nn.GroupNorm(2, 4),
        "embedding": nn.Embedding(7, 3),
        "attention": nn.MultiheadAttention(8, 2, batch_first=True),
    }
)
inputs = {
    "linear": torch.randn(2, 3),
    "plain": torch.randn(2, 3),
    "conv1": torch.randn(2, 2, 5),
    "conv2": torch.randn(1, 4, 7, 6),
    "conv3": torch.randn(1, 1, 4, 5, 4),
    "up1": torch.randn(2, 3, 4),
    "up2": torch.randn(1, 2, 3, 3),
    "batch_norm": torch.randn(5, 4),
    "statistics": torch.randn(2, 3, 4, 4),
    "layer_norm": torch.randn(2, 6),
    "group_norm": torch.randn(2, 4, 3, 3),
    "embedding": torch.tensor([[0, 6], [3, 3]]),
    "attention": torch.randn(2, 5, 8),
}


def call(name):
    x = inputs[name]
    return net[name](x, x, x)[0] if name == "attention" else net[name](x)


with torch.no_grad():
    for parameter in net.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    for name in ("batch_norm", "statistics"):
        call(name)
    net.eval()
    arrays = {f"state.{name}": value for name, value in net.state_dict().items()}
    for name, x in inputs.items():
        arrays[f"x.{name}"] = (x.int() if x.dtype == torch.int64 else x).contiguous()
        arrays[f"y.{name}"] = call(name).contiguous()
save_file(arrays, "layers.safetensors")
