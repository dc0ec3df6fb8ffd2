"""Probes of `jax.numpy.linalg`, `jax.scipy.linalg`, and products of tensors. Run: python linear_algebra.py ../../jax

Eigenvectors and singular vectors may point either way, so that their squares are compared, and what they multiply to.
Made with jax 0.10.2, numpy 2.4.6.
"""

import sys

import jax.numpy as jnp
import jax.scipy.linalg as jsl
import numpy as np
from jax import lax
from probes import Probes

rng = np.random.default_rng(15)
probes = Probes()
probe = probes.probe
SMALL = 2e-5  # of a solution, relative to its largest elements
f32 = np.float32


def noise(*shape):
    return rng.uniform(-0.5, 0.5, shape).astype(f32)


def spread(*shape):
    """With eigenvalues and singular values that lie apart."""
    m, n = shape[-2:]
    return noise(*shape) + np.where(np.eye(m, n) == 1, 1.5 + 1.25 * np.arange(n), 0).astype(f32)


def positive(n):
    a = noise(n, n)
    return a @ a.T + np.eye(n, dtype=f32)


a2, a3, a4, a5 = (spread(n, n) for n in (2, 3, 4, 5))
b4 = noise(4)
batch = spread(2, 3, 3)
other = {n: [spread(n, n)] for n in (1, 2, 3, 4, 5)}
options = dict(tolerance=SMALL, signs=False)

# Decompositions.
squared = lambda f: lambda x: (lambda w, v: (w, v * v, v @ (w[..., None] * jnp.swapaxes(v, -1, -2))))(*f(x))
probe("eigh", squared(jnp.linalg.eigh), [a4], ours="eigh", second=other[4], **options)
probe("eigh of a batch", squared(jnp.linalg.eigh), [batch], ours="eigh", second=[spread(2, 3, 3)], **options)
probe("eigh of 1", squared(jnp.linalg.eigh), [spread(1, 1)], ours="eigh", second=other[1], **options)
probe("eigh of integers", squared(jnp.linalg.eigh), [np.array([[2, 1], [1, -3]])], ours="eigh", second=[np.array([[5, 1], [1, 3]])], **options)
probe("eigh of a diagonal", jnp.linalg.eigvalsh, [np.diag([3, -1, 2]).astype(f32)], ours="eigvalsh", second=[np.diag([1, 5, -2]).astype(f32)], **options)
probe("eigvalsh", jnp.linalg.eigvalsh, [a5], ours="eigvalsh", second=other[5], **options)
probe("eigvalsh of repeated eigenvalues", jnp.linalg.eigvalsh, [np.eye(3, dtype=f32)], ours="eigvalsh", second=other[3], jvp=False, **options)
probe("eigvalsh of zero", jnp.linalg.eigvalsh, [np.zeros((3, 3), f32)], ours="eigvalsh", second=other[3], jvp=False, **options)
nans = np.array([[1, np.nan], [np.nan, 2]], f32)
probe("eigh of NaN", jnp.linalg.eigh, [nans], ours="eigh_plain", grad=False, vmap=False, **options)
probe("eigh without elements", jnp.linalg.eigh, [np.zeros((0, 0), f32)], ours="eigh_plain", grad=False, vmap=False)
probe("eigh of bf16", jnp.linalg.eigh, [a2.astype(jnp.bfloat16)], ours="eigh_plain", raises=True)
probe("eigh not square", jnp.linalg.eigh, [noise(2, 3)], ours="eigh_plain", raises=True)


def svd(full):
    def f(x):
        u, s, vt = jnp.linalg.svd(x, full_matrices=full)
        k = s.shape[-1]
        thin_u, thin_vt = u[..., :k], vt[..., :k, :]
        return thin_u * thin_u, s, thin_vt * thin_vt, thin_u @ (s[..., None] * thin_vt)
    return f


for shape in ((4, 4), (5, 3), (3, 5), (1, 3), (2, 3, 2)):
    probe(f"svd of {shape}", svd(False), [spread(*shape)], ours="svd", settings={"full": False}, second=[spread(*shape)], **options)
