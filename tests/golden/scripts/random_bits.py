"""Writes `random_bits.json`: digests of the bits that `jax.random` gives over a grid of samplers, dtypes and parameters.

    python random_bits.py FOLDER

Needs jax 0.10.2 on a CPU with fused multiply-add. The reference is the function of `jax.random` called with arrays outside
of `jit`. Operations one by one (`jax.disable_jit`) round uniform numbers twice, and in a function under `jit` XLA may fold
constant bounds with another error function: those differ from the reference in JAX itself. So do uniform float16 between
bounds on CPUs without arithmetic of halves (AVX512-FP16), where product and sum are rounded twice; for them the script
computes what JAX gives on CPUs that have it, of which `prng_more.safetensors` has samples.
"""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

FLOATS = {"f16": jnp.float16, "bf16": jnp.bfloat16, "f32": jnp.float32, "f64": jnp.float64}
INTEGERS = {"u8": jnp.uint8, "u32": jnp.uint32, "i32": jnp.int32, "i64": jnp.int64}
MANY = (5000,)
INF = float("inf")
UNIFORM = [(-1, 1), (0.1, 0.3), (-2.5, 3.5), (0, 1e-3), (-1e4, 1e4), (3, 3), (5, 2), (0, INF), (1, 3), (-0.3, 0), (0.5, 1.5)]
TRUNCATED = [(-2, 2), (-1, 3.5), (0, 1), (-0.5, 0.25), (1, 3.5), (-3, 3), (-INF, 1), (2, INF), (-INF, INF), (-8, -5),
             (4, 4.5), (0.1, 0.3), (2.7, 5.5), (3.3, 3.9), (0.5, 0.75), (-1e-3, 1e-3), (1, 1), (2, -2), (-1, 0), (0, 0.25)]
CHANCES = [0, 1, 0.5, 0.3, 1e-8, 1 - 1e-7, -0.5, 1.5, float("nan"), 0.001]
RANGES = [(0, 1), (0, 10), (-100, 1000), (3, 3), (7, 2), (0, 255), (0, 256), (0, 257), (-5, 5), (250, 260), (0, 65536),
          (0, 65537), (-(2**31), 2**31 - 1), (-(2**31), 2**31), (0, 2**31), (0, 2**32), (0, 2**32 - 1), (-(2**62), 2**62),
          (0, 2**63 - 1), (-(2**63), 2**63 - 1), (10, 2**40)]

r = jax.random
cases = []


def uniform(key, dtype, low, high):
    if dtype is not jnp.float16:
        return r.uniform(key, MANY, dtype, low, high)
    span, u = np.float64(np.float16(high) - np.float16(low)), np.asarray(r.uniform(key, MANY, dtype), np.float64)
    return jnp.maximum(low, (u * span + np.float64(low)).astype(np.float16))


def truncated_normal(key, dtype, low, high):
    if dtype is not jnp.float16:
        return r.truncated_normal(key, low, high, MANY, dtype)
    root = np.array(np.sqrt(2), dtype)
    part = dtype(1) / root  # XLA divides by a constant so.
    u = uniform(key, dtype, jax.lax.erf(low * part), jax.lax.erf(high * part))
    inside = jax.lax.nextafter(low, dtype(INF)), jax.lax.nextafter(high, dtype(-INF))
    return jnp.clip(root * jax.lax.erf_inv(u), *inside)


def fnv(data):
    digest = 0xCBF29CE484222325
    for byte in data:
        digest = (digest ^ byte) * 0x100000001B3 % 2**64
    return f"{digest:016x}"


def case(sampler, sample, dtype=None, args=(), seed=7, shape=MANY):
    sample = np.asarray(sample)
    assert list(sample.shape) == list(shape), (sampler, sample.shape, shape)
    # Of NaN only that it is one.
    if jnp.issubdtype(sample.dtype, jnp.floating):
        sample = np.where(np.isnan(sample), np.zeros_like(sample) + np.array(-1.5, sample.dtype), sample)
    data = sample.tobytes()
    width = sample.dtype.itemsize
    head = [int.from_bytes(data[i * width : (i + 1) * width], "little") for i in range(min(3, sample.size))]
    cases.append({"sampler": sampler, "dtype": dtype, "args": [str(a) for a in args], "seed": seed,
                  "shape": list(shape), "head": [f"{bits:0{2 * width}x}" for bits in head], "digest": fnv(data)})


