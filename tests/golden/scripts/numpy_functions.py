"""Writes `numpy_functions.json`: probes of functions of `jax.numpy`, `jax.lax` and `jax.nn` that are composed of others.

    python numpy_functions.py FOLDER

Needs jax 0.10.2 on a CPU.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, nn

from probes import Probes

inf, nan = float("inf"), float("nan")
LINE = np.array([0.0, -0.0, inf, -inf, nan, 1.0, -1.0, 0.5, -2.0, 3.0, -3.5, 6.0], np.float32)
x = np.array([[1.5, -2.0, 0.25], [3.0, -0.5, 2.0]], np.float32)
rows = np.array([[1.5, -2.0, 0.25, 4.0], [3.0, -0.5, 2.0, 1.0], [0.5, 0.75, -1.0, -3.0]], np.float32)
holes = np.array([[1.5, nan, 0.25, 4.0], [nan, nan, nan, nan], [0.5, 0.75, nan, -3.0]], np.float32)
mask = np.array([[True, False, True, True], [False, False, False, False], [False, True, True, False]])
ints = np.array([[3, -7, 2147483647], [-2147483648, 0, 5]], np.int32)
small = np.array([1, 2, 250, 255], np.uint8)
bools = np.array([[True, False, True], [False, False, True]])
half, brief = x.astype(np.float16), jnp.asarray(x, jnp.bfloat16)
empty = np.zeros((2, 0, 3), np.float32)
u = np.array([0, 1, 2, 3, 4, 5], np.int32)
ordered = np.array([0.5, 1.0, 1.0, 2.5, 4.0], np.float32)

probes = Probes()


def probe(name, f, args, ours=None, **kw):
    settings = {k: kw.pop(k) for k in list(kw) if k.startswith("_")}
    probes.probe(name, f, args, ours=ours or name.split()[0], settings={k[1:]: v for k, v in settings.items()}, **kw)


# clip, with promotion
for name, args, kw in (("both", [x], {"min": -1.0, "max": 1.0}), ("low", [x], {"min": 0.25}), ("high", [x], {"max": 2.0}),
                       ("bf16", [brief], {"min": 0, "max": 1}), ("ints", [ints], {"min": -5, "max": 4}),
                       ("corners", [LINE], {"min": -1.0, "max": 1.0}), ("crossed", [x], {"min": 1.0, "max": 0.0}), ("empty", [empty], {"min": 0.0})):
    probe(f"clip {name}", lambda x: jnp.clip(x, kw.get("min"), kw.get("max")), args, _min=kw.get("min"), _max=kw.get("max"))
probe("clip_tensors f32", lambda x, a, b: jnp.clip(x, a, b), [x, x[0] - 1, x[1]])
probe("clip_tensors mixed", lambda x, a, b: jnp.clip(x, a, b), [ints, np.float32(-2), np.float32(9.5)])
probe("clip_tensors f16 of bf16", lambda x, a, b: jnp.clip(x, a, b), [brief, half[0], half[0] + 1])

# diagonals
for k in (-1, 0, 2):
    probe(f"diag of vector {k}", lambda v: jnp.diag(v, k), [x[0]], _k=k)
    probe(f"diag of matrix {k}", lambda v: jnp.diag(v, k), [rows], _k=k)
    probe(f"diagflat {k}", lambda v: jnp.diagflat(v, k), [x], _k=k)
probe("diag beyond", lambda v: jnp.diag(v, 7), [x], _k=7)
probe("diag of ints", lambda v: jnp.diag(v, 1), [u], _k=1)
probe("diag of cube", lambda v: jnp.diag(v), [np.zeros((2, 2, 2))], raises=True, _k=0)
for k, a, b in ((0, 0, 1), (1, 2, 0), (-1, -1, 1), (-2, 0, 2)):
    cube = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    probe(f"diagonal_at {k} {a} {b}", lambda v: jnp.diagonal(v, k, a, b), [cube], _k=k, _a=a, _b=b)
for n, m, k in ((3, 3, 0), (2, 4, 1), (4, 2, -1), (2, 2, -3)):
    probe(f"tril_indices {n} {m} {k}", lambda: jnp.tril_indices(n, k, m), [], _n=n, _m=m, _k=k)
    probe(f"triu_indices {n} {m} {k}", lambda: jnp.triu_indices(n, k, m), [], _n=n, _m=m, _k=k)

# grids
for sparse in (False, True):
    for indexing in ("xy", "ij"):
        f = lambda *v: jnp.meshgrid(*v, indexing=indexing, sparse=sparse)
        probe(f"meshgrid two {indexing} {sparse}", f, [x[0], ordered], _indexing=indexing, _sparse=sparse)
        probe(f"meshgrid three {indexing} {sparse}", f, [x[0], u[:2], ordered[:2]], _indexing=indexing, _sparse=sparse)
probe("meshgrid one", lambda v: jnp.meshgrid(v), [x[0]], _indexing="xy", _sparse=False)
probe("mgrid", lambda: jnp.mgrid[0:2, 3:6], [], _ranges=[0, 2, 3, 6])
probe("mgrid single", lambda: jnp.mgrid[-2:2][None], [], _ranges=[-2, 2])
probe("indices", lambda: jnp.indices((2, 3)), [], _shape=[2, 3])
probe("iota", lambda: lax.broadcasted_iota(jnp.float32, (2, 3), 1), [], _dtype=np.float32, _shape=[2, 3], _axis=1)
for endpoint in (True, False):
    for count in (0, 1, 2, 5):
        probe(f"linspace {count} {endpoint}", lambda a, b: jnp.linspace(a, b, count, endpoint=endpoint, retstep=True),
              [np.float32(1.0), np.array([2.0, -3.0], np.float32)], _count=count, _endpoint=endpoint, vmap=count > 1)
    probe(f"logspace {endpoint}", lambda a, b: jnp.logspace(a, b, 4, endpoint=endpoint, base=3.0), [np.float32(0.5), np.float32(2.0)], _endpoint=endpoint,
          _base=3.0)
    probe(f"geomspace {endpoint}", lambda a, b: jnp.geomspace(a, b, 4, endpoint=endpoint), [np.float32(-2.0), np.float32(-54.0)], _endpoint=endpoint,
          tolerance=1e-5)
probe("linspace of ints", lambda a, b: jnp.linspace(a, b, 3, retstep=True), [np.int32(1), np.int32(4)], _count=3, _endpoint=True)
probe("linspace of bf16", lambda a, b: jnp.linspace(a, b, 4, retstep=True), [jnp.bfloat16(1), jnp.bfloat16(3)], _count=4, _endpoint=True)

# NaN
probe("nan_to_num f32", jnp.nan_to_num, [LINE])
probe("nan_to_num f16", jnp.nan_to_num, [LINE.astype(np.float16)])
probe("nan_to_num bf16", jnp.nan_to_num, [jnp.asarray(LINE, jnp.bfloat16)])
probe("nan_to_num ints", jnp.nan_to_num, [ints])
probe("nan_to_num given", lambda x: jnp.nan_to_num(x, nan=3.0, posinf=5.0, neginf=-7.0), [LINE], _nan=3.0, _posinf=5.0, _neginf=-7.0)
for name in ("nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd", "nanmedian"):
    f = getattr(jnp, name)
    probe(f"{name} rows", lambda x: f(x, 1, keepdims=True), [holes], _axis=1, _keepdims=True)
    probe(f"{name} all", f, [holes])
    probe(f"{name} ints", lambda x: f(x, 0), [ints], _axis=0)
    probe(f"{name} half", lambda x: f(x, 1), [np.concatenate([half, half * nan], 1)], _axis=1)

# reductions with where
for name in ("sum", "prod", "mean", "var", "std", "any", "all"):
    f = getattr(jnp, name)
    probe(f"{name}_where rows", lambda x: f(x, 1, where=mask), [rows], ours=f"{name}_where", _axis=1)
    probe(f"{name}_where all", lambda x, m: f(x, where=m), [rows, mask], ours=f"{name}_where")
    probe(f"{name}_where of ints kept", lambda x: f(x, 0, where=bools, keepdims=True), [ints], ours=f"{name}_where", _axis=0, _keepdims=True)
    probe(f"{name}_where of bf16, one row", lambda x: f(x, (0, 1), where=np.array([True, False, True])), [brief], ours=f"{name}_where", _axis=[0, 1])
    probe(f"{name}_where of nothing", lambda x: f(x, 1, where=np.ones((1, 1, 3), bool)), [empty], ours=f"{name}_where", _axis=1)
for name in ("max", "min"):
    f = getattr(jnp, name)
    probe(f"{name}_where rows", lambda x: f(x, 1, where=mask, initial=1.5), [rows], ours=f"{name}_where", _axis=1, _initial=1.5)
    probe(f"{name}_where ties", lambda x: f(x, 0, where=mask, initial=0.5), [np.full_like(rows, 0.5)], ours=f"{name}_where", _axis=0, _initial=0.5)
    probe(f"{name}_where ints", lambda x: f(x, where=bools, initial=1), [ints], ours=f"{name}_where", _initial=1)
    probe(f"{name}_where nothing", lambda x: f(x, 1, where=True, initial=-2.0), [empty], ours=f"{name}_where", _axis=1, _initial=-2.0)
for ddof in (1, 3):
    probe(f"var_where ddof {ddof}", lambda x: jnp.var(x, 1, ddof=ddof, where=mask), [rows], ours="var_where", _axis=1, _ddof=ddof)
probe("nanvar ddof", lambda x: jnp.nanvar(x, 1, ddof=2), [holes], _axis=1, _ddof=2)
probe("logsumexp_where rows", lambda x: nn.logsumexp(x, 1, where=mask), [rows], _axis=1)

# softmax and the like
for axis in (-1, (0, 1), (0, 2)):
    cube = np.arange(12, dtype=np.float32).reshape(2, 2, 3) % 5 - 1
    for name in ("softmax", "log_softmax", "logmeanexp", "standardize"):
        probe(f"{name} {axis}", lambda x: getattr(nn, name)(x, axis), [cube], _axis=axis)
for name in ("softmax", "log_softmax", "standardize"):
    probe(f"{name}_where rows", lambda x: getattr(nn, name)(x, 1, where=mask[[0, 2]]), [rows[[0, 2]]], _axis=1, ours=f"{name}_where", _mask="two",
          grad=name != "log_softmax")
    probe(f"{name}_where all", lambda x: getattr(nn, name)(x, (0, 1), where=mask), [rows], _axis=[0, 1], ours=f"{name}_where", grad=name != "log_softmax")

# activations
for name in ("mish", "sparse_plus", "sparse_sigmoid", "squareplus"):
    probe(f"{name} f32", getattr(nn, name), [LINE])
    probe(f"{name} bf16", getattr(nn, name), [brief])
probe("squareplus b", lambda x: nn.squareplus(x, 0.5), [x], _b=0.5)

# differences
probe("diff plain", jnp.diff, [rows], _n=1, _axis=-1)
probe("diff twice", lambda x: jnp.diff(x, 2, 0), [rows], _n=2, _axis=0)
probe("diff none", lambda x: jnp.diff(x, 0), [rows], _n=0, _axis=-1)
probe("diff too often", lambda x: jnp.diff(x, 5), [x], _n=5, _axis=-1)
probe("diff of bools", jnp.diff, [bools], _n=1, _axis=-1)
probe("diff of ints", jnp.diff, [ints], _n=1, _axis=-1)
probe("diff of empty", lambda x: jnp.diff(x, axis=1), [empty], _n=1, _axis=1)
probe("diff_with numbers", lambda x: jnp.diff(x, prepend=np.float32(7), append=np.float32(-1)), [rows], _n=1, _axis=-1)
probe("diff_with tensors", lambda x, a: jnp.diff(x, axis=0, prepend=a, append=a), [rows, rows[:1] * 2], _n=1, _axis=0)
probe("ediff1d plain", jnp.ediff1d, [rows])
probe("ediff1d with", lambda x, a, b: jnp.ediff1d(x, to_end=b, to_begin=a), [x, x[0], u])
places, values = np.array([-1.0, 0.0, 0.5, 2.0], np.float32), np.array([3.0, 1.0, 4.0, -1.0], np.float32)
at = np.array([[-2.0, -1.0, -0.5], [0.25, 0.5, 5.0]], np.float32)
probe("interp plain", jnp.interp, [at, places, values], second=[at[::-1], places + 0.5, values * 2])
probe("interp jump", jnp.interp, [np.array([0.5, 1.0, 1.5], np.float32), np.array([0, 1, 1, 2], np.float32), values], vmap=False)
probe("interp ints", jnp.interp, [u, np.array([1, 3, 4], np.int32), np.array([10, 20, 0], np.int32)], vmap=False)
probe("interp corners", jnp.interp, [LINE, places, values], vmap=False)
probe("interp_with given", lambda x, p, v: jnp.interp(x, p, v, left=-9.0, right=9.0), [at, places, values], _left=-9.0, _right=9.0, vmap=False)
probe("interp_with extrapolated", lambda x, p, v: jnp.interp(x, p, v, left="extrapolate", right="extrapolate"), [at, places, values], vmap=False)
probe("interp_periodic", lambda x, p, v: jnp.interp(x, p, v, period=3.0), [at, places, values], _period=3.0, vmap=False)

# histograms
many = np.array([0.1, 0.5, -1.0, 2.0, 2.0, 0.75, 1.9, -0.3], np.float32)
probe("histogram f32", lambda x: jnp.histogram(x, 4), [many], _bins=4)
probe("histogram of ints", lambda x: jnp.histogram(x, 3), [u], _bins=3)
probe("histogram of equals", lambda x: jnp.histogram(x, 2), [np.full(3, 2.5, np.float32)], _bins=2)
probe("histogram of matrix", lambda x: jnp.histogram(x, 3), [x], _bins=3)
probe("histogram_in edges", lambda x, e: jnp.histogram(x, e)[0], [many, np.array([-0.5, 0.0, 0.5, 2.0], np.float32)], vmap=False)
probe("histogram_in weights", lambda x, e, w: jnp.histogram(x, e, weights=w)[0], [many, np.array([-0.5, 0.0, 0.5, 2.0], np.float32), many * many],
      vmap=False)
probe("histogram_in density", lambda x, e: jnp.histogram(x, e, density=True)[0], [many, np.array([-0.5, 0.0, 0.5, 2.0], np.float32)],
      vmap=False, _density=True, grad=[])
probe("histogram_edges range", lambda x: jnp.histogram_bin_edges(x, 3, (-1.0, 2.0)), [many], _bins=3, _range=[-1.0, 2.0])
counted = np.array([1, 3, 1, 0, 7, -2], np.int32)
probe("bincount plain", jnp.bincount, [counted], jit=False, vmap=False)
probe("bincount length", lambda x: jnp.bincount(x, length=3), [counted], _length=3)
probe("bincount minlength", lambda x: jnp.bincount(x, minlength=10), [counted], _length=10, jit=False, vmap=False)
probe("bincount of bools", lambda x: jnp.bincount(x, length=2), [bools[0]], _length=2)
probe("bincount of u8", lambda x: jnp.bincount(x, length=5), [small], _length=5)
probe("bincount of nothing", lambda x: jnp.bincount(x, length=2), [np.zeros(0, np.int32)], _length=2)
probe("bincount weights", lambda x, w: jnp.bincount(x, w, length=4), [counted, many[:6]], _length=4, ours="bincount_weighted")
probe("bincount of floats", lambda x: jnp.bincount(x, length=3), [many], raises=True, _length=3)
for right in (False, True):
    bins = np.array([0.0, 1.0, 2.5, 4.0], np.float32)
    probe(f"digitize {right}", lambda x, b: jnp.digitize(x, b, right), [LINE, bins], _right=right, second=[LINE[::-1], bins])
    probe(f"digitize descending {right}", lambda x, b: jnp.digitize(x, b, right), [LINE, bins[::-1]], _right=right, second=[LINE[::-1], bins])

# quantiles
for method in ("linear", "lower", "higher", "nearest", "midpoint"):
    f = lambda x: jnp.quantile(x, np.array([0.0, 0.3, 0.5, 1.0], np.float32), 1, method=method)
    probe(f"quantile list {method}", f, [rows], _q=[0.0, 0.3, 0.5, 1.0], _axis=1, _method=method)
    probe(f"nanquantile list {method}", lambda x: jnp.nanquantile(x, np.array([0.0, 0.3, 1.0], np.float32), 1, method=method), [holes],
          _q=[0.0, 0.3, 1.0], _axis=1, _method=method)
probe("quantile all", lambda x: jnp.quantile(x, 0.4), [rows], _q=0.4)
probe("quantile of nan", lambda x: jnp.quantile(x, 0.4, 1), [holes], _q=0.4, _axis=1, grad=False)
probe("quantile of two axes", lambda x: jnp.quantile(x, 0.7, (2, 0)), [np.arange(12, dtype=np.float32).reshape(2, 2, 3) * 7 % 11], _q=0.7, _axis=[2, 0])
probe("quantile of ints", lambda x: jnp.quantile(x, 0.7, 0), [u], _q=0.7, _axis=0)
probe("quantile of bf16", lambda x: jnp.quantile(x, 0.7, 1), [brief], _q=0.7, _axis=1)
probe("nanquantile number", lambda x: jnp.nanquantile(x, 0.4, 1), [holes], _q=0.4, _axis=1)
probe("percentile", lambda x: jnp.percentile(x, 30.0, 1), [rows], _q=30.0, _axis=1)
probe("median all", jnp.median, [x])
probe("median rows", lambda x: jnp.median(x, 1, keepdims=True), [rows], _axis=1, _keepdims=True)
probe("median of ints", lambda x: jnp.median(x, 0), [u], _axis=0)

# averages
probe("average plain", lambda x, w: jnp.average(x, 1, w), [rows, rows[0] + 3], _axis=1)
probe("average full", lambda x, w: jnp.average(x, weights=w), [rows, rows + 4])
probe("average axes", lambda x, w: jnp.average(x, (2, 0), w), [np.arange(12, dtype=np.float32).reshape(2, 2, 3), np.arange(6, dtype=np.float32).reshape(3, 2) + 1],
      _axis=[2, 0])
probe("average of ints", lambda x, w: jnp.average(x, 0, w), [u, u], _axis=0)
probe("cov rows", jnp.cov, [rows], _rows=True, _ddof=1, tolerance=1e-5)
probe("cov columns", lambda x: jnp.cov(x, rowvar=False, bias=True), [rows], _rows=False, _ddof=0, tolerance=1e-5)
probe("cov of vector", jnp.cov, [x[0]], _rows=True, _ddof=1)
probe("cov of ints", jnp.cov, [u], _rows=True, _ddof=1)
probe("corrcoef rows", jnp.corrcoef, [rows], _rows=True, tolerance=1e-5, grad=False)
probe("corrcoef columns", lambda x: jnp.corrcoef(x, rowvar=False), [rows], _rows=False, tolerance=1e-5, grad=False)
probe("corrcoef of vector", jnp.corrcoef, [x[0]], _rows=True, grad=False)

# joined and split
for name in ("vstack", "hstack", "dstack", "column_stack"):
    probe(f"{name} vectors", lambda *v: getattr(jnp, name)(v), [x[0], u[:3]])
    probe(f"{name} matrices", lambda *v: getattr(jnp, name)(v), [x, x * 2])
probe("hstack of numbers", lambda *v: jnp.hstack(v), [np.float32(1), np.float32(2)])
for n in (1, 2, 3):
    for shape in ((), (3,), (2, 3), (1, 2, 3, 1)):
        probe(f"atleast_{n}d {shape}", getattr(jnp, f"atleast_{n}d"), [np.ones(shape, np.float32) * 2])
probe("append", jnp.append, [x, u])
probe("block", lambda a, b, c: jnp.block([[a, b], [c]]), [x, x[:, :1], np.ones(4, np.int32)])
for count in (1, 2, 4, 5):
    probe(f"array_split {count}", lambda x: jnp.array_split(x, count, 1), [rows], _count=count, _axis=1)
probe("broadcast_arrays", jnp.broadcast_arrays, [x, x[0], np.int32(3)])

# layouts
probe("fliplr", jnp.fliplr, [x])
probe("flipud", jnp.flipud, [x])
for k in (-1, 0, 1, 2, 3):
    probe(f"rot90 {k}", lambda x: jnp.rot90(x, k), [x], _k=k, _axes=[0, 1])
probe("rot90 axes", lambda x: jnp.rot90(x, 1, (2, 0)), [np.arange(12, dtype=np.float32).reshape(2, 2, 3)], _k=1, _axes=[2, 0])
for shape in ((2, 2), (3, 5), (0, 2), ()):
    probe(f"resize {shape}", lambda x: jnp.resize(x, shape), [x], _shape=shape)
probe("collapse", lambda x: lax.collapse(x, 0, 2), [np.arange(12, dtype=np.float32).reshape(2, 2, 3)], _start=0, _stop=2)
probe("broadcast_in_dim", lambda x: lax.broadcast_in_dim(x, (2, 4, 3), (0, 2)), [x], _shape=[2, 4, 3], _axes=[0, 2])
probe("broadcast_in_dim of ones", lambda x: lax.broadcast_in_dim(x, (2, 3), (1,)), [x[0, :1]], _shape=[2, 3], _axes=[1])
probe("delete", lambda x: jnp.delete(x, np.array([0, -1]), 1), [rows], _indices=[0, -1], _axis=1)

# chosen
probe("select_n ints", lambda i, *c: lax.select_n(i, *c), [np.array([[0, 2, 1], [1, 1, 0]], np.int32), x, x * 2, x * 3])
probe("select_n bools", lambda i, *c: lax.select_n(i, *c), [bools, x, x * 2])
probe("select_from", lambda a, b, p, q: jnp.select([a, b], [p, q], 7), [bools, x > 0, x, x * 10])
probe("select_from ints", lambda a, b, p, q: jnp.select([a, b], [p, q]), [bools, x > 0, ints, ints], ours="select_from", _default=0)
probe("choose", lambda i, a, b: jnp.choose(i, [a, b], mode="clip"), [np.array([0, 1, 9], np.int32), x, x * 2])
probe("piecewise", lambda x: jnp.piecewise(x, [x < 0, x > 1], [lambda x: x * x, lambda x: 2 * x, lambda x: -x]), [rows])
probe("piecewise default", lambda x: jnp.piecewise(x, [x < 0, x < 1], [lambda x: x * x, lambda x: 2 * x]), [rows], _short=True)

# floats
pairs = [np.repeat(LINE, len(LINE)), np.tile(LINE, len(LINE))]
probe("signbit f32", jnp.signbit, [LINE])
probe("signbit f16", jnp.signbit, [LINE.astype(np.float16)])
probe("signbit bf16", jnp.signbit, [jnp.asarray(LINE, jnp.bfloat16)])
probe("signbit ints", jnp.signbit, [ints])
probe("signbit bools", jnp.signbit, [bools])
probe("copysign", jnp.copysign, pairs)
probe("copysign of ints", jnp.copysign, [ints, ints[::-1]])
probe("nextafter", jnp.nextafter, [p[np.abs(np.nan_to_num(pairs[0], posinf=1, neginf=1)) > 0] for p in pairs], grad=False)
probe("nextafter f16", jnp.nextafter, [half, half[::-1]], grad=False)
probe("heaviside", jnp.heaviside, pairs)
probe("frexp f32", jnp.frexp, [np.concatenate([LINE, np.array([1e30, -1e-30, 0.99, 2**-126], np.float32)])], grad=False)
probe("frexp f16", jnp.frexp, [half], grad=False)
probe("frexp bf16", jnp.frexp, [brief], grad=False)
probe("ldexp", jnp.ldexp, [np.concatenate([LINE, np.float32([1e-30, 1e30])]), np.array([1, -3, 2, 2, 2, 0, 200, 10, -5, 3, -1, 7, 190, -190], np.int32)], grad=False)
probe("ldexp of bf16", jnp.ldexp, [brief, np.int32(3)], grad=False)
probe("ldexp of floats", jnp.ldexp, [x, x], raises=True)
probe("sinc", jnp.sinc, [LINE])
probe("sinc of ints", jnp.sinc, [u])
probe("float_power", jnp.float_power, [u, np.float32(0.5)])
probe("float_power ints", jnp.float_power, [u, u])
probe("logaddexp2", jnp.logaddexp2, [np.array([0.0, 1.0, -inf, 1000.0, nan], np.float32), np.array([0.0, 3.0, 2.0, 999.0, 1.0], np.float32)])
probe("logaddexp2 of infinities", jnp.logaddexp2, [np.array([inf, -inf], np.float32), np.array([2.0, -inf], np.float32)])
for part in ("gradient", "vmap"):
    probes.differs("logaddexp2 of infinities", part, "JAX's derivative of the smaller argument beside +inf is 4, and NaN of two of -inf")
probe("deg2rad", jnp.deg2rad, [LINE])
probe("rad2deg", jnp.rad2deg, [brief])
for d in (-1, 0, 1, 2, 60):
    probe(f"round_to f32 {d}", lambda x: jnp.round(x, d), [np.concatenate([LINE, np.float32([1.25, 15.0, 25.0, 0.125])])], _decimals=d)
probe("round_to f16", lambda x: jnp.round(x, 1), [half], _decimals=1)
probe("round_to bf16", lambda x: jnp.round(x, 1), [brief], _decimals=1)
probe("round_to ints", lambda x: jnp.round(x, 1), [ints], _decimals=1)
probe("round_to ints down", lambda x: jnp.round(x, -1), [ints], _decimals=-1, raises=True)
probe("divmod", jnp.divmod, [np.array([7.5, -7.5, 3.0, 0.0], np.float32), np.array([2.0, 2.0, -2.0, 1.0], np.float32)])
probe("divmod of ints", jnp.divmod, [ints, np.array([[3, 3, 3], [-1, 0, 2]], np.int32)])
for e, m in ((8, 7), (5, 10), (4, 3), (8, 23), (5, 2), (11, 52), (2, 0)):
    probe(f"reduce_precision {e} {m}", lambda x: lax.reduce_precision(x, e, m), [np.concatenate([LINE, np.float32([1 / 3, -2 / 3, 65520, 1e-6, 1.75, 250, 300, 1e30])])],
          _exponent=e, _mantissa=m, exact=True)
probe("reduce_precision f16", lambda x: lax.reduce_precision(x, 5, 2), [half], _exponent=5, _mantissa=2)
probe("reduce_precision bf16", lambda x: lax.reduce_precision(x, 4, 3), [brief], _exponent=4, _mantissa=3)

# bits
for name, array in (("i32", ints), ("u8", small), ("u32", ints.astype(np.uint32))):
    probe(f"population_count {name}", lax.population_count, [array])
    probe(f"leading_zeros {name}", lax.clz, [array])
    probe(f"bitwise_count {name}", jnp.bitwise_count, [array])

for name in ("gcd", "lcm"):
    probe(f"{name} i32", getattr(jnp, name), [np.array([12, -18, 0, 0, 7, 2147483647], np.int32), np.array([18, 12, 5, 0, 7, 2], np.int32)])
    probe(f"{name} u8", getattr(jnp, name), [small, small[::-1]])

# sorted together, searched, equal
keys = np.array([[2, 1, 2, 0], [3, 3, -1, 3]], np.int32)
probe("sort_key_val", lambda k, v: lax.sort_key_val(k, v), [keys, rows[:2]], _axis=-1)
probe("sort_together two keys", lambda a, b, c: lax.sort((a, b, c), dimension=1, num_keys=2), [keys, rows[:2], rows[1:] * 3], _keys=2, _axis=1)
probe("lexsort", lambda a, b: jnp.lexsort((a, b), axis=1), [rows[:2], keys], _axis=1)
probe("top_k_along", lambda x: lax.top_k(x, 2, axis=0), [rows], _k=2, _axis=0)
for initial in (False, True):
    probe(f"cumulative_sum {initial}", lambda x: jnp.cumulative_sum(x, axis=1, include_initial=initial), [rows], _axis=1, _initial=initial)
probe("cumulative_sum of bools", lambda x: jnp.cumulative_sum(x, axis=1, include_initial=True), [bools], _axis=1, _initial=True)
probe("is_in", jnp.isin, [LINE, np.float32([nan, 1.0, inf, 0.0])])
probe("is_in of ints", jnp.isin, [ints, u])
probe("is_in of nothing", jnp.isin, [ints, np.zeros(0, np.int32)])
probe("array_equal", jnp.array_equal, [x, x])
probe("array_equal nan", jnp.array_equal, [LINE, LINE])
probe("array_equal shapes", jnp.array_equal, [x, x[0]])
probe("array_equiv", jnp.array_equiv, [np.ones((2, 3), np.float32), np.ones(3, np.int32)])
probe("array_equiv shapes", jnp.array_equiv, [x, u])
probe("vdot", jnp.vdot, [x, x * 2])
probe("vdot of mixed", jnp.vdot, [x, ints])
probe("inner", jnp.inner, [rows, x @ np.ones((3, 4), np.float32)])
probe("inner of numbers", jnp.inner, [x, np.float32(2)])

# attention
random = np.random.default_rng(0)
draw = lambda *shape: random.normal(size=shape).astype(np.float32)
query, key, value = draw(2, 3, 4, 2), draw(2, 5, 2, 2), draw(2, 5, 2, 2)
seen = random.random((2, 4, 3, 5)) < 0.6
for name, args, kw in (
        ("plain", [query, key, value], {}), ("causal", [query, key, value], {"is_causal": True, "scale": 0.3}),
        ("window", [query, key, value], {"local_window_size": (1, 0)}), ("unbatched", [query[0], key[0], value[0]], {}),
        ("bf16", [jnp.asarray(x, jnp.bfloat16) for x in (query, key, value)], {"is_causal": True})):
    probe(f"attention {name}", lambda q, k, v: nn.dot_product_attention(q, k, v, **kw), args, _causal=kw.get("is_causal", False), _scale=kw.get("scale"),
          _window=kw.get("local_window_size"), tolerance=0.05 if name == "bf16" else 2e-5)
probe("attention bias", lambda q, k, v, b: nn.dot_product_attention(q, k, v, b), [query, key, value, draw(1, 4, 3, 5)], _with="bias", tolerance=2e-5)
probe("attention mask", lambda q, k, v, m: nn.dot_product_attention(q, k, v, mask=m), [query, key, value, seen], _with="mask", tolerance=2e-5)
probe("attention lengths", lambda q, k, v, a, b: nn.dot_product_attention(q, k, v, query_seq_lengths=a, key_value_seq_lengths=b),
      [query, key, value, np.array([3, 1], np.int32), np.array([2, 5], np.int32)], _with="lengths", tolerance=2e-5)

if __name__ == "__main__":
    probes.write(sys.argv[1], "numpy_functions.json")
