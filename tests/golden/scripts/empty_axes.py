"""Writes empty_axes.json: what JAX and Flax give where an axis has no elements.

Each operation takes arrays whose axes have letters. First all have their sizes; then one letter after the other becomes 0,
everywhere it stands. Floats are 0.5, integers 0, booleans true. An entry has the shapes of the arguments, and either the shapes,
dtypes and numbers of the results and of the gradients (of the sum of the results that are floats, by the arguments that are), or
that there is an error. NaN and infinities are strings. Run with jax, flax and optax installed, in the folder of the file.
"""

import json
import pathlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.scipy.linalg import solve_triangular

SIZES = dict(b=2, i=2, j=3, k=3, n=2, m=2, s=4, t=3, c=2, o=3, w=2, q=3, h=2, d=2, f=4)
DTYPES = dict(f=jnp.float32, i=jnp.int32, b=jnp.bool_, u=jnp.uint32)
OPS = {}


def op(name, args, f):
    """Arguments as in "ij jk:i": letters of the axes, and a dtype that is not float behind a colon."""
    OPS[name] = (args.split(), f)


def array(text, sizes):
    letters, _, dtype = text.partition(":")
    shape = tuple(sizes[letter] for letter in letters.replace("_", ""))
    dtype = DTYPES[dtype or "f"]
    value = {jnp.float32: 0.5, jnp.int32: 0, jnp.bool_: True, jnp.uint32: 0}[dtype]
    return jnp.full(shape, value, dtype)


def number(x):
    x = float(x)
    return x if np.isfinite(x) else str(x)


def kind(x):
    """Shape and dtype, which has the name that our printed graphs have."""
    short = dict(float32="f32", int32="i32", uint32="u32", bool="bool")
    return [list(x.shape), short[str(x.dtype)]]


def plain(x):
    x = jnp.asarray(x)
    return [*kind(x), [number(n) for n in np.asarray(x).ravel()]]


# Element by element.
for name in ["exp", "log", "sqrt", "tanh", "abs", "sign", "floor", "round", "square", "isnan"]:
    op(name, "ij", getattr(jnp, name))
for name in ["relu", "gelu", "silu", "softplus", "elu"]:
    op(name, "ij", getattr(jax.nn, name))
op("add_row", "ij j", jnp.add)
op("add_one", "ij", lambda x: x + jnp.ones((1, 1)))
op("mul_column", "ij i", lambda x, y: x * y[:, None])
op("pow", "ij ij", jnp.power)
op("logaddexp", "ij j", jnp.logaddexp)
op("less", "ij j", jnp.less)
op("select", "ij:b ij j", jnp.where)
op("clip", "ij", lambda x: jnp.clip(x, 0.0, 1.0))
op("cast", "ij", lambda x: x.astype(jnp.int32))

# Reductions: over either axis, and over both.
for name in ["sum", "prod", "max", "min", "mean", "var", "std", "any", "all", "count_nonzero"]:
    for label, axis in [("0", 0), ("1", 1), ("all", None)]:
        op(f"{name} {label}", "ij", lambda x, name=name, axis=axis: getattr(jnp, name)(x, axis=axis))
for label, axis in [("0", 0), ("1", 1), ("all", None)]:
    op(f"logsumexp {label}", "ij", lambda x, axis=axis: jax.nn.logsumexp(x, axis=axis))
for label, order in [("2", None), ("1", 1), ("inf", jnp.inf), ("0", 0)]:
    op(f"norm {label}", "ij", lambda x, order=order: jnp.linalg.norm(x, order, axis=1))