probe("full svd", svd(True), [a3], ours="svd", settings={"full": True}, second=other[3], **options)
probe("full svd of (4, 2)", svd(True), [spread(4, 2)], ours="svd", settings={"full": True}, second=[spread(4, 2)], grad=False, jvp=False, **options)
probe("shapes of a full svd", lambda x: [jnp.zeros(y.shape) for y in jnp.linalg.svd(x)], [spread(2, 4)], ours="svd_shapes", grad=False)
probe("svdvals", lambda x: jnp.linalg.svd(x, compute_uv=False), [spread(4, 3)], ours="svdvals", second=[spread(4, 3)], **options)
probe("svdvals of rank one", lambda x: jnp.linalg.svd(x, compute_uv=False)[0], [np.ones((3, 4), f32)], ours="largest_singular_value", second=[spread(3, 4)], grad=False, jvp=False, **options)
probe("svd of NaN", lambda x: jnp.linalg.svd(x, full_matrices=False), [nans], ours="svd_plain", grad=False, vmap=False, **options)
probe("svd without rows", lambda x: jnp.linalg.svd(x, full_matrices=False), [np.zeros((0, 3), f32)], ours="svd_plain", grad=False, vmap=False)
probe("svd of f16", lambda x: jnp.linalg.svd(x, full_matrices=False), [a2.astype(np.float16)], ours="svd_plain", raises=True)

# LU, systems.
for shape in ((3, 3), (4, 2), (2, 4)):
    probe(f"lu of {shape}", jsl.lu, [spread(*shape)], ours="lu", second=[spread(*shape)[::-1].copy()], **options)
probe("lu_factor", jsl.lu_factor, [a4[::-1].copy()], ours="lu_factor", second=other[4], **options)
probe("lu of a singular matrix", jsl.lu, [np.array([[1, 2], [2, 4]], f32)], ours="lu", second=other[2], grad=False, jvp=False, **options)
probe("lu of zero", jsl.lu, [np.zeros((2, 2), f32)], ours="lu", second=other[2], grad=False, jvp=False, **options)
for transpose in (False, True):
    probe(f"lu_solve transpose={transpose}", lambda a, b: jsl.lu_solve(jsl.lu_factor(a), b, trans=int(transpose)),
          [a4[::-1].copy(), noise(4, 2)], ours="lu_solve", settings={"transpose": transpose}, second=[spread(4, 4), noise(4, 2)], **options)
probe("solve", jnp.linalg.solve, [a4, b4], ours="solve", second=[spread(4, 4), noise(4)], **options)
probe("solve of a matrix", jnp.linalg.solve, [a3, noise(3, 2)], ours="solve", second=[spread(3, 3), noise(3, 2)], **options)
probe("solve of batches", jnp.linalg.solve, [batch, noise(3, 2)], ours="solve", second=[spread(2, 3, 3), noise(3, 2)], **options)
probe("solve of a batch of right-hand sides", jnp.linalg.solve, [a3, noise(2, 3, 2)], ours="solve", second=[None, noise(2, 3, 2)], **options)
probe("solve of integers", jnp.linalg.solve, [np.array([[2, 1], [0, 4]]), np.array([3, 8])], ours="solve", second=[np.array([[1, 1], [0, 1]]), np.array([1, 2])], **options)
probe("solve of a singular matrix", jnp.linalg.solve, [np.zeros((2, 2), f32), np.ones(2, f32)], ours="solve", grad=False, jvp=False, vmap=False)
probe("solve of wrong sizes", jnp.linalg.solve, [a3, noise(4)], ours="solve", raises=True)
probe("inv", jnp.linalg.inv, [a4], ours="inv", second=other[4], **options)
probe("inv of a batch", jnp.linalg.inv, [batch], ours="inv", second=[spread(2, 3, 3)], **options)
probe("inv of a singular matrix", lambda x: jnp.isfinite(jnp.linalg.inv(x)).all(), [np.ones((2, 2), f32)], ours="inv_is_finite", grad=False, vmap=False)
probe("inv not square", jnp.linalg.inv, [noise(2, 3)], ours="inv", raises=True)
probe("cho_solve", lambda c, b: jsl.cho_solve((c, True), b), [np.linalg.cholesky(positive(3)), noise(3, 2)], ours="cho_solve",
      settings={"lower": True}, second=[np.linalg.cholesky(positive(3)), noise(3, 2)], **options)
probe("cho_solve of an upper factor", lambda c, b: jsl.cho_solve((c, False), b), [np.linalg.cholesky(positive(3)).T, noise(3)],
      ours="cho_solve", settings={"lower": False}, second=[np.linalg.cholesky(positive(3)).T, noise(3)], **options)

# Determinants.
for n in (1, 2, 3, 4, 5):
    probe(f"det of {n}", jnp.linalg.det, [spread(n, n)], ours="det", second=other[n], **options)
    probe(f"slogdet of {n}", jnp.linalg.slogdet, [spread(n, n)[::-1].copy()], ours="slogdet", second=other[n], **options)
