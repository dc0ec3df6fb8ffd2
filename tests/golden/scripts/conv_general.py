"""Writes conv_general.json and conv_general.safetensors: convolutions by `lax.conv_general_dilated`, with both gradients.

The loss is that of the other golden cases: the sum of c_i·y_i + ½·y_i², c_i = (((7·i) mod 11) − 5)/10, i the flat index.
Operands are small multiples of 1/16 that the test makes itself: see `operand`. Run with jax installed.
"""

import itertools
import json
import pathlib
import struct

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def operand(shape, seed):
    i = np.arange(np.prod(shape, dtype=np.int64))
    return jnp.asarray((((i * i + 7 * i + 13 * seed) % 33 - 16) / 16).astype(np.float32).reshape(shape))


def loss(y):
    y = y.ravel()
    c = ((7 * jnp.arange(y.size)) % 11 - 5) / 10
    return jnp.sum(c * y + y * y / 2)


def convolve(lhs, rhs, case):
    spatial = "DHW"[3 - (lhs.ndim - 2) :]
    last = ("N" + spatial + "C", spatial + "IO", "N" + spatial + "C")
    first = ("NC" + spatial, "OI" + spatial, "NC" + spatial)
    return lax.conv_general_dilated(
        lhs,
        rhs,
        case["strides"],
        case["padding"],
        case["lhs_dilation"],
        case["rhs_dilation"],
        dimension_numbers=first if case["channels_first"] else last,
        feature_group_count=case["groups"],
        precision="highest",
    )


def cases():
    sizes = {1: (11,), 2: (7, 6), 3: (4, 5, 3)}
    kernels = {1: (3,), 2: (3, 2), 3: (2, 3, 2)}
    explicit = {1: [(2, 1)], 2: [(1, 2), (-1, 3)], 3: [(1, 0), (0, 2), (1, 1)]}
    for rank, padding, step, groups in itertools.product((1, 2, 3), ("VALID", "SAME", "SAME_LOWER", "explicit"), range(4), (1, 2)):
        strides = [[1] * rank, [2] * rank, [1] * rank, list(range(1, rank + 1))][step]
        rhs_dilation = [[1] * rank, [1] * rank, [2] * rank, [1] * rank][step]
        lhs_dilation = [2, 3, 2][:rank] if padding == "explicit" and step in (2, 3) else [1] * rank
        if rank == 3 and (padding == "SAME_LOWER" or (step == 2 and padding == "VALID")):
            continue
        channels_first = (step + groups) % 3 == 0
        cin, cout = [(3, 2), (4, 6)][groups - 1]
        lhs, rhs = (cin,), (cin // groups, cout)
        if channels_first:
            lhs, rhs = (2, *lhs, *sizes[rank]), (*rhs[::-1], *kernels[rank])
        else:
            lhs, rhs = (2, *sizes[rank], *lhs), (*kernels[rank], *rhs)
        yield dict(
            lhs=lhs,
            rhs=rhs,
            strides=strides,
            padding=explicit[rank] if padding == "explicit" else padding,
            lhs_dilation=lhs_dilation,
            rhs_dilation=rhs_dilation,
            groups=groups,
            channels_first=channels_first,
        )
    # Depthwise with a multiplier, a pointwise kernel, no spatial dimension, a kernel that does not fit.
    plain = dict(lhs_dilation=[1, 1], rhs_dilation=[1, 1], channels_first=False)
    yield dict(lhs=(1, 6, 5, 3), rhs=(3, 3, 1, 6), strides=[1, 2], padding="SAME", groups=3, **plain)
    yield dict(lhs=(2, 4, 4, 5), rhs=(1, 1, 5, 3), strides=[1, 1], padding="VALID", groups=1, **plain)
    yield dict(lhs=(1, 3, 3, 2), rhs=(5, 2, 2, 3), strides=[1, 1], padding="VALID", groups=1, **plain)
    yield dict(lhs=(3, 4), rhs=(4, 2), strides=[], padding="VALID", lhs_dilation=[], rhs_dilation=[], groups=1, channels_first=False)


def save_file(arrays, path):
    header, data = {}, b""
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key], dtype="<f4")
        offsets = [len(data), len(data) + array.nbytes]
        header[key] = {"dtype": "F32", "shape": list(arrays[key].shape), "data_offsets": offsets}
        data += array.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    arrays, listed = {}, []
    for i, case in enumerate(cases()):
        lhs, rhs = operand(case["lhs"], 1), operand(case["rhs"], 2)
        out = convolve(lhs, rhs, case)
        gradients = jax.grad(lambda l, r: loss(convolve(l, r, case)), argnums=(0, 1))(lhs, rhs)
        for name, array in zip(("out", "grad/lhs", "grad/rhs"), (out, *gradients)):
            arrays[f"{name}/{i}"] = np.asarray(array)
        listed.append({"i": i, **case})
    folder = pathlib.Path(__file__).parent.parent
    save_file(arrays, folder / "conv_general.safetensors")
    manifest = {"name": "conv_general", "kind": "functional", "description": "lax.conv_general_dilated and its gradients; expect.cases has the arguments", "tolerance": {"rtol": 1e-5, "atol": 1e-5}, "versions": {"jax": jax.__version__}, "safetensors": "conv_general.safetensors", "expect": {"cases": []}}
    lines = ",\n".join(json.dumps(case) for case in listed)
    text = json.dumps(manifest, indent=1).replace('"cases": []', '"cases": [\n' + lines + "\n]")
    (folder / "conv_general.json").write_text(text + "\n")


main()