for label in [0, 1]:
    op(f"argmax {label}", "ij", lambda x, axis=label: jnp.argmax(x, axis))
    op(f"argmin {label}", "ij", lambda x, axis=label: jnp.argmin(x, axis))
    op(f"cumsum {label}", "ij", lambda x, axis=label: jnp.cumsum(x, axis))
    op(f"cumprod {label}", "ij", lambda x, axis=label: jnp.cumprod(x, axis))
    op(f"cummax {label}", "ij", lambda x, axis=label: lax.cummax(x, axis))
    op(f"cumlogsumexp {label}", "ij", lambda x, axis=label: lax.cumlogsumexp(x, axis))
    op(f"sort {label}", "ij", lambda x, axis=label: jnp.sort(x, axis))
    op(f"argsort {label}", "ij", lambda x, axis=label: jnp.argsort(x, axis))
    op(f"sort_descending {label}", "ij", lambda x, axis=label: jnp.sort(x, axis, descending=True))
    op(f"softmax {label}", "ij", lambda x, axis=label: jax.nn.softmax(x, axis))
    op(f"log_softmax {label}", "ij", lambda x, axis=label: jax.nn.log_softmax(x, axis))
    op(f"softmax_where {label}", "ij ij:b", lambda x, m, axis=label: jax.nn.softmax(x, axis, where=m))
    op(f"standardize {label}", "ij", lambda x, axis=label: jax.nn.standardize(x, axis))
op("glu", "in", lambda x: jax.nn.glu(x, -1))
op("top_k 0", "ij", lambda x: lax.top_k(x, 0))
op("top_k 1", "ij", lambda x: lax.top_k(x, 1))
op("searchsorted", "j n", jnp.searchsorted)

# Products.
op("matmul", "ij jk", jnp.matmul)
op("matmul batch", "bij bjk", jnp.matmul)
op("matmul vector", "ij j", jnp.matmul)
op("dot vectors", "j j", jnp.dot)
op("outer", "i j", jnp.outer)
op("tensordot", "ijk jkn", lambda x, y: jnp.tensordot(x, y, 2))
for text, args in [
    ("ij,jk->ik", "ij jk"),
    ("ij,jk->", "ij jk"),
    ("bij,bkj->bik", "bij bkj"),
    ("ij->ji", "ij"),
    ("ij->i", "ij"),
    ("ii->i", "ii"),
    ("ii->", "ii"),
    ("i,j,k->ijk", "i j k"),
]:
    op(f"einsum {text}", args, lambda *x, text=text: jnp.einsum(text, *x))


def conv(padding):
    return lambda x, w: lax.conv_general_dilated(x, w, (1,), padding, dimension_numbers=("NWC", "WIO", "NWC"))


op("conv SAME", "bsc wco", conv("SAME"))
op("conv VALID", "bsc wco", conv("VALID"))
for name in ["max_pool", "avg_pool"]:
    for padding in ["SAME", "VALID"]:
        pool = lambda x, name=name, padding=padding: getattr(nn, name)(x, (2,), padding=padding)
        op(f"{name} {padding}", "bsc", pool)