for name, dtype in FLOATS.items():
    plain = {"uniform": r.uniform, "normal": r.normal, "gumbel": r.gumbel, "exponential": r.exponential,
             "laplace": r.laplace, "logistic": r.logistic}
    for sampler, f in plain.items():
        for seed, shape in [(0, MANY), (7, MANY), (2**31 - 1, MANY), (3, ()), (3, (7,)), (3, (3, 5)), (3, (0,))]:
            case(sampler, f(r.key(seed), shape, dtype), name, (), seed, shape)
    for low, high in UNIFORM:
        case("uniform_in", uniform(r.key(7), dtype, dtype(low), dtype(high)), name, (low, high))
    for low, high in TRUNCATED:
        case("truncated_normal", truncated_normal(r.key(7), dtype, dtype(low), dtype(high)), name, (low, high))
    for p in CHANCES:
        case("bernoulli", r.bernoulli(r.key(7), dtype(p), MANY), name, (p,))
    logits = (jnp.arange(12).reshape(3, 4) / 4).astype(dtype).at[1, 2].set(-jnp.inf)
    for axis, shape in [(0, (1000, 4)), (1, (1000, 3)), (-1, (2, 500, 3))]:
        sample = r.categorical(r.key(7), logits, axis, shape).astype(jnp.int32)
        case("categorical", sample, name, (axis,), 7, shape)
    weights = jnp.array([0.5, 0, 3, 1, 0.25, 2, 0.125, 4], dtype)
    case("choice_weighted", r.choice(r.key(7), 8, MANY, p=weights).astype(jnp.int32), name)
    for seed in range(4):
        sample = r.choice(r.key(seed), 8, (5,), replace=False, p=weights).astype(jnp.int32)
        case("choice_weighted_distinct", sample, name, (), seed, (5,))

for name, dtype in INTEGERS.items():
    for low, high in RANGES:
        case("randint", r.randint(r.key(7), MANY, np.int64(low), np.int64(high), dtype), name, (low, high))
for width, dtype in [(8, jnp.uint8), (16, jnp.uint16), (32, jnp.uint32), (64, jnp.uint64)]:
    bits = r.bits(r.key(7), MANY, dtype)
    case("bits", bits, None, (width,))
with jax.enable_x64(False):  # With 64 bits it draws a double for every sign.
    case("rademacher", r.rademacher(r.key(7), MANY, jnp.int32))
for n in [0, 1, 2, 5, 1000, 5000]:
    case("permutation", r.permutation(r.key(7), jnp.arange(n, dtype=jnp.int32)), None, (), 7, (n,))
    case("choice_distinct", r.choice(r.key(7), max(n, 1), (n,), replace=False).astype(jnp.int32), None, (max(n, 1),), 7, (n,))
matrix = jnp.arange(600, dtype=jnp.int32).reshape(20, 30)
for axis in [0, 1]:
    case("permute", r.permutation(r.key(7), matrix, axis), None, (axis,), 7, (20, 30))
    case("permute_independently", r.permutation(r.key(7), matrix, axis, True), None, (axis,), 7, (20, 30))
for seed in [0, 7, 2**31 - 1]:
    for n in [1, 2, 100]:
        case("split", r.key_data(r.split(r.key(seed), n)), None, (n,), seed, (n, 2))
    for data in [0, 1, 2**32 - 1]:
        case("fold_in", r.key_data(r.fold_in(r.key(seed), np.uint32(data))), None, (data,), seed, (2,))

lines = ",\n".join("  " + json.dumps(c) for c in cases)
text = f'{{\n "versions": {{"jax": "{jax.__version__}"}},\n "cases": [\n{lines}\n ]\n}}\n'
(Path(sys.argv[1]) / "random_bits.json").write_text(text)
