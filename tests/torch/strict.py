"""Loads what `StateDict::save` wrote, `files/exported.pt` and `files/exported.safetensors`, into the layers that it came from, strictly.

    pip install torch numpy safetensors && python strict.py

`io_torch_names` compares the same files with what is written, byte by byte.
"""

import pathlib

import torch
from safetensors.torch import load_file
from torch import nn

folder = pathlib.Path(__file__).parent
layers = nn.ModuleDict(
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
        "lstm": nn.LSTM(3, 4),
        "lstm_plain": nn.LSTM(3, 4, bias=False),
        "lstm_deep": nn.LSTM(3, 4, num_layers=3),
        "lstm_both": nn.LSTM(3, 4, num_layers=2, bidirectional=True),
        "gru": nn.GRU(3, 4),
        "gru_plain": nn.GRU(3, 4, bias=False),
        "gru_both": nn.GRU(3, 4, num_layers=2, bidirectional=True),
        "rnn": nn.RNN(3, 4),
        "rnn_relu": nn.RNN(3, 4, nonlinearity="relu", bidirectional=True),
        "rnn_plain": nn.RNN(3, 4, bias=False),
        "lstm_cell": nn.LSTMCell(3, 4),
        "gru_cell": nn.GRUCell(3, 4),
        "rnn_cell": nn.RNNCell(3, 4),
    }
)
expected = {
    name.removeprefix("state."): tensor
    for file in ("layers", "recurrent")
    for name, tensor in load_file(folder / f"{file}.safetensors").items()
    if name.startswith("state.")
}
files = {
    "pt": torch.load(folder / "files/exported.pt", weights_only=True),
    "pt by mmap": torch.load(folder / "files/exported.pt", weights_only=True, mmap=True),
    "safetensors": load_file(folder / "files/exported.safetensors"),
}
for kind, state in files.items():
    others = {name: state.pop(name) for name in list(state) if name not in expected}
    layers.load_state_dict(state, strict=True)
    for name, tensor in layers.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    dtypes = {name.removeprefix("dtype."): value for name, value in others.items() if name.startswith("dtype.")}
    for name, value in dtypes.items():
        assert value.dtype == getattr(torch, name), (name, value)
        assert torch.equal(value, torch.tensor([0, 1, 2]).to(value.dtype)), (name, value)
    assert others["empty"].shape == (0, 3) and others["scalar"].item() == 2.5
    print(torch.__version__, kind, len(state), sorted(dtypes))