probe("det of a batch", jnp.linalg.det, [spread(2, 4, 4)], ours="det", second=[spread(2, 4, 4)], **options)
singular = np.array([[1, 2, 0, 1], [2, 4, 0, 2], [0, 1, 3, 1], [1, 0, 1, 5]], f32)
probe("det of rank three", jnp.linalg.det, [singular], ours="det", second=other[4], jvp=False, **options)
probe("det of rank one", jnp.linalg.det, [np.ones((4, 4), f32)], ours="det", second=other[4], jvp=False, **options)
probe("slogdet of a singular matrix", jnp.linalg.slogdet, [singular], ours="slogdet", second=other[4], grad=False, jvp=False, **options)
probe("det without elements", jnp.linalg.det, [np.zeros((0, 0), f32)], ours="det", grad=False, vmap=False)
probe("det of integers", jnp.linalg.det, [np.array([[1, 2], [3, 4]])], ours="det", **options)
probe("det not square", jnp.linalg.det, [noise(2, 3)], ours="det", raises=True)

# By singular values.
for shape in ((3, 3), (4, 2), (2, 4)):
    probe(f"pinv of {shape}", jnp.linalg.pinv, [spread(*shape)], ours="pinv", second=[spread(*shape)], **options)
probe("pinv of rank one", jnp.linalg.pinv, [np.ones((2, 3), f32)], ours="pinv", second=[spread(2, 3)], grad=False, jvp=False, **options)
probe("pinv with rtol", lambda x: jnp.linalg.pinv(x, rtol=0.5), [a3], ours="pinv", settings={"rtol": 0.5}, second=other[3], grad=False, jvp=False, **options)
probe("pinv without rows", jnp.linalg.pinv, [np.zeros((0, 3), f32)], ours="pinv", grad=False, vmap=False)
probe("lstsq", jnp.linalg.lstsq, [spread(4, 2), noise(4)], ours="lstsq", second=[spread(4, 2), noise(4)], **options)
probe("lstsq of a matrix", lambda a, b: jnp.linalg.lstsq(a, b)[0], [spread(2, 3), noise(2, 2)], ours="lstsq_solution", second=[spread(2, 3), noise(2, 2)], **options)
for name, x in (("full", a3), ("one", np.ones((3, 4), f32)), ("zero", np.zeros((2, 2), f32)), ("of a vector", np.ones(3, f32))):
    probe(f"matrix_rank {name}", jnp.linalg.matrix_rank, [x], ours="matrix_rank", grad=False, second=[x * 2])
probe("matrix_rank with a tolerance", lambda x: jnp.linalg.matrix_rank(x, 2.0), [a3], ours="matrix_rank", settings={"tolerance": 2.0}, grad=False, second=other[3])
for n in (-2, -1, 0, 1, 2, 3, 5):
    probe(f"matrix_power {n}", lambda x: jnp.linalg.matrix_power(x, n), [a3 / 2], ours="matrix_power", settings={"n": n}, second=[spread(3, 3)], **options)
probe("matrix_power of integers", lambda x: jnp.linalg.matrix_power(x, 4), [np.array([[1, 1], [1, 0]])], ours="matrix_power", settings={"n": 4})

# Norms.
matrix = noise(3, 4)
for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
    text = str(order)
    probe(f"matrix norm {text}", lambda x: jnp.linalg.norm(x, order), [matrix], ours="matrix_norm", settings={"order": text},
          second=[spread(3, 4)], **options)
    probe(f"matrix norm {text} over axes", lambda x: jnp.linalg.norm(x, order, axis=(2, 0), keepdims=True), [noise(3, 2, 4)],
          ours="matrix_norm", settings={"order": text, "axes": [2, 0], "keep": True}, second=[noise(3, 2, 4)], **options)
for order in (2, 1, 0, 3, -1, 0.5, np.inf, -np.inf):
    probe(f"norm {order}", lambda x: jnp.linalg.norm(x, order, axis=1), [matrix], ours="norm", settings={"order": float(order)}, tolerance=SMALL)
probe("norm of all", jnp.linalg.norm, [noise(2, 3, 2)], ours="norm", tolerance=SMALL)
probe("norm of zeros", jnp.linalg.norm, [np.zeros(3, f32)], ours="norm", tolerance=SMALL, jvp=False, vmap=False)
probe("norm of integers", jnp.linalg.norm, [np.array([3, -4])], ours="norm")
probe("matrix norm of bf16", lambda x: jnp.linalg.norm(x, 1), [matrix.astype(jnp.bfloat16)], ours="matrix_norm", settings={"order": "1"})
probe("matrix norm of NaN", lambda x: jnp.linalg.norm(x, np.inf), [nans], ours="matrix_norm", settings={"order": "inf"}, grad=False)
probe("matrix norm without rows", lambda x: jnp.linalg.norm(x, 1), [np.zeros((0, 2), f32)], ours="matrix_norm", settings={"order": "1"}, grad=False, vmap=False)
for order in (None, 2, -2, 1, np.inf, "fro"):
    probe(f"cond {order}", lambda x: jnp.linalg.cond(x, order), [a3], ours="cond", settings={"order": str(2 if order is None else order)}, second=other[3], **options)
