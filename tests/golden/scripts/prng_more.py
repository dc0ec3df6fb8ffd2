"""Writes the golden case `prng_more`: samplers, dtypes and parameters that the case `prng` leaves out.

    python prng_more.py FOLDER [COUNT]

Needs jax 0.10.2 on a CPU with fused multiply-add. COUNT is the number of elements of each array.
"""

import json
import struct
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

FOLDER = Path(sys.argv[1])
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 40
SHAPE = (COUNT // 4, 4)
FLOATS = {"f16": jnp.float16, "bf16": jnp.bfloat16, "f32": jnp.float32, "f64": jnp.float64}
INTEGERS = {"u8": jnp.uint8, "u32": jnp.uint32, "i32": jnp.int32, "i64": jnp.int64}
RANGES = [(0, 10), (-100, 1000), (3, 3), (7, 2), (0, 256), (-(2**31), 2**31), (0, 2**32), (-(2**62), 2**62)]

r = jax.random
key = r.key(7)
arrays = {}

arrays["low"] = jnp.linspace(-3, 1, 4, dtype=jnp.float32)
arrays["high"] = jnp.linspace(2, 1, SHAPE[0], dtype=jnp.float32)[:, None]
arrays["p"] = jnp.linspace(0, 1, 4, dtype=jnp.float32)
arrays["weights"] = jnp.array([0.5, 0, 3, 1, 0.25, 2, 0.125, 4], jnp.float32)

for name, dtype in FLOATS.items():
    arrays[f"uniform/{name}"] = r.uniform(key, SHAPE, dtype)
    for low, high in [(-2, 3), (0.1, 0.7), (-0.3, 1)]:
        arrays[f"uniform_{low}_{high}/{name}"] = r.uniform(key, SHAPE, dtype, low, high)
    arrays[f"normal/{name}"] = r.normal(key, SHAPE, dtype)
    for low, high in [(-2, 2), (-1, 3), (0.5, 0.75)]:
        arrays[f"truncated_normal_{low}_{high}/{name}"] = r.truncated_normal(key, low, high, SHAPE, dtype)
    for sampler in [r.gumbel, r.exponential, r.laplace, r.logistic]:
        arrays[f"{sampler.__name__}/{name}"] = sampler(key, SHAPE, dtype)
    arrays[f"bernoulli/{name}"] = r.bernoulli(key, arrays["p"].astype(dtype), SHAPE)
    logits = jnp.arange(12).reshape(3, 4).astype(dtype) / 4
    arrays[f"categorical/{name}"] = r.categorical(key, logits, 0, (SHAPE[0], 4)).astype(jnp.int32)

arrays["uniform_bounds/f32"] = r.uniform(key, SHAPE, jnp.float32, arrays["low"][None], arrays["high"] + 2)
arrays["truncated_normal_bounds/f32"] = r.truncated_normal(
    key, arrays["low"][None], arrays["high"] + 2, SHAPE, jnp.float32
)
for name, dtype in INTEGERS.items():
    for low, high in RANGES:
        arrays[f"randint_{low}_{high}/{name}"] = r.randint(key, SHAPE, np.int64(low), np.int64(high), dtype)
arrays["bits64"] = jax.lax.bitcast_convert_type(r.bits(key, SHAPE, jnp.uint64), jnp.int64)

matrix = jnp.arange(COUNT, dtype=jnp.int32).reshape(SHAPE)
arrays["permute_1"] = r.permutation(key, matrix, axis=1)
arrays["permute_independently_0"] = r.permutation(key, matrix, axis=0, independent=True)
arrays["permute_independently_1"] = r.permutation(key, matrix, axis=1, independent=True)
# `choice` as it is without 64-bit mode, where its indices are i32.
arrays["choice_rows"] = jnp.take(matrix, r.randint(key, (3, 2), 0, SHAPE[0], jnp.int32), 0)
arrays["choice_columns_distinct"] = r.choice(key, matrix, (2,), replace=False, axis=1)
arrays["choice_weighted"] = r.choice(key, 8, SHAPE, p=arrays["weights"]).astype(jnp.int32)
arrays["choice_weighted_distinct"] = r.choice(key, 8, (5,), replace=False, p=arrays["weights"]).astype(jnp.int32)

NAMES = {"float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64", "uint8": "U8", "uint32": "U32",
         "int32": "I32", "int64": "I64", "bool": "BOOL"}
header, data = {}, b""
for name, array in sorted(arrays.items()):
    array = np.asarray(array)
    start, data = len(data), data + array.tobytes()
    header[name] = {"dtype": NAMES[array.dtype.name], "shape": list(array.shape), "data_offsets": [start, len(data)]}
head = json.dumps(header).encode()
head += b" " * (-len(head) % 8)
(FOLDER / "prng_more.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + data)
manifest = {
    "format": 1,
    "name": "prng_more",
    "kind": "prng",
    "description": "jax.random vectors of dtypes and parameters that `prng` leaves out",
    "settings": {"seed": 7, "count": COUNT, "x64": True},
    "expect": {},
    "containers": {},
    "tolerance": {"rtol": 0, "atol": 0},
    "versions": {"jax": jax.__version__},
    "arrays": {name: {"shape": list(array.shape), "dtype": array.dtype.name} for name, array in sorted(arrays.items())},
    "safetensors": "prng_more.safetensors",
}
(FOLDER / "prng_more.json").write_text(json.dumps(manifest, indent=1) + "\n")
