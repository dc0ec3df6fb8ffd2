"""Arguments of functions of JAX that few programs use: `python jax_more.py FOLDER` writes `jax_more.json`. Needs jax 0.10.2 on a CPU."""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from probes import Probes

probes = Probes()
probe = probes.probe
f32 = np.float32
rows = np.array([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3], [5, 8, 9, 7, 9]], f32)
weights = np.array([[1, 2, 0, 1, 0.5], [0.25, 4, 1, 1, 1], [1, 1, 1, 0, 2]], f32)
line = np.array([1, 2, 0.5, 0, 3], f32)
holes = np.where(np.array(rows) == 5, np.nan, rows).astype(f32)
single = dict(grad=False, jvp=False)


def quantile(name, x, w, q, axis, function=jnp.quantile, **options):
    ours = "nanquantile_weighted" if function is jnp.nanquantile else "quantile_weighted"
    settings = {"q": q, "axis": axis}
    probe(
        name,
        lambda x, w: function(x, jnp.asarray(q, x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else jnp.float32), axis, weights=w, method="inverted_cdf"),
        [x, w],
        ours=ours,
        settings=settings,
        **{**single, "second": [x[::-1].copy() if axis != 0 else x, w], **options},
    )


for q in (0.0, 0.3, 0.5, 1.0):
    quantile(f"weighted quantile {q}", rows, weights, q, 1)
quantile("weighted quantiles", rows, weights, [0.1, 0.5, 0.9], 1)
quantile("weighted quantiles of the other axis", rows, weights, [0.1, 0.5, 0.9], 0)
quantile("weights of the axis", rows, line, [0.25, 0.75], 1)
quantile("weighted quantile of all", rows, weights, 0.6, None)
quantile("weighted quantile of NaN", holes, weights, 0.4, 1)
quantile("weighted quantile without NaN", holes, weights, [0.4, 1.0], 1, jnp.nanquantile)
quantile("weighted quantile of nothing but NaN", np.full((2, 3), np.nan, f32), np.ones((2, 3), f32), 0.5, 1, jnp.nanquantile)
quantile("a weight that is negative", rows, -weights, 0.5, 1)
quantile("weights that are 0", rows, 0 * weights, 0.5, 1)
quantile("weighted quantile of integers", rows.astype(np.int32), weights, 0.5, 1)
quantile("weights that do not fit", rows, line[:3], 0.5, 1, raises=True)
for method in (jnp.quantile, jnp.nanquantile):
    probe(f"{method.__name__} by inverted_cdf", lambda x, m=method: m(x, jnp.asarray([0.0, 0.3, 0.8], f32), 1, method="inverted_cdf"), [holes],
          ours="nanquantile_by" if method is jnp.nanquantile else "quantile_by", settings={"q": [0.0, 0.3, 0.8], "axis": 1}, **single)


def unique(x, axis, **keywords):
    return jnp.unique(x, return_index=True, return_inverse=True, return_counts=True, axis=axis, **keywords)


slices = np.array([[3, 1, 3], [0, 2, 0], [3, 1, 3], [0, 1, 0]], np.int32)
cube = np.array([[[1, 2], [1, 2]], [[0, 2], [0, 2]], [[1, 2], [1, 2]]], f32)
nans = np.array([[np.nan, 1], [0, np.nan], [np.nan, 1], [0, 1]], f32)
known = dict(jit=False, vmap=False, **single)
for axis in (0, 1, -1):
    probe(f"unique along {axis}", lambda x, axis=axis: unique(x, axis), [slices], ours="unique", settings={"axis": axis}, **known)
for axis in (0, 1, 2):
    probe(f"unique of a cube along {axis}", lambda x, axis=axis: unique(x, axis), [cube], ours="unique", settings={"axis": axis}, **known)
probe("unique rows with NaN", lambda x: unique(x, 0), [nans], ours="unique", settings={"axis": 0}, **known)
probe("unique rows of booleans", lambda x: unique(x, 0), [slices > 0], ours="unique", settings={"axis": 0}, **known)
for size in (1, 3, 5):
    probe(f"unique rows of size {size}", lambda x, size=size: unique(x, 0, size=size), [slices], ours="unique",
          settings={"axis": 0, "size": size}, **single)
    probe(f"unique rows of size {size} filled", lambda x, size=size: unique(x, 0, size=size, fill_value=9), [slices], ours="unique",
          settings={"axis": 0, "size": size, "fill": 9}, **single)