probe("cond of a singular matrix", lambda x: jnp.linalg.cond(x, 1), [np.zeros((2, 2), f32)], ours="cond", settings={"order": "1"}, grad=False, vmap=False)

# Exponentials.
for scale in (0.1, 1.0, 6.0):
    probe(f"expm of {scale}", jsl.expm, [(noise(3, 3) * scale).astype(f32)], ours="expm", second=[noise(3, 3)], tolerance=1e-4, signs=False)

# Products.
v3, w3 = noise(3), noise(3)
probe("inner", jnp.inner, [noise(2, 3), noise(4, 3)], ours="inner", tolerance=SMALL)
probe("inner of a scalar", jnp.inner, [noise(2, 3), noise()], ours="inner")
probe("vdot", jnp.vdot, [noise(2, 3), noise(3, 2)], ours="vdot", tolerance=SMALL)
probe("vdot of integers", jnp.vdot, [np.array([1, 2]), np.array([3, 4])], ours="vdot")
probe("vecdot", lambda x, y: jnp.linalg.vecdot(x, y, axis=0), [noise(3, 2), noise(3, 1)], ours="vecdot", settings={"axis": 0}, tolerance=SMALL)
probe("kron", jnp.kron, [noise(2, 3), noise(2, 2)], ours="kron")
probe("kron of other ranks", jnp.kron, [noise(2), noise(2, 3)], ours="kron")
probe("kron of integers and floats", jnp.kron, [np.array([1, 2]), noise(2, 1)], ours="kron")
probe("cross", jnp.cross, [v3, w3], ours="cross", tolerance=SMALL)
probe("cross of two and three", jnp.cross, [noise(4, 2), noise(4, 3)], ours="cross", tolerance=SMALL, signs=False)
probe("cross of two", jnp.cross, [noise(4, 2), noise(2)], ours="cross", tolerance=SMALL)
probe("cross along an axis", lambda x, y: jnp.cross(x, y, axis=0), [noise(3, 4), noise(3, 4)], ours="cross", settings={"axis": 0}, tolerance=SMALL)
probe("cross of four", jnp.cross, [noise(4), noise(4)], ours="cross", raises=True)
probe("outer", jnp.outer, [noise(2, 2), noise(3)], ours="outer")
probe("tensordot", lambda x, y: jnp.tensordot(x, y, axes=([1, 2], [1, 0])), [noise(2, 3, 4), noise(4, 3, 2)], ours="tensordot", tolerance=SMALL)
probe("multi_dot", lambda *x: jnp.linalg.multi_dot(x), [noise(3), noise(3, 4), noise(4, 2)], ours="multi_dot", tolerance=SMALL)
probe("multi_dot of four", lambda *x: jnp.linalg.multi_dot(x), [noise(2, 5), noise(5, 3), noise(3, 4), noise(4, 2)], ours="multi_dot", tolerance=SMALL)
probe("multi_dot of one", lambda *x: jnp.linalg.multi_dot(x), [noise(3, 3)], ours="multi_dot", raises=True)
for offset in (-4, -1, 0, 2):
    probe(f"diagonal {offset}", lambda x: jnp.diagonal(x, offset), [noise(3, 4)], ours="diagonal", settings={"offset": offset})
    probe(f"trace {offset}", lambda x: jnp.trace(x, offset), [noise(3, 4)], ours="trace", settings={"offset": offset}, tolerance=SMALL)
probe("diagonal over axes", lambda x: jnp.diagonal(x, 1, 2, 0), [noise(3, 2, 4)], ours="diagonal", settings={"offset": 1, "axes": [2, 0]})
probe("trace of booleans", jnp.trace, [np.eye(3, dtype=bool)], ours="trace")

# Triangular systems.
for lower in (False, True):
    probe(f"solve_triangular lower={lower}", lambda a, b: jsl.solve_triangular(a, b, lower=lower), [a3, noise(3, 2)], ours="solve_triangular",
          settings={"lower": lower}, second=[spread(3, 3), noise(3, 2)], **options)
probe("cholesky", jnp.linalg.cholesky, [positive(3)], ours="cholesky", second=[positive(3)], **options)
probe("cholesky of a matrix that is not positive", jnp.linalg.cholesky, [np.diag([1, -1]).astype(f32)], ours="cholesky", grad=False, jvp=False, vmap=False)
probe("qr", lambda x: jnp.linalg.qr(x), [spread(4, 3)], ours="qr", second=[spread(4, 3)], **options)

probes.write(sys.argv[1], "linear_algebra.json")