# Shapes.
op("concatenate", "ij nj", lambda x, y: jnp.concatenate([x, y], 0))
op("stack", "ij ij", lambda x, y: jnp.stack([x, y], 1))
op("split", "sj", lambda x: jnp.split(x, 2, 0))
op("tile", "ij", lambda x: jnp.tile(x, (2, 3)))
op("tile 0", "ij", lambda x: jnp.tile(x, (2, 0)))
op("repeat", "ij", lambda x: jnp.repeat(x, 2, 1))
op("roll", "ij", lambda x: jnp.roll(x, 2, 1))
op("flip", "ij", lambda x: jnp.flip(x, 1))
op("pad", "ij", lambda x: jnp.pad(x, ((1, 0), (0, 1))))
op("pad edge", "ij", lambda x: jnp.pad(x, ((1, 0), (0, 1)), mode="edge"))
op("pad reflect", "ij", lambda x: jnp.pad(x, ((1, 0), (0, 1)), mode="reflect"))
op("pad wrap", "ij", lambda x: jnp.pad(x, ((1, 0), (0, 1)), mode="wrap"))
op("pad interior", "ij", lambda x: lax.pad(x, jnp.float32(0), ((1, 0, 1), (0, 1, 2))))
op("transpose", "ij", jnp.transpose)
op("flatten", "ij", jnp.ravel)
op("broadcast_to", "ij", lambda x: jnp.broadcast_to(x, (2, *x.shape)))
op("slice", "sj", lambda x: x[1:3] if x.shape[0] else x[0:0])
op("tril", "ij", jnp.tril)
op("triu", "ij", lambda x: jnp.triu(x, 1))
op("diagonal", "kk", jnp.diagonal)
op("trace", "kk", jnp.trace)
op("one_hot", "n:i", lambda x: jax.nn.one_hot(x, 3))
op("one_hot 0", "n:i", lambda x: jax.nn.one_hot(x, 0))
op("dynamic_slice", "ij", lambda x: lax.dynamic_slice(x, (0, 0), (x.shape[0], x.shape[1] // 2)))
op("dynamic_update_slice", "ij i", lambda x, y: lax.dynamic_update_slice(x, y[:, None][:, : x.shape[1]], (0, 0)))

# Places.
op("take 0", "ij n:i", lambda x, i: jnp.take(x, i, 0))
op("take 1", "ij n:i", lambda x, i: jnp.take(x, i, 1))
op("take_clip 0", "ij n:i", lambda x, i: jnp.take(x, i, 0, mode="clip"))
op("take_along_axis 0", "ij nj:i", lambda x, i: jnp.take_along_axis(x, i, 0))
op("take_along_axis 1", "ij in:i", lambda x, i: jnp.take_along_axis(x, i, 1))
op("index_set", "ij n:i nj", lambda x, i, y: x.at[i].set(y))
op("index_add", "ij n:i nj", lambda x, i, y: x.at[i].add(y))
op("index_min", "ij n:i nj", lambda x, i, y: x.at[i].min(y))
op("index_max", "ij n:i nj", lambda x, i, y: x.at[i].max(y))
op("put_along_axis", "ij in:i in", lambda x, i, y: jnp.put_along_axis(x, i, y, 1, inplace=False))

# Linear algebra.
op("cholesky", "b_kk", lambda x: jnp.linalg.cholesky(x + jnp.eye(x.shape[-1])))
op("qr", "bjn", lambda x: tuple(jnp.linalg.qr(x + jnp.eye(*x.shape[1:]))))
op("triangular_solve", "bkk bkn", lambda a, b: solve_triangular(a + jnp.eye(a.shape[-1]), b, lower=True))

# Losses.
for name in ["softmax_cross_entropy", "hinge_loss", "perceptron_loss", "kl_divergence", "squared_error", "log_cosh"]:
    op(f"loss {name}", "bi bi", getattr(optax.losses, name))
for name in ["sigmoid_binary_cross_entropy", "sigmoid_focal_loss", "poly_loss_cross_entropy", "huber_loss"]:
    op(f"loss {name}", "bi bi", getattr(optax.losses, name))
op("loss cosine_similarity", "bi bi", lambda x, y: optax.losses.cosine_similarity(x, y, epsilon=1e-6))
op("loss cosine_distance", "bi bi", lambda x, y: optax.losses.cosine_distance(x, y, epsilon=1e-6))
op("loss smooth_labels", "bi", lambda x: optax.losses.smooth_labels(x, 0.1))
integer_labels = optax.losses.softmax_cross_entropy_with_integer_labels
op("loss softmax_cross_entropy_with_integer_labels", "bi b:i", integer_labels)

# Random numbers: only shapes and dtypes.
KEY = jax.random.key(0)
RANDOM = {
    "uniform": lambda x: jax.random.uniform(KEY, x.shape),
    "normal": lambda x: jax.random.normal(KEY, x.shape),
    "truncated_normal": lambda x: jax.random.truncated_normal(KEY, -1.0, 1.0, x.shape),
    "bernoulli": lambda x: jax.random.bernoulli(KEY, 0.5, x.shape),
    "bernoulli p": lambda x: jax.random.bernoulli(KEY, x, x.shape),
    "randint": lambda x: jax.random.randint(KEY, x.shape, 0, 3),
    "gumbel": lambda x: jax.random.gumbel(KEY, x.shape),
    "exponential": lambda x: jax.random.exponential(KEY, x.shape),
    "laplace": lambda x: jax.random.laplace(KEY, x.shape),
    "logistic": lambda x: jax.random.logistic(KEY, x.shape),
    "rademacher": lambda x: jax.random.rademacher(KEY, x.shape, jnp.int32),
    "bits": lambda x: jax.random.bits(KEY, x.shape),
    "categorical 0": lambda x: jax.random.categorical(KEY, x, 0),
    "categorical 1": lambda x: jax.random.categorical(KEY, x, 1),
    "permute 0": lambda x: jax.random.permutation(KEY, x, 0),
    "permute 1": lambda x: jax.random.permutation(KEY, x, 1),
    "permute_independently": lambda x: jax.random.permutation(KEY, x, 1, independent=True),
    "choice": lambda x: jax.random.choice(KEY, x, (2,), axis=0),
    "choice none": lambda x: jax.random.choice(KEY, x, (0,), axis=0),
    "choice distinct": lambda x: jax.random.choice(KEY, x, (x.shape[0],), axis=0, replace=False),
}
for name, f in RANDOM.items():
    op(f"random {name}", "ij", f)

# Layers: initialised with the key 0, and applied. Only shapes and dtypes.
def layer(name, args, module):
    op(f"layer {name}", args, lambda *x: module.init_with_output(dict(params=KEY, dropout=KEY), *x)[0])


layer("dense", "bi", nn.Dense(4))
layer("dense batch", "bsi", nn.Dense(4))
layer("dense 0", "bi", nn.Dense(0))
layer("dense_general", "bij", nn.DenseGeneral((2, 3), axis=(-2, -1)))
layer("conv SAME", "bsc", nn.Conv(3, (3,)))
layer("conv VALID", "bsc", nn.Conv(3, (3,), padding="VALID"))
layer("conv_transpose", "bsc", nn.ConvTranspose(3, (3,)))
layer("conv_local", "bsc", nn.ConvLocal(3, (3,)))
layer("embed", "bn:i", nn.Embed(5, 3))
layer("embed 0", "bn:i", nn.Embed(5, 0))
layer("layer_norm", "bi", nn.LayerNorm())
layer("rms_norm", "bi", nn.RMSNorm())
layer("group_norm", "bsi", nn.GroupNorm(num_groups=1))
layer("instance_norm", "bsi", nn.InstanceNorm())
layer("batch_norm", "bi", nn.BatchNorm(use_running_average=False))
layer("batch_norm eval", "bi", nn.BatchNorm(use_running_average=True))
layer("attention", "bsf btf", nn.MultiHeadDotProductAttention(2, qkv_features=4, out_features=3))
layer("prelu", "bi", nn.PReLU())
layer("weight_norm", "bi", nn.WeightNorm(nn.Dense(4)))
layer("dropout", "bi", nn.Dropout(0.5, deterministic=False))
op("dot_product_attention", "bqhd bkhd bkhd", nn.dot_product_attention)
op("causal_mask", "bs", nn.make_causal_mask)
op("attention_mask", "bq bk", nn.make_attention_mask)


def entry(name, args, f, zero):
    sizes = dict(SIZES)
    if zero:
        sizes[zero] = 0
    arrays = [array(text, sizes) for text in args]
    out = dict(op=name, args=[kind(x) for x in arrays])
    try:
        results = jax.tree.leaves(f(*arrays))
    except Exception as error:
        out["error"] = type(error).__name__
        return out
    keeps = not name.startswith(("random", "layer"))
    out["out"] = [plain(x) if keeps else kind(jnp.asarray(x)) for x in results]
    floats = [n for n, x in enumerate(arrays) if x.dtype == jnp.float32]
    if keeps and floats and any(x.dtype == jnp.float32 for x in results):

        def loss(inputs):
            all = list(arrays)
            for n, x in zip(floats, inputs):
                all[n] = x
            return sum(jnp.sum(x) for x in jax.tree.leaves(f(*all)) if x.dtype == jnp.float32)

        try:
            out["grads"] = [plain(x) for x in jax.grad(loss)([arrays[n] for n in floats])]
        except Exception as error:
            out["grad_error"] = type(error).__name__
    return out


def main():
    entries = []
    for name, (args, f) in OPS.items():
        letters = sorted({letter for text in args for letter in text.partition(":")[0] if letter != "_"})
        for zero in [None, *letters]:
            entries.append(entry(name, args, f, zero))
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    pathlib.Path("empty_axes.json").write_text(f"[\n{lines}\n]\n")


main()
