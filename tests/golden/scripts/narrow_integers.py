"""Writes `narrow_integers.json`: probes of integers of 8 and 16 bits, and which dtype a mixture has.

    python narrow_integers.py FOLDER

Needs jax 0.10.2 on a CPU.
"""

import itertools
import operator
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from probes import Probes

inf, nan = float("inf"), float("nan")
NARROW = ["int8", "int16", "uint8", "uint16"]
MIXED = ["bool", "uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "bfloat16", "float32"]
SIGNED = ["int8", "int16", "int32"]
FLOATS = np.array([0.0, -0.0, 0.9, -0.9, 127.9, -128.9, 300.0, -300.0, 40000.0, -40000.0, 65535.5, 7e4, 3e9, -3e9, inf,
                   -inf, nan], np.float32)
probes = Probes()


def corners(dtype):
    """Numbers at the limits, around zero, and around powers of two."""
    limits = np.iinfo(dtype)
    wide = [limits.min, limits.min + 1, -128, -3, -1, 0, 1, 2, 3, 7, 11, 64, 127, limits.max - 1, limits.max]
    return np.array(sorted({x for x in wide if limits.min <= x <= limits.max}), dtype)


def pairs(dtype):
    """Every corner with every other."""
    x = corners(dtype)
    return np.repeat(x, len(x)), np.tile(x, len(x))


def promotion(*args):
    pair = lambda a, b: not ({a.dtype.name, b.dtype.name} & {"uint32"} and {a.dtype.name, b.dtype.name} & set(SIGNED))
    return [a + b for a, b in itertools.product(args, args) if pair(a, b)]


def beside_numbers(*args):
    return [out for x in args for out in (x + 1, x * 1.5, jnp.where(x > 0, x, 2), jnp.maximum(x, 0.5))]


ones = [jnp.ones((), dtype) for dtype in MIXED]
probes.probe("promotion of every pair", promotion, ones, ours="promotion", grad=False, vmap=False)
probes.probe("bare numbers beside every dtype", beside_numbers, ones, ours="beside_numbers", grad=False, vmap=False)
probes.probe("u32 beside signed integers", lambda u, *rest: [u + x for x in rest],
             [jnp.ones((), jnp.uint32)] + [jnp.ones((), d) for d in SIGNED], ours="u32_beside", vmap=False)
probes.differs("u32 beside signed integers", "values",
               "int64, which holds all of both; JAX without 64-bit mode cuts that to int32")

BINARY = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
          "remainder": jnp.remainder, "maximum": jnp.maximum, "minimum": jnp.minimum, "bitand": operator.and_,
          "bitor": operator.or_, "bitxor": operator.xor, "shl": lax.shift_left, "eq": operator.eq, "lt": operator.lt,
          "ge": operator.ge, "floor_divide": jnp.floor_divide}
