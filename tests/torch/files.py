"""Files of PyTorch itself, for `io::torch::File`: each in this folder's `files`, and the values that torch reads from it in files.safetensors.

    pip install torch numpy safetensors && python files.py
"""

import json
import pathlib
from collections import OrderedDict

import torch
from safetensors.torch import save_file
from torch import nn

folder = pathlib.Path(__file__).parent / "files"
folder.mkdir(exist_ok=True)
expected = {}
EIGHT = {torch.float8_e4m3fn, torch.float8_e4m3fnuz, torch.float8_e5m2, torch.float8_e5m2fnuz, torch.float8_e8m0fnu}


def save(name, value, tensors, **kwargs):
    torch.save(value, folder / f"{name}.pt", **kwargs)
    for key, tensor in tensors.items():
        if tensor.dtype in EIGHT:
            tensor = tensor.to(torch.bfloat16)
        expected[f"{name}/{key}"] = tensor.detach().resolve_conj().resolve_neg().contiguous().clone()


torch.manual_seed(0)
net = nn.Sequential(OrderedDict(first=nn.Linear(3, 4), norm=nn.BatchNorm1d(4), second=nn.Linear(4, 2)))
state = net.state_dict()
save("state", state, state)
save("legacy", state, state, _use_new_zipfile_serialization=False)

optimizer = torch.optim.Adam(net.parameters())
net(torch.randn(5, 3)).sum().backward()
optimizer.step()
state = net.state_dict()
moments = {
    f"optimizer.state.{i}.{key}": value
    for i, entry in optimizer.state_dict()["state"].items()
    for key, value in entry.items()
}
checkpoint = {"model": state, "optimizer": optimizer.state_dict(), "epoch": 3, "settings": {"lr": 1e-3, "names": ["a", ("b", None)]}}
save("checkpoint", checkpoint, {f"model.{key}": value for key, value in state.items()} | moments)

base = torch.arange(24.0).reshape(2, 3, 4)
views = {
    "base": base,
    "transposed": base.transpose(0, 2),
    "row": base[1, 2],
    "every_other": base[:, ::2, 1::2],
    "expanded": base[0, 0, :1].expand(3),
    "empty": torch.empty(0, 3),
    "scalar": torch.tensor(2.5),
    "parameter": nn.Parameter(base[0]),
    # The imaginary part of a conjugate: a view whose values are to be negated when they are read.
    "negated": torch.complex(torch.zeros(3), torch.arange(3.0)).conj().imag,
    "conjugated": torch.complex(base[0], base[1]).conj(),
    "adjoint": torch.complex(base[0], base[1]).mH,
    "eight": base[0].to(torch.float8_e4m3fn).T,
}
save("views", views, views)
at_once = {key: view for key, view in views.items() if key not in {"negated", "conjugated", "adjoint"}}
save("views_legacy", at_once, at_once, _use_new_zipfile_serialization=False)

numbers = torch.tensor([0.0, 1.0, -2.5, 100.0])
dtypes = {
    name: numbers.to(getattr(torch, name))
    for name in ["float64", "float32", "float16", "bfloat16", "complex64", "int64", "int32", "int16", "int8", "bool"]
    + [str(dtype).removeprefix("torch.") for dtype in sorted(EIGHT, key=str)]
} | {name: numbers.abs().to(getattr(torch, name)) for name in ["uint8", "uint16", "uint32"]}
complexes = torch.complex(numbers, numbers.flip(0))
unreadable = {"complex128": complexes.to(torch.complex128), "sparse": torch.eye(2).to_sparse()}
save("dtypes", dtypes | unreadable, dtypes)
save("complex", {"z": complexes}, {"z": complexes}, _use_new_zipfile_serialization=False)

save("alone", torch.arange(3), {"tensor": torch.arange(3)})
save("protocol4", {"weight": base}, {"weight": base}, pickle_protocol=4)
save("module", net, net.state_dict())

script = torch.jit.script(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)))
script.save(str(folder / "script.pt"))
for key, tensor in script.state_dict().items():
    expected[f"script/{key}"] = tensor.detach().clone()

# A model in two files, one of each kind.
first = {key: value for key, value in state.items() if key.startswith("first")}
others = {key: value for key, value in state.items() if key not in first}
torch.save(first, folder / "pytorch_model-00001-of-00002.bin")
save_file(others, str(folder / "model-00002-of-00002.safetensors"))
places = {key: "pytorch_model-00001-of-00002.bin" for key in first} | {key: "model-00002-of-00002.safetensors" for key in others}
size = sum(value.numel() * value.element_size() for value in state.values())
(folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {"total_size": size}, "weight_map": places}))
for key, tensor in state.items():
    expected[f"sharded/{key}"] = tensor

save_file(expected, str(folder.parent / "files.safetensors"))
print(torch.__version__, len(expected))
