"""Writes `kinks.json`: values and grads of functions at kinks, ties, zeros, infinities and NaN, as JAX computes them.

    python kinks.py FOLDER

Needs jax 0.10.2 and flax 0.12.8 on a CPU. A gradient is that of the sum of the result, by each argument that is a float.
"""

import json
import sys
from pathlib import Path

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, nn

inf, nan = float("inf"), float("nan")
LINE = [0.0, -0.0, inf, -inf, nan, 1.0, -1.0, 0.5, -2.0, 3.0, -3.0, 6.0, 2.5, -6.0, 20.0, -20.0, 200.0, -200.0]
PAIRS = [0.0, -0.0, 1.0, -1.0, 2.0, -2.5, 0.5, inf, -inf, nan]
ROWS = [[1, 1, 0], [0, -0.0, 0], [2, 2, 2], [nan, 1, 2], [1, nan, nan], [inf, inf, 1], [-inf, -inf, -inf], [-inf, 0, 0],
        [inf, -inf, 1], [0, 3, 4], [3, 0, 0], [1, 2, 2], [-1, 1, 0], [-0.0, 0, -0.0], [0, 0, 5]]

cases = []


def number(x):
    return float(x) if np.isfinite(x) else str(np.float64(x))


def flat(array):
    return [number(x) for x in np.asarray(array, np.float64).ravel()]


def case(name, f, *args, parameters=()):
    args = [jnp.asarray(x, jnp.float32 if np.asarray(x).dtype.kind == "f" else None) for x in args]
    floats = [i for i, x in enumerate(args) if x.dtype == jnp.float32]
    value = f(*args)
    grads = jax.grad(lambda *args: jnp.sum(f(*args)), argnums=floats)(*args)
    cases.append({"name": name, "parameters": [str(p) for p in parameters],
                  "args": [{"shape": list(x.shape), "values": flat(x), "index": i not in floats} for i, x in enumerate(args)],
                  "value": flat(value), "grads": [flat(s) for s in grads]})


UNARY = {
    "abs": jnp.abs, "sign": jnp.sign, "relu": nn.relu, "relu6": nn.relu6, "elu": nn.elu, "celu": nn.celu, "selu": nn.selu,
    "gelu": nn.gelu, "gelu_exact": lambda x: nn.gelu(x, approximate=False), "hard_tanh": nn.hard_tanh,
    "hard_sigmoid": nn.hard_sigmoid, "hard_silu": nn.hard_silu, "silu": nn.silu, "softplus": nn.softplus,
    "log_sigmoid": nn.log_sigmoid, "soft_sign": nn.soft_sign, "leaky_relu": lambda x: nn.leaky_relu(x, 0.25),
    "sqrt": jnp.sqrt, "rsqrt": lax.rsqrt, "cbrt": jnp.cbrt, "floor": jnp.floor, "round": jnp.round, "trunc": jnp.trunc,
    "ceil": jnp.ceil, "log": jnp.log, "log1p": jnp.log1p, "log2": jnp.log2, "log10": jnp.log10, "exp": jnp.exp,
    "exp2": jnp.exp2, "expm1": jnp.expm1, "asin": jnp.arcsin, "acos": jnp.arccos, "atan": jnp.arctan, "asinh": jnp.arcsinh,
    "acosh": jnp.arccosh, "atanh": jnp.arctanh, "tanh": jnp.tanh, "sinh": jnp.sinh, "cosh": jnp.cosh, "sin": jnp.sin,
    "cos": jnp.cos, "tan": jnp.tan, "logistic": nn.sigmoid, "erf": lax.erf, "erfc": lax.erfc, "erf_inv": lax.erf_inv,
    "lgamma": lax.lgamma, "digamma": lax.digamma, "square": jnp.square, "reciprocal": jnp.reciprocal,
}
for name, f in UNARY.items():
    case(name, f, LINE)
for n in (-3, -2, -1, 0, 1, 2, 3):
    case("powi", lambda x: lax.integer_pow(x, n), LINE, parameters=(n,))
x, y = [m.ravel() for m in np.meshgrid(np.array(PAIRS), np.array(PAIRS))]
BINARY = {
    "maximum": jnp.maximum, "minimum": jnp.minimum, "pow": jnp.power, "atan2": jnp.arctan2, "hypot": jnp.hypot,
    "logaddexp": jnp.logaddexp, "fmod": jnp.fmod, "remainder": jnp.remainder, "floor_divide": jnp.floor_divide, "div": jnp.divide,
}
for name, f in BINARY.items():
    case(name, f, x, y)
