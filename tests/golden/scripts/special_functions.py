"""Writes `special_functions.json`: the special functions over the whole line, in F32 and F64.

    python special_functions.py FOLDER

Needs jax 0.10.2 on a CPU, and mpmath. Finite values are the true ones, rounded to the dtype, because JAX's are off by up to
500 units in the last place (exp2, sinh, cosh and erfc of large numbers, lgamma near 1 and 2); where the result is NaN,
infinite or a zero they are JAX's, whose zeros have signs, too.
"""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
from jax import lax, nn

jax.config.update("jax_enable_x64", True)
mp.mp.prec = 200


def real_cbrt(x):
    return mp.sign(x) * mp.cbrt(abs(x))


FUNCTIONS = {
    "exp": (jnp.exp, mp.exp), "exp2": (jnp.exp2, lambda x: mp.power(2, x)), "expm1": (jnp.expm1, mp.expm1),
    "log": (jnp.log, mp.log), "log2": (jnp.log2, lambda x: mp.log(x, 2)), "log10": (jnp.log10, mp.log10),
    "log1p": (jnp.log1p, mp.log1p), "sqrt": (jnp.sqrt, mp.sqrt), "rsqrt": (lax.rsqrt, lambda x: 1 / mp.sqrt(x)),
    "cbrt": (jnp.cbrt, real_cbrt), "sin": (jnp.sin, mp.sin), "cos": (jnp.cos, mp.cos), "tan": (jnp.tan, mp.tan),
    "asin": (jnp.arcsin, mp.asin), "acos": (jnp.arccos, mp.acos), "atan": (jnp.arctan, mp.atan),
    "sinh": (jnp.sinh, mp.sinh), "cosh": (jnp.cosh, mp.cosh), "tanh": (jnp.tanh, mp.tanh),
    "asinh": (jnp.arcsinh, mp.asinh), "acosh": (jnp.arccosh, mp.acosh), "atanh": (jnp.arctanh, mp.atanh),
    "logistic": (nn.sigmoid, lambda x: 1 / (1 + mp.exp(-x))), "erf": (lax.erf, mp.erf), "erfc": (lax.erfc, mp.erfc),
    "erf_inv": (lax.erf_inv, mp.erfinv), "lgamma": (lax.lgamma, lambda x: mp.re(mp.loggamma(x))),
    "digamma": (lax.digamma, mp.digamma), "softplus": (nn.softplus, lambda x: mp.log1p(mp.exp(x))),
}
DTYPES = {"f32": (np.float32, np.uint32, 126), "f64": (np.float64, np.uint64, 1022)}


def line(dtype, least):
    exponents = list(range(-least, least + 1, least // 12)) + [-24, -12, -4, -1, 1, 3, 4, 5, 9, 12]
    powers = [float(np.ldexp(m, e)) for e in exponents for m in (1, 1.2345)]
    points = powers + [0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 5.5, 10.0, 19.9, 40.0, 88.0, 103.0, 170.5, 700.0, 6540.0, 65536.0, np.inf]
    return np.array(points).astype(dtype)


def expected(f, truth, x, dtype):
    out = []
    for x, y in zip(x, np.asarray(f(jnp.asarray(x)))):
        # Poles of the gamma function, and arguments so large that the result is a limit.
        is_limit = np.isinf(y) and (x == np.floor(x) and x <= 1 or abs(x) == 1) or abs(x) > 1e6 and abs(y) in (0, 1, 2)
        if not np.isfinite(x) or x == 0 or np.isnan(y) or is_limit:
            out.append(y)
            continue
        true = truth(mp.mpf(float(x)))
        with np.errstate(over="ignore", under="ignore"):
            near = dtype(float(true))
        out.append(y if near == 0 and y == 0 else near)
    return np.array(out, dtype)


tables = {}
for name, (dtype, bits, least) in DTYPES.items():
    points = line(dtype, least)
    x = np.concatenate([points, -points, [dtype(np.nan)]]).astype(dtype)
    hexed = lambda a: [f"{b:x}" for b in np.where(np.isnan(a), dtype(np.nan), a).astype(dtype).view(bits).tolist()]
    values = {}
    for function, (f, truth) in FUNCTIONS.items():
        keep = np.ones(len(x), bool)
        if function in ("sin", "cos", "tan", "lgamma", "digamma"):  # Beyond, a rounding of the argument decides.
            keep = ~(np.isfinite(x) & (np.abs(x) > 2.0**40))
        values[function] = [h if k else None for h, k in zip(hexed(expected(f, truth, np.where(keep, x, 1), dtype)), keep)]
    tables[name] = {"x": hexed(x), "values": values}
text = json.dumps({"versions": {"jax": jax.__version__, "mpmath": mp.__version__}, "tables": tables})
(Path(sys.argv[1]) / "special_functions.json").write_text(text.replace('], "', '],\n"') + "\n")