probe("unique of no rows", lambda x: jnp.unique(x, axis=0), [np.zeros((0, 3), f32)], ours="unique_values", settings={"axis": 0}, **known)
probe("unique along no axis", lambda x: jnp.unique(x, axis=2), [slices], ours="unique_values", settings={"axis": 2}, raises=True)

square = np.array([[2, 5, 1], [1, 3, 7], [0.5, 2, -1]], f32)
for letter in "LU":
    probe(f"eigh of {letter}", lambda a, u=letter: jnp.linalg.eigh(a, UPLO=u, symmetrize_input=False)[0], [square], ours="eigh_triangle",
          settings={"lower": letter == "L"}, tolerance=1e-5, **single)
    for kind, part in (("matrix", np.tril if letter == "L" else np.triu),):
        whole = lambda a, u=letter: (jnp.tril(a) + jnp.tril(a, -1).T) if u == "L" else (jnp.triu(a) + jnp.triu(a, 1).T)
        probe(f"eigh of the {kind} of {letter}", lambda a, w=whole: jnp.linalg.eigvalsh(w(a)), [square], ours="eigh_triangle",
              settings={"lower": letter == "L"}, tolerance=1e-4, second=[square.T + np.eye(3, dtype=f32)])

covariance = np.array([[2.0, 0.3, -0.2], [0.3, 0.5, 0.1], [-0.2, 0.1, 1.0]], f32)
mean = np.array([1, -1, 0], f32)
data = np.asarray(jax.random.key_data(jax.random.key(32)))
for method in ("eigh", "svd", "cholesky"):
    # Each vector may point either way: so is the square of what is next to the mean of a diagonal covariance.
    diagonal = np.diag([3.0, 2.0, 0.5]).astype(f32)
    for name, matrix in (("diagonal", diagonal), ("singular", np.diag([3.0, 0.0, 0.5]).astype(f32))):
        if method == "cholesky" and name == "singular":
            continue
        probe(f"multivariate_normal by {method}, {name}",
              lambda k, m, c, method=method: jnp.square(jax.random.multivariate_normal(jax.random.wrap_key_data(k), m, c, (4, 5), method=method) - m),
              [data, mean, matrix], ours="multivariate_normal", settings={"method": method, "shape": [4, 5]}, tolerance=1e-4, vmap=False, **single)

x, w, b = (np.random.RandomState(i).randn(*s).astype(f32) for i, s in enumerate([(3, 4), (4, 5), (2, 7, 3)]))
kernel = np.random.RandomState(9).randn(3, 3, 2).astype(f32)
for precision in ("default", "highest", "bfloat16_3x", ("high", "fastest")):
    said = {"precision": list(precision) if isinstance(precision, tuple) else precision}
    probe(f"dot {precision}", lambda x, w, p=precision: jnp.dot(x, w, precision=p), [x, w], ours="dot", settings=said)
    probe(f"matmul {precision}", lambda x, w, p=precision: jnp.matmul(x, w, precision=p), [x, w], ours="matmul", settings=said)
    probe(f"einsum {precision}", lambda x, w, p=precision: jnp.einsum("ij,jk->ki", x, w, precision=p), [x, w], ours="einsum", settings=said)
    probe(f"conv {precision}", lambda x, k, p=precision: jax.lax.conv_general_dilated(x, k, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC"), precision=p),
          [b, kernel], ours="conv", settings=said)
probe("dot exact", lambda x, w: jnp.dot(x, w, precision="exact"), [x, w], ours="dot", settings={"precision": "exact"}, raises=True)
brief = [x.astype(jnp.bfloat16), w.astype(jnp.bfloat16)]
for name in ("dot", "matmul"):
    probe(f"{name} summed in f32", lambda x, w, name=name: getattr(jnp, name)(x, w, preferred_element_type=jnp.float32), brief, ours=name, settings={"sum": jnp.dtype("float32")}, **single)
    probe(f"{name} rounded to bf16", lambda x, w, name=name: getattr(jnp, name)(x, w, preferred_element_type=jnp.bfloat16), [x, w], ours=name, settings={"sum": jnp.dtype("bfloat16")}, **single)

probes.write(sys.argv[1], "jax_more.json")
