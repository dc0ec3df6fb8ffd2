"""Probes: small calls of functions, with what the real JAX makes of them, for `tests/src/probes` to compare with ours.

    from probes import Probes
    probes = Probes()
    probes.probe("clip of bf16", lambda x: jnp.clip(x, 0, 1), [x], ours="clip", settings={"min": 0, "max": 1})
    probes.write(sys.argv[1], "numpy_functions.json")

Needs jax 0.10.2 on a CPU. All numbers are written by their bits, so that NaN, zeros of both signs and infinities survive.
"""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

SHORT = {"bool": "bool", "uint8": "u8", "uint16": "u16", "uint32": "u32", "int8": "i8", "int16": "i16", "int32": "i32",
         "int64": "i64", "float16": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64", "complex64": "c64"}
PARTS = ("values", "gradient", "vmap", "jvp")


def array_text(x):
    """`f32[2,3] 3f800000 0 …`: the bits of every element in hexadecimal; of a complex one the real part is the lower half."""
    x = np.asarray(x)
    bits = np.ascontiguousarray(x).reshape(-1).view(f"u{x.dtype.itemsize}")
    return f"{SHORT[x.dtype.name]}[{','.join(map(str, x.shape))}] {' '.join(f'{b:x}' for b in bits.tolist())}".rstrip()


def has_gradient(x):
    return jnp.issubdtype(x.dtype, jnp.inexact)


def loss(outs):
    """The elements of the outputs that are no integers, weighted: 1, 1.25, … 2.5, 1, …, the k-th output beginning k later."""
    total = jnp.float32(0)
    for k, out in enumerate(outs):
        if has_gradient(out):
            weights = 1 + ((np.arange(out.size) + k) % 7).astype(np.float32).reshape(out.shape) / 4
            if jnp.iscomplexobj(out):
                total += jnp.sum(jnp.real(out) * weights) + jnp.sum(jnp.imag(out) * (weights / 2))
            else:
                total += jnp.sum(out.astype(jnp.float32) * weights)
    return total


def plain(value):
    """Settings as JSON has them: infinities and NaN are texts, and so are dtypes."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [plain(x) for x in value]
    if isinstance(value, dict):
        return {k: plain(x) for k, x in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return SHORT[np.dtype(value).name]


class Probes:
    def __init__(self):
        self.probes = []
        self.names = set()
        self.reasons = []
        self.failed = []

    def probe(self, name, f, args, **settings):
        """Adds a probe, as `add` says. What fails is told by `write`, all at once."""
        try:
            self.add(name, f, args, **settings)
        except Exception as error:  # whatever JAX says
            self.failed.append(f"{name}: {type(error).__name__}: {str(error)[:300]}")

    def add(self, name, f, args, *, ours, settings=None, tolerance=None, exact=False, signs=True, grad=True, jvp=True,
              vmap=True, jit=True, second=None, raises=False):
        """Adds a probe.

        `f` takes the arrays `args` and returns a tree of arrays; whatever else it is told stands in `settings` too, for ours.
        `tolerance`: relative to an element and a quarter of the largest; without one 40 steps of the coarsest dtype.
        `exact`: the same bits. `signs`: zeros must have the sign of JAX's.
        `grad`: by all arguments that are floats, by those of a list of positions, or not at all. `jvp`: whether ours must have
        forward derivatives that agree with its gradients.
        `vmap`: over a second copy of the arguments, which are those backwards or `second`, where `None` is not mapped.
        `jit`: whether ours can be compiled. `raises`: JAX must raise an exception, and ours return an error.
        """
        assert name not in self.names, f"{name} twice"
        self.names.add(name)
        args = [jnp.asarray(x) for x in args]
        entry = {"name": name, "ours": ours, "settings": plain(settings or {}), "args": [array_text(x) for x in args]}
        for key, value, default in (("tolerance", tolerance, None), ("exact", exact, False), ("signs", signs, True),
                                    ("jit", jit, True), ("jvp", jvp, True)):
            if value != default:
                entry[key] = value
        leaves = lambda *args: [jnp.asarray(x) for x in jax.tree_util.tree_leaves(f(*args))]
        self.probes.append(entry)
        if raises:
            try:
                leaves(*args)
            except Exception as error:  # whatever JAX says
                entry["raises"] = type(error).__name__
                return
            raise AssertionError(f"{name}: JAX does not raise")
        outs = leaves(*args)
        entry["outs"] = [array_text(x) for x in outs]
        floats = [i for i, x in enumerate(args) if has_gradient(x)]
        by = floats if grad is True else list(grad or [])
        if by and any(has_gradient(x) for x in outs):
            entry["by"] = by
            entry["grads"] = [array_text(g) for g in jax.grad(lambda *args: loss(leaves(*args)), argnums=by)(*args)]
        if vmap and args:
            if second is None:
                second = [jnp.asarray(np.asarray(x).reshape(-1)[::-1].reshape(x.shape)) for x in args]
            second = [None if x is None else jnp.asarray(x) for x in second]
            stacked = [x if y is None else jnp.stack([x, y]) for x, y in zip(args, second, strict=True)]
            axes = [None if y is None else 0 for y in second]
            both = jax.vmap(leaves, in_axes=axes)(*stacked)
            entry["second"] = [None if y is None else array_text(y) for y in second]
            entry["second_outs"] = [array_text(x[1]) for x in both]

    def differs(self, name, part, why):
        """Says that ours differs in a part of a probe (`values`, `gradient`, `vmap` or `jvp`), and for what reason."""
        assert part in PARTS and name in self.names and why
        self.reasons.append({"probe": name, "part": part, "why": why})

    def write(self, folder, file):
        if self.failed:
            raise SystemExit("\n".join(self.failed))
        lines = ",\n".join("  " + json.dumps(p, separators=(",", ":"), allow_nan=False) for p in self.probes)
        reasons = json.dumps(self.reasons, indent=1)
        versions = json.dumps({"jax": jax.__version__, "numpy": np.__version__})
        text = f'{{\n "versions": {versions},\n "reasons": {reasons},\n "probes": [\n{lines}\n ]\n}}\n'
        (Path(folder) / file).write_text(text)
        print(f"{file}: {len(self.probes)} probes, {len(text) // 1000} KB")