low, high = np.where(np.isnan(y), 0.0, np.minimum(y, 1.0)), np.full_like(y, 1.0)
case("clip", jnp.clip, x, low, high)
case("clip_low", lambda x, low: jnp.clip(x, low), x, low)
case("clip_high", lambda x, high: jnp.clip(x, None, high), x, y)
case("clamp", lambda x, low, high: lax.clamp(low, x, high), x, low, high)
case("select", lambda x, y: jnp.where(x > 0, x, y), x, y)

rows = np.array(ROWS, np.float64)
last = {"axis": 1}
REDUCED = {
    "sum": lambda x: jnp.sum(x, 1), "prod": lambda x: jnp.prod(x, 1), "max": lambda x: jnp.max(x, 1),
    "min": lambda x: jnp.min(x, 1), "mean": lambda x: jnp.mean(x, 1), "var": lambda x: jnp.var(x, 1),
    "std": lambda x: jnp.std(x, 1), "logsumexp": lambda x: nn.logsumexp(x, 1), "cumsum": lambda x: jnp.cumsum(x, 1),
    "cumprod": lambda x: jnp.cumprod(x, 1), "cummax": lambda x: lax.cummax(x, 1), "cummin": lambda x: lax.cummin(x, 1),
    "cumlogsumexp": lambda x: lax.cumlogsumexp(x, 1), "cummax_reverse": lambda x: lax.cummax(x, 1, reverse=True),
    "cummin_reverse": lambda x: lax.cummin(x, 1, reverse=True), "cumlogsumexp_reverse": lambda x: lax.cumlogsumexp(x, 1, reverse=True),
    "softmax": lambda x: nn.softmax(x, 1) * jnp.array([1.0, 2.0, 4.0]),
    "log_softmax": lambda x: nn.log_softmax(x, 1) * jnp.array([1.0, 2.0, 4.0]),
    "sort": lambda x: jnp.sort(x, 1) * jnp.array([1.0, 2.0, 4.0]),
    "sort_descending": lambda x: jnp.sort(x, 1, descending=True) * jnp.array([1.0, 2.0, 4.0]),
    "top_k": lambda x: lax.top_k(x, 2)[0] * jnp.array([1.0, 2.0]),
    "max_pool": lambda x: flax.linen.max_pool(x[..., None], (2,)), "min_pool": lambda x: flax.linen.pooling.min_pool(x[..., None], (2,)),
    "avg_pool": lambda x: flax.linen.avg_pool(x[..., None], (2,)),
}
for name, f in REDUCED.items():
    case(name, f, rows)
ties = np.array([[2, 2, 2, 2, 2, 2, 2], [1, 2, 1, 2, 1, 2, 2], [3, 2, 3, 3, 1, 3, 3], [1, 1, nan, 1, 2, 2, 2], [0, 0, 1, 1, 0, 0, 1]])
for size in (2, 4, 5, 7):
    for name in ("cummax", "cummin", "cummax_reverse", "cummin_reverse"):
        case(name, lambda x: REDUCED[name](x) * 2.0 ** jnp.arange(size), ties[:, :size], parameters=("weighted",))
for order in (2.0, 1.0, inf, -inf, 0.0, 3.0, 0.5):
    case("norm", lambda x: jnp.linalg.norm(x, order, axis=1), rows, parameters=(order,))
for name in ("max", "min"):
    f = lambda x, at, v: getattr(x.at[at], name)(v)
    for values in ([1.0, 1.0], [nan, 2.0], [3.0, 0.0], [3.0, 3.0], [-1.0, nan]):
        case(f"index_{name}", f, [1.0, nan, 2.0], [0, 0], values)
        case(f"index_{name}", f, [1.0, nan, 2.0], [0, 1], values)
        case(f"index_{name}", f, [3.0, 0.0, -1.0], [0, 2], values)

lines = ",\n".join("  " + json.dumps(c) for c in cases)
text = f'{{\n "versions": {{"jax": "{jax.__version__}", "flax": "{flax.__version__}"}},\n "cases": [\n{lines}\n ]\n}}\n'
(Path(sys.argv[1]) / "kinks.json").write_text(text)