for dtype in NARROW:
    x = corners(dtype)
    a, b = pairs(dtype)
    nonzero = b != 0
    divisible = a[nonzero], b[nonzero]
    everything = lambda a, b: [f(a, b) for name, f in BINARY.items()]
    probes.probe(f"arithmetic of pairs of {dtype}", everything, divisible, ours="binary", exact=True, vmap=False)
    probes.probe(f"arithmetic of {dtype} over a batch", everything, [x[1:5], x[5:9]], ours="binary", exact=True)
    shift = lax.shift_right_arithmetic if np.iinfo(dtype).min < 0 else lax.shift_right_logical
    distances = np.array([0, 1, 2, 7], dtype)
    probes.probe(f"shifts of {dtype} to the right", lambda a, b: shift(a, b),
                 [np.repeat(x, 4), np.tile(distances, len(x))], ours="shr")
    unary = lambda x: [-x, ~x, jnp.abs(x), jnp.sign(x), jnp.square(x), x**3, jnp.exp(x / 100), jnp.isfinite(x),
                       jnp.floor(x), jnp.clip(x, 1, 5), jax.nn.relu(x), jnp.sqrt(jnp.abs(x.astype(jnp.float32)))]
    probes.probe(f"functions of {dtype}", unary, [x], ours="unary")
    casts = lambda x: [x.astype(to) for to in MIXED]
    probes.probe(f"casts from {dtype}", casts, [x], ours="casts", exact=True)
    to = lambda x, dtype=dtype: x.astype(dtype)
    probes.probe(f"casts from f32 to {dtype}", to, [FLOATS], ours="cast", settings={"dtype": np.dtype(dtype)})
    for half in ("float16", "bfloat16"):
        probes.probe(f"casts from {half} to {dtype}", to, [jnp.asarray(FLOATS, half)], ours="cast", settings={"dtype": np.dtype(dtype)})
    for wide in ("int32", "uint32"):
        probes.probe(f"casts from {wide} to {dtype}", to, [corners(wide)], ours="cast", settings={"dtype": np.dtype(dtype)})
    matrix = np.tile(x, 3)[:24].reshape(4, 6)
    reductions = lambda x: [jnp.sum(x, 0), jnp.prod(x, 1), jnp.max(x, 0), jnp.min(x, 1), jnp.mean(x, 0), jnp.any(x, 0),
                            jnp.all(x, 1), jnp.cumsum(x, 1), jnp.cumprod(x, 0), jnp.argmax(x, 1), jnp.argmin(x, 0),
                            lax.cummax(x, 1), jnp.count_nonzero(x, 1)]
    probes.probe(f"reductions of {dtype}", reductions, [matrix], ours="reductions")
    orders = lambda x: [jnp.sort(x, 1), jnp.argsort(x, 1), *lax.top_k(x, 3)]
    probes.probe(f"orders of {dtype}", orders, [matrix], ours="orders")
    probes.probe(f"searchsorted in {dtype}", lambda a, v: jnp.searchsorted(a, v), [x, x[::-1].copy()],
                 ours="searchsorted", second=[x, x[:1] + np.zeros_like(x)])
    probes.probe(f"products of {dtype}", lambda a, b: [a @ b, jnp.dot(a[0], b[:, 0]), jnp.einsum("ij,jk->k", a, b)],
                 [matrix, matrix.T], ours="products")
    wide = jnp.int32 if np.iinfo(dtype).min < 0 else jnp.uint32
    probes.probe(f"products of {dtype} summed in 32 bits",
                 lambda a, b, wide=wide: lax.dot_general(a, b, (((1,), (0,)), ((), ())), preferred_element_type=wide),
                 [matrix, matrix.T], ours="product_of", settings={"dtype": wide})
    picks = np.array([3, 0, 2], dtype)
    probes.probe(f"indices of {dtype}", lambda x, i: [jnp.take(x, i, axis=0), x.at[i].set(1.0), x.at[i].add(1.0)],
                 [np.arange(8, dtype=np.float32).reshape(4, 2), picks], ours="indices", grad=False)
    probes.probe(f"elements of {dtype} moved",
                 lambda x: [x.T, x[::-1, 1:], jnp.concatenate([x, x]), jnp.pad(x, 1), jnp.where(x > 1, x, 0), x.reshape(-1),
                            jnp.take(x, jnp.array([5, 9]), axis=1, mode="fill"), x.at[jnp.array([0, 0])].add(x[:2]),
                            x.at[jnp.array([0, 0])].max(x[2:4])],
                 [matrix], ours="moved")
    probes.probe(f"windows of {dtype}", lambda x: [lax.reduce_window(x, np.array(0, x.dtype), lax.add, (2, 2), (1, 1), "VALID"),
                                                   lax.reduce_window(x, np.array(np.iinfo(x.dtype).min, x.dtype), lax.max,
                                                                     (2, 2), (2, 2), "VALID")], [matrix], ours="windows")
    probes.probe(f"a range of {dtype}", lambda x: [lax.iota(x.dtype, 6), jnp.arange(2, 100, 7, dtype=x.dtype)], [x[:1]],
                 ours="range", vmap=False)
    probes.probe(f"bits of {dtype} as others",
                 lambda x: lax.bitcast_convert_type(x, jnp.uint8 if x.dtype.itemsize == 1 else jnp.bfloat16), [x], ours="bits",
                 exact=True)
key = jax.random.key_data(jax.random.key(7))
for bits in (8, 16):
    unsigned, signed = jnp.dtype(f"uint{bits}"), jnp.dtype(f"int{bits}")
    probes.probe(f"random bits of {unsigned}", lambda k, d=unsigned: jax.random.bits(k, (7,), d), [key], ours="random_bits",
                 settings={"width": bits}, grad=False, vmap=False)
    for dtype in (unsigned, signed):
        probes.probe(f"random integers of {dtype}",
                     lambda k, d=dtype: [jax.random.randint(k, (9,), 3, 100, d),
                                         jax.random.randint(k, (9,), int(jnp.iinfo(d).min), int(jnp.iinfo(d).max) + 1, d)],
                     [key], ours="randint", settings={"dtype": np.dtype(dtype)}, grad=False, vmap=False)
probes.write(sys.argv[1], "narrow_integers.json")
