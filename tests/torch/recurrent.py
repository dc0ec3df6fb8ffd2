"""What recurrent layers of PyTorch compute, for `io::torch`: recurrent.safetensors is as layers.safetensors.

    pip install torch numpy safetensors && python recurrent.py
"""

import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(0)
net = nn.ModuleDict(
    {
        "lstm": nn.LSTM(3, 4, batch_first=True),
        "lstm_plain": nn.LSTM(3, 4, bias=False),
        "lstm_deep": nn.LSTM(3, 4, num_layers=3, batch_first=True),
        "lstm_both": nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True),
        "gru": nn.GRU(3, 4, batch_first=True),
        "gru_plain": nn.GRU(3, 4, bias=False),
        "gru_both": nn.GRU(3, 4, num_layers=2, bidirectional=True, batch_first=True),
        "rnn": nn.RNN(3, 4, batch_first=True),
        "rnn_relu": nn.RNN(3, 4, nonlinearity="relu", bidirectional=True, batch_first=True),
        "rnn_plain": nn.RNN(3, 4, bias=False),
        "lstm_cell": nn.LSTMCell(3, 4),
        "gru_cell": nn.GRUCell(3, 4),
        "rnn_cell": nn.RNNCell(3, 4),
    }
)
with torch.no_grad():
    for parameter in net.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    arrays = {f"state.{name}": value for name, value in net.state_dict().items()}
    for name, layer in net.items():
        if name.endswith("cell"):
            x = torch.randn(2, 3)
            y = layer(x)
            y = y[0] if name == "lstm_cell" else y
        else:
            x = torch.randn(2, 5, 3)
            y, state = layer(x)
            # h, and c of an LSTM, of all layers and directions: [layers * directions, batch, features].
            for key, value in zip("hc", state if name.startswith("lstm") else [state]):
                arrays[f"{key}.{name}"] = value.contiguous()
        arrays[f"x.{name}"] = x.contiguous()
        arrays[f"y.{name}"] = y.contiguous()
save_file(arrays, "recurrent.safetensors")
