#!/usr/bin/env bash
# silero-vad 6.2.3: the files of the package that are named after one network hold several. At 16 kHz, `silero_vad_16k_op15.onnx`,
# `silero_vad_16k.safetensors` and `silero_vad_half.onnx` share the windows of the Fourier transform and nothing else; at 8 kHz,
# `silero_vad.onnx` and `silero_vad_op18_ifless.onnx` differ. Whoever ports one and compares with another looks for a mistake that is none.
#
# Seen: sums of the magnitudes of the LSTM's input weights: op15 13413.96, safetensors 13105.37, half 11294.01;
#       at 8 kHz: onnx 13595.12, ifless 13590.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 onnx==1.23.2 safetensors==0.8.0
"$folder/venv/bin/pip" download --quiet --no-deps --dest "$folder" silero-vad==6.2.3
python3 -m zipfile -e "$folder"/silero_vad-6.2.3-*.whl "$folder/package"
"$folder/venv/bin/python" - "$folder/package/silero_vad/data" <<'PYTHON'
import sys

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import load_file

data = sys.argv[1]


def constants(graph):
    """Names and values of all constants, also of those inside of branches."""
    found = [(one.name, numpy_helper.to_array(one)) for one in graph.initializer]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                found += constants(attribute.g)
            elif attribute.type == onnx.AttributeProto.TENSOR and node.op_type == "Constant":
                found.append((node.output[0], numpy_helper.to_array(attribute.t)))
    return found


def of(file, name):
    (value,) = [value for own, value in constants(onnx.load(f"{data}/{file}").graph) if own.endswith(name)]
    return value


wide = {
    "op15": of("silero_vad_16k_op15.onnx", "decoder.rnn.weight_ih"),
    "safetensors": load_file(f"{data}/silero_vad_16k.safetensors")["lstm_cell.weight_ih"],
    "half": of("silero_vad_half.onnx", "decoder.rnn.weight_ih"),
}
narrow = {
    "onnx": of("silero_vad.onnx", "else_branch__Inline_0__decoder.rnn.weight_ih"),
    "ifless": of("silero_vad_op18_ifless.onnx", "model_8k.decoder.rnn.weight_ih"),
}
sums = lambda weights: {name: round(float(np.abs(value.astype(np.float64)).sum()), 2) for name, value in weights.items()}
print("16 kHz:", sums(wide), "8 kHz:", sums(narrow))
assert sums(wide) == {"op15": 13413.96, "safetensors": 13105.37, "half": 11294.01}
assert sums(narrow) == {"onnx": 13595.12, "ifless": 13590.0}
PYTHON
