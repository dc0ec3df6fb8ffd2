"""Random small programs, and what the real JAX 0.10.2 makes of them: values, gradients, tangents, batches.

    python random_programs.py SEED COUNT OUT.json [x64] [special]   makes new ones, in the form of tests/jax/programs.json
    python random_programs.py again tests/jax/programs.json [x64]   computes the results of a table anew

`x64` is for programs of F64 and I64 (with jax_enable_x64; results of JAX's default dtypes are cut to 32 bits, as ours are),
`special` puts NaN, infinities and extremes into the inputs. The table holds programs that once differed, and others until each
operation occurs; those with bare numbers are left out, as tables of dtypes have them.
"""
import os, sys, json, pickle, random, time, traceback
os.environ.setdefault("XLA_FLAGS", "--xla_allow_excess_precision=false --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ["JAX_PLATFORMS"] = "cpu"
import numpy as np
import jax, jax.numpy as jnp
X64 = "x64" in sys.argv or os.environ.get("X64") == "1"
if X64: jax.config.update("jax_enable_x64", True)
from jax import lax
import ml_dtypes
import flax.linen as fnn
import warnings
warnings.filterwarnings("ignore")

DT = {"f32": np.float32, "bf16": ml_dtypes.bfloat16, "f16": np.float16, "i32": np.int32, "u8": np.uint8, "u32": np.uint32, "bool": np.bool_, "f64": np.float64, "i64": np.int64}
NAME = {np.dtype(v): k for k, v in DT.items()}
isf = lambda d: d in ("f32", "bf16", "f16", "f64")

def name_of(x): return NAME[np.dtype(x.dtype)]

def encode(a, weak=False):
    a = np.asarray(a); n = NAME[a.dtype]
    b = a.astype(np.float32) if n in ("bf16", "f16") else a
    if n == "bool": b = a.astype(np.uint8)
    r = {"dtype": n, "shape": list(a.shape), "hex": np.ascontiguousarray(b).tobytes().hex()}
    if weak: r["weak"] = True
    return r

def decode(j):
    n = j["dtype"]; raw = bytes.fromhex(j["hex"])
    store = {"bf16": np.float32, "f16": np.float32, "bool": np.uint8}.get(n, DT[n])
    a = np.frombuffer(raw, store).reshape(j["shape"])
    return a.astype(DT[n])

J = jax.nn
UN = dict(exp=jnp.exp, exp2=jnp.exp2, expm1=jnp.expm1, log=jnp.log, log2=jnp.log2, log10=jnp.log10, log1p=jnp.log1p, sqrt=jnp.sqrt,
  rsqrt=lambda x: lax.rsqrt(inx(x)), cbrt=jnp.cbrt, sin=jnp.sin, cos=jnp.cos, tan=jnp.tan, asin=jnp.arcsin, acos=jnp.arccos, atan=jnp.arctan,
  sinh=jnp.sinh, cosh=jnp.cosh, tanh=jnp.tanh, asinh=jnp.arcsinh, acosh=jnp.arccosh, atanh=jnp.arctanh, logistic=lambda x: J.sigmoid(inx(x)),
  erf=lambda x: lax.erf(inx(x)), erfc=lambda x: lax.erfc(inx(x)), erf_inv=lambda x: lax.erf_inv(inx(x)), lgamma=lambda x: lax.lgamma(inx(x)),
  digamma=lambda x: lax.digamma(inx(x)), floor=jnp.floor, ceil=jnp.ceil, round=jnp.round, trunc=jnp.trunc, neg=jnp.negative,
  logical_not=jnp.bitwise_not, sign=jnp.sign, relu=J.relu, is_finite=jnp.isfinite, is_nan=jnp.isnan, is_inf=jnp.isinf, abs=jnp.abs,
  square=jnp.square, reciprocal=lambda x: jnp.reciprocal(inx(x)), relu6=lambda x: J.relu6(inx(x)), log_sigmoid=lambda x: J.log_sigmoid(inx(x)), softplus=lambda x: J.softplus(inx(x)),
  soft_sign=lambda x: J.soft_sign(inx(x)), silu=lambda x: J.silu(inx(x)), hard_sigmoid=lambda x: J.hard_sigmoid(inx(x)), hard_silu=lambda x: J.hard_silu(inx(x)), hard_tanh=lambda x: J.hard_tanh(inx(x)),
  selu=lambda x: J.selu(inx(x)), gelu=lambda x: J.gelu(inx(x)), gelu_exact=lambda x: J.gelu(inx(x), approximate=False), next_up=lambda x: jnp.nextafter(x, jnp.array(np.inf, x.dtype)),
  next_down=lambda x: jnp.nextafter(x, jnp.array(-np.inf, x.dtype)), stop_gradient=lax.stop_gradient)
def inx(x):
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.float32)
def bshift(f):
    def g(x, y): return f(x, y.astype(x.dtype))
    return g
BIN = dict(add=jnp.add, sub=jnp.subtract, mul=jnp.multiply, div=jnp.true_divide, fmod=jnp.fmod, pow=jnp.power, maximum=jnp.maximum, minimum=jnp.minimum,
  atan2=jnp.arctan2, bitand=jnp.bitwise_and, bitor=jnp.bitwise_or, bitxor=jnp.bitwise_xor, shl=bshift(jnp.left_shift), shr=bshift(jnp.right_shift),
  remainder=jnp.remainder, floor_divide=jnp.floor_divide, hypot=jnp.hypot, logaddexp=jnp.logaddexp, eq=jnp.equal, ne=jnp.not_equal, lt=jnp.less,
  le=jnp.less_equal, gt=jnp.greater, ge=jnp.greater_equal, matmul=jnp.matmul, dot=jnp.dot, outer=jnp.outer)

def norm(x, axes, keep, o):
    x = inx(x); axes = tuple(axes)
    if o == 2.0: return jnp.sqrt(jnp.sum(x * x, axes, keepdims=keep))
    a = jnp.abs(x)
    if o == np.inf: return jnp.max(a, axes, keepdims=keep)
    if o == -np.inf: return jnp.min(a, axes, keepdims=keep)
    if o == 1.0: return jnp.sum(a, axes, keepdims=keep)
    if o == 0.0: return jnp.sum(x != 0, axes, keepdims=keep, dtype=x.dtype)
    return jnp.power(jnp.sum(jnp.power(a, o), axes, keepdims=keep), 1.0 / o)

def red(f):
    return lambda n, a: f(a[0], axis=tuple(n["axes"]), keepdims=n["keep"])
def cum(f, widen=False, inexact=False):
    def g(n, a):
        x = a[0]
        if widen and x.dtype == jnp.bool_: x = x.astype(jnp.int32)
        if inexact: x = inx(x)
        return f(x, axis=n["axis"] % x.ndim, reverse=n["keep"])
    return g
def at(x, axis, idx): return x.at[(slice(None),) * (axis % x.ndim) + (idx,)]
def mixed(*xs):
    d = jnp.result_type(*xs); return [jnp.asarray(x, d) for x in xs]
def clampf(x, lo, hi):
    d = jnp.result_type(lo, x, hi); s = jnp.broadcast_shapes(jnp.shape(x), jnp.shape(lo), jnp.shape(hi))
    return lax.clamp(*[jnp.broadcast_to(jnp.asarray(v).astype(d), s) for v in (lo, x, hi)])
def conv(n, a):
    sp = a[0].ndim - 2
    S = "DHW"[3 - sp:]
    dn = ("N" + S + "C", S + "IO", "N" + S + "C") if not n["keep"] else ("NC" + S, "OI" + S, "NC" + S)
    pad = n["padding"]; pad = pad if isinstance(pad, str) else [tuple(p) for p in pad]
    return lax.conv_general_dilated(a[0], a[1], n["strides"], pad, lhs_dilation=n["lhs_dilation"], rhs_dilation=n["rhs_dilation"],
        dimension_numbers=dn, feature_group_count=n["k"])
def reduce_window(n, a):
    x = a[0]; pad = n["padding"]; pad = pad if isinstance(pad, str) else [tuple(p) for p in pad]
    k = n["kind"]; d = x.dtype
    if k in ("max", "min"):
        if jnp.issubdtype(d, jnp.floating): init = np.array(-np.inf if k == "max" else np.inf, d)
        else: ii = jnp.iinfo(d); init = np.array(ii.min if k == "max" else ii.max, d)
    else: init = np.array(0 if k == "sum" else 1, d)
    f = {"sum": lax.add, "max": lax.max, "min": lax.min, "prod": lax.mul}[k]
    return lax.reduce_window(x, init, f, tuple(n["window"]), tuple(n["strides"]), pad, tuple(n["base_dilation"]), tuple(n["window_dilation"]))
def pool(n, a):
    pad = n["padding"]; pad = pad if isinstance(pad, str) else [tuple(p) for p in pad]
    kw = dict(window_shape=tuple(n["window"]), strides=tuple(n["strides"]), padding=pad)
    if n["kind"] == "avg": return fnn.avg_pool(a[0], count_include_pad=n["keep"], **kw)
    return (fnn.max_pool if n["kind"] == "max" else fnn.min_pool)(a[0], **kw)
def glu(x, axis): return J.glu(inx(x), axis)
def searchsorted(n, a): return jnp.searchsorted(a[0], a[1], side="right" if n["keep"] else "left")
def top_k(n, a): return lax.top_k(a[0], n["k"])[1 if n["keep"] else 0]
def take(mode):
    return lambda n, a: jnp.take(a[0], a[1], axis=n["axis"], mode=mode)
def gather_nd(n, a):
    idx = a[1]; return a[0].at[tuple(idx[..., k] for k in range(idx.shape[-1]))].get(mode="fill")
def put_along(n, a):
    return jnp.put_along_axis(a[0], a[1], a[2].astype(a[0].dtype), axis=n["axis"], inplace=False)
def sl(n, a):
    return lax.slice(a[0], n["starts"], n["ends"], n["strides"])
def sas(n, a):
    return a[0][(slice(None),) * (n["axis"] % a[0].ndim) + (slice(n["start"], n["end"], n["k"]),)]
def dg(n, a):
    return lax.dot_general(a[0], a[1], ((tuple(n["contract"][0]), tuple(n["contract"][1])), (tuple(n["batch"][0]), tuple(n["batch"][1]))))
def pads(n): return [tuple(p) for p in n["widths"]]
def tri_solve(n, a):
    A, b = [inx(v) for v in a]
    bs = jnp.broadcast_shapes(A.shape[:-2], b.shape[:-2])
    A = jnp.broadcast_to(A, bs + A.shape[-2:]); b = jnp.broadcast_to(b, bs + b.shape[-2:])
    return lax.linalg.triangular_solve(A, b, left_side=n["left"], lower=n["lower"], transpose_a=n["trans"], unit_diagonal=n["unit"])
R = jax.random
def K(a): return R.wrap_key_data(a, impl="threefry2x32")
def sh(n): return tuple(n.get("shape") or ())
RNG = dict(
  rng_uniform=lambda n, a: R.uniform(K(a[0]), sh(n), DT[n["to"]]),
  rng_uniform_in=lambda n, a: R.uniform(K(a[0]), sh(n), jnp.result_type(a[1], a[2]), a[1], a[2]),
  rng_normal=lambda n, a: R.normal(K(a[0]), sh(n), DT[n["to"]]),
  rng_truncated=lambda n, a: R.truncated_normal(K(a[0]), a[1], a[2], sh(n), jnp.result_type(a[1], a[2])),
  rng_bernoulli=lambda n, a: R.bernoulli(K(a[0]), a[1], sh(n)),
  rng_randint=lambda n, a: R.randint(K(a[0]), sh(n), a[1], a[2], DT[n["to"]]),
  rng_gumbel=lambda n, a: R.gumbel(K(a[0]), sh(n), DT[n["to"]]),
  rng_exponential=lambda n, a: R.exponential(K(a[0]), sh(n), DT[n["to"]]),
  rng_laplace=lambda n, a: R.laplace(K(a[0]), sh(n), DT[n["to"]]),
  rng_logistic=lambda n, a: R.logistic(K(a[0]), sh(n), DT[n["to"]]),
  rng_rademacher=lambda n, a: R.rademacher(K(a[0]), sh(n), jnp.int32),
  rng_categorical=lambda n, a: R.categorical(K(a[0]), a[1], n["axis"]),
  rng_categorical_of=lambda n, a: R.categorical(K(a[0]), a[1], n["axis"], sh(n)),
  rng_permutation=lambda n, a: R.permutation(K(a[0]), n["k"]),
  rng_permute=lambda n, a: R.permutation(K(a[0]), a[1], n["axis"]),
  rng_permute_ind=lambda n, a: R.permutation(K(a[0]), a[1], n["axis"], independent=True),
  rng_bits=lambda n, a: R.bits(K(a[0]), sh(n), {8: jnp.uint8, 32: jnp.uint32}[n["k"]]),
  rng_choice=lambda n, a: R.choice(K(a[0]), a[1], sh(n), not n["keep"], a[2] if len(a) > 2 else None, n["axis"]),
  rng_split=lambda n, a: R.key_data(R.split(K(a[0]), n["k"])),
  rng_fold=lambda n, a: R.key_data(R.fold_in(K(a[0]), a[1])),
)
OPS = {
  "powi": lambda n, a: lax.integer_pow(a[0].astype(jnp.int32) if a[0].dtype == jnp.bool_ else a[0], n["k"]),
  "leaky_relu": lambda n, a: J.leaky_relu(inx(a[0]), n["f"]), "elu": lambda n, a: J.elu(inx(a[0]), n["f"]), "celu": lambda n, a: J.celu(inx(a[0]), n["f"]),
  "is_close": lambda n, a: jnp.isclose(a[0], a[1], rtol=0.1, atol=0.01),
  "mul_add": lambda n, a: a[0] * a[1] + a[2], "clamp": lambda n, a: clampf(a[0], a[1], a[2]),
  "select": lambda n, a: jnp.where(a[0], a[1], a[2]),
  "cast": lambda n, a: jnp.asarray(a[0]).astype(DT[n["to"]]), "bitcast": lambda n, a: lax.bitcast_convert_type(a[0], DT[n["to"]]),
  "sum": red(jnp.sum), "prod": red(jnp.prod), "max": red(jnp.max), "min": red(jnp.min), "any": red(jnp.any), "all": red(jnp.all), "mean": red(jnp.mean),
  "var": lambda n, a: jnp.var(a[0], axis=tuple(n["axes"]), ddof=n["k"], keepdims=n["keep"]), "std": lambda n, a: jnp.std(a[0], axis=tuple(n["axes"]), ddof=n["k"], keepdims=n["keep"]),
  "logsumexp": lambda n, a: J.logsumexp(inx(a[0]), axis=tuple(n["axes"]), keepdims=n["keep"]),
  "count_nonzero": lambda n, a: jnp.count_nonzero(a[0], axis=tuple(n["axes"]), keepdims=n["keep"]),
  "norm": lambda n, a: norm(a[0], n["axes"], n["keep"], {"inf": np.inf, "-inf": -np.inf}.get(n.get("ord"), n.get("f"))),
  "argmax": lambda n, a: jnp.argmax(a[0], n["axis"], keepdims=n["keep"]), "argmin": lambda n, a: jnp.argmin(a[0], n["axis"], keepdims=n["keep"]),
  "cumsum": cum(lax.cumsum, True), "cumprod": cum(lax.cumprod, True), "cummax": cum(lax.cummax), "cummin": cum(lax.cummin), "cumlogsumexp": cum(lax.cumlogsumexp, inexact=True),
  "sort": lambda n, a: jnp.sort(a[0], n["axis"], descending=n["keep"]), "argsort": lambda n, a: jnp.argsort(a[0], n["axis"], descending=n["keep"]),
  "top_k": top_k, "searchsorted": searchsorted, "take": take("fill"), "take_clip": take("clip"),
  "take_along_axis": lambda n, a: jnp.take_along_axis(a[0], a[1], n["axis"], mode="fill"), "gather_nd": gather_nd,
  "index_set": lambda n, a: at(a[0], n["axis"], a[1]).set(a[2]), "index_add": lambda n, a: at(a[0], n["axis"], a[1]).add(a[2]),
  "index_min": lambda n, a: at(a[0], n["axis"], a[1]).min(a[2]), "index_max": lambda n, a: at(a[0], n["axis"], a[1]).max(a[2]),
  "put_along_axis": put_along,
  "dynamic_slice": lambda n, a: lax.dynamic_slice(a[0], a[1:], n["sizes"]),
  "dynamic_update_slice": lambda n, a: lax.dynamic_update_slice(a[0], a[1].astype(a[0].dtype), a[2:]),
  "slice": sl, "slice_axis_step": sas, "index_axis": lambda n, a: lax.index_in_dim(a[0], n["k"], n["axis"], keepdims=False),
  "flip": lambda n, a: jnp.flip(a[0], tuple(n["axes"])), "roll": lambda n, a: jnp.roll(a[0], n["k"], n["axis"]),
  "concatenate": lambda n, a: jnp.concatenate(a, n["axis"]), "stack": lambda n, a: jnp.stack(a, n["axis"]),
  "split": lambda n, a: jnp.split(a[0], n["k"], n["axis"])[n["piece"]],
  "pad": lambda n, a: jnp.pad(a[0], pads(n), constant_values=a[1]) , "pad_interior": lambda n, a: lax.pad(a[0], jnp.asarray(a[1]).astype(a[0].dtype), pads(n)),
  "pad_mode": lambda n, a: jnp.pad(a[0], pads(n), mode=n["mode"]),
  "reshape": lambda n, a: jnp.reshape(a[0], n["shape"]), "flatten": lambda n, a: jnp.reshape(a[0], a[0].shape[:n["k"]] + (int(np.prod(a[0].shape[n["k"]:])),)),
  "transpose": lambda n, a: jnp.transpose(a[0], n["axes"]), "swap_axes": lambda n, a: jnp.swapaxes(a[0], *n["axes"]), "move_axis": lambda n, a: jnp.moveaxis(a[0], *n["axes"]),
  "broadcast_to": lambda n, a: jnp.broadcast_to(a[0], n["shape"]), "expand_dims": lambda n, a: jnp.expand_dims(a[0], tuple(n["axes"])), "squeeze": lambda n, a: jnp.squeeze(a[0], tuple(n["axes"])),
  "tile": lambda n, a: jnp.tile(a[0], n["shape"]), "repeat": lambda n, a: jnp.repeat(a[0], n["k"], n["axis"]), "tril": lambda n, a: jnp.tril(a[0], n["k"]), "triu": lambda n, a: jnp.triu(a[0], n["k"]),
  "diagonal": lambda n, a: jnp.diagonal(a[0], axis1=-2, axis2=-1), "trace": lambda n, a: jnp.sum(jnp.diagonal(a[0], axis1=-2, axis2=-1), -1, dtype=a[0].dtype),
  "one_hot": lambda n, a: J.one_hot(a[0], n["k"], dtype=DT[n["to"]], axis=n["axis"]),
  "softmax": lambda n, a: J.softmax(inx(a[0]), n["axis"]), "log_softmax": lambda n, a: J.log_softmax(inx(a[0]), n["axis"]),
  "softmax_where": lambda n, a: jnp.where(a[1], J.softmax(inx(a[0]), n["axis"], where=a[1]), 0),
  "standardize": lambda n, a: J.standardize(inx(a[0]), n["axis"], epsilon=1e-5), "glu": lambda n, a: glu(a[0], n["axis"]),
  "tensordot": lambda n, a: jnp.tensordot(a[0], a[1], n["pairs"]), "einsum": lambda n, a: jnp.einsum(n["spec"], *a), "dot_general": dg,
  "conv": conv, "reduce_window": reduce_window, "pool": pool,
  "cholesky": lambda n, a: jnp.linalg.cholesky(inx(a[0])), "qr": lambda n, a: jnp.linalg.qr(inx(a[0]))[1 if n["keep"] else 0], "triangular_solve": tri_solve,
}
OPS.update(RNG)
def step(n, a):
    """As JAX; under x64, results of the default integer or float are 32 bits unless an operand is 64 (Flaxen without its switch)."""
    o = step0(n, a)
    if not X64: return o
    wide = any(str(getattr(x, "dtype", "")) in ("float64", "int64") and not getattr(x, "weak_type", False) for x in a)
    if wide or n.get("to") in ("f64", "i64"):
        isint = str(o.dtype) == "int64" and not any(str(getattr(x, "dtype", "")) == "int64" for x in a) and n.get("to") != "i64"
        if isint: return lax.convert_element_type_p.bind(o, new_dtype=np.dtype(np.int32), weak_type=False, sharding=None) if False else o.astype(np.int32)
        if n["op"] in IDX and str(o.dtype) == "int64": return o.astype(np.int32)
        return o
    if str(o.dtype) in ("int64", "float64"):
        t = np.int32 if str(o.dtype) == "int64" else np.float32
        if getattr(o, "weak_type", False):
            from jax._src.lax import lax as _l
            return _l._convert_element_type(o, t, weak_type=True)
        return o.astype(t)
    return o
IDX = ("argmax", "argmin", "argsort", "searchsorted", "count_nonzero", "rng_permutation", "rng_categorical", "rng_categorical_of")
def step0(n, a):
    op = n["op"]
    if len(a) == 1 and op in UN: return UN[op](a[0])
    if len(a) == 2 and op in BIN: return BIN[op](a[0], a[1])
    return OPS[op](n, a)

def run_all(nodes, ins):
    vals = list(ins); outs = []
    for n in nodes:
        o = step(n, [vals[i] for i in n["args"]])
        vals.append(o); outs.append(o)
    return outs

# ---- generation
class Gen:
    def __init__(self, rng, special=False, big=False):
        self.r = rng; self.special = special; self.inputs = []; self.weak = []; self.nodes = []; self.avals = []; self.kind = []; self.big = big
    def dims(self, rank=None, lo=0, zero=0.08):
        r = self.r
        if rank is None: rank = r.choices([0, 1, 2, 3, 4, 5], [2, 5, 6, 4, 2, 1])[0]
        hi = {0: 1, 1: 7, 2: 5, 3: 4, 4: 3, 5: 3}[rank]
        if self.big: hi = {0: 1, 1: 4000, 2: 70, 3: 17, 4: 8, 5: 5}[rank]
        return [0 if (r.random() < zero and lo == 0) else r.randint(1, hi) for _ in range(rank)]
    def dtype(self):
        if X64: return self.r.choices(["f64", "i64", "f32", "bf16", "i32", "bool", "u8"], [10, 5, 3, 1, 2, 1, 1])[0]
        return self.r.choices(["f32", "bf16", "i32", "bool", "f16", "u8", "u32"], [10, 4, 4, 2, 1, 1, 1])[0]
    def data(self, shape, dt, kind="any"):
        r = self.r; rs = np.random.RandomState(r.randrange(2**31))
        if isf(dt):
            if r.random() < 0.5: a = rs.randint(-24, 25, shape) / 8.0
            else: a = rs.randn(*shape) * 1.3
            if kind == "pos": a = np.abs(a) + 0.125
            if kind == "unit": a = np.clip(np.abs(a) / 4 + 0.01, 0.01, 0.97) * np.where(rs.rand(*shape) < 0.5, -1, 1)
            a = np.asarray(a)
            if self.special and a.size:
                sp = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 3e38, -3e38, 1e-38, 1.0, -1.0, 65504., 2.**31, -2.**31, 255.5, 0.5, 1.5, 2.5, -0.5]
                m = rs.rand(*shape) < 0.5
                a = np.where(m, rs.choice(sp, size=shape), a)
            with np.errstate(all="ignore"): return np.asarray(a).astype(DT[dt])
        if dt == "bool": return np.asarray(rs.rand(*shape) < 0.5)
        if dt in ("i32", "i64"):
            a = rs.randint(-5, 10, shape)
            if self.special: a = np.where(rs.rand(*shape) < 0.4, rs.choice([0, -1, 2**31 - 1, -2**31, 1, 31, 32, 33], size=shape), a)
            return np.asarray(a).astype(DT[dt])
        a = rs.randint(0, 20, shape)
        if self.special and dt == "u32": a = np.where(rs.rand(*shape) < 0.4, rs.choice([0, 2**32 - 1, 2**31, 31, 32], size=shape), a)
        if self.special and dt == "u8": a = np.where(rs.rand(*shape) < 0.4, rs.choice([0, 255, 128, 7, 8], size=shape), a)
        return np.asarray(a).astype(DT[dt])
    def new(self, arr, weak=False, kind="any", gen=None):
        arr = np.asarray(arr)
        # inputs are numbered before nodes: remap at the end
        self.inputs.append((arr, weak, gen)); return ("i", len(self.inputs) - 1)
    def fresh(self, shape, dt, kind="any"):
        return self.new(self.data(shape, dt, kind), gen=lambda: self.data(shape, dt, kind))
    def ints(self, shape, lo, hi, dt="i32"):
        g = lambda: np.asarray(np.random.RandomState(self.r.randrange(2**31)).randint(lo, max(hi, lo + 1), shape)).astype(DT[dt])
        return self.new(g(), gen=g)
    def aval(self, v):
        if v[0] == "i":
            a, w, _ = self.inputs[v[1]]; return (list(a.shape), NAME[a.dtype], w)
        return self.avals[v[1]]
    def pick(self, pred=lambda s, d: True, dtypes=None, make=None):
        """an existing value that fits, or a fresh one"""
        cands = [("n", i) for i, (s, d, w) in enumerate(self.avals) if pred(s, d) and not w] 
        if cands and self.r.random() < 0.85: return cands[-1] if self.r.random() < 0.7 else self.r.choice(cands)
        cands = [("i", i) for i, (a, w, g) in enumerate(self.inputs) if not w and g is not None and pred(list(a.shape), NAME[a.dtype])]
        if cands and self.r.random() < 0.3: return self.r.choice(cands)
        for _ in range(60):
            s, d = make() if make else (self.dims(), self.dtype())
            if pred(s, d): return self.fresh(s, d)
        raise Skip()
    def axis(self, rank):
        a = self.r.randrange(rank); return a - rank if self.r.random() < 0.4 else a
    def axes(self, rank):
        k = self.r.randint(0, rank) if self.r.random() < 0.85 else rank
        return [a - rank if self.r.random() < 0.3 else a for a in self.r.sample(range(rank), k)]
    def add(self, op, args, **kw):
        n = dict(op=op, args=args, **kw); self.nodes.append(n)
    def shape_like(self, s):
        """a shape that broadcasts with s"""
        r = self.r; t = [1 if r.random() < 0.3 else d for d in s]
        c = r.random()
        if c < 0.25: t = t[r.randint(0, len(t)):]
        elif c < 0.35 and len(t) < 5: t = [r.randint(1, 3)] + t
        return t

class Skip(Exception): pass
num = lambda s, d: d != "bool"
flt = lambda s, d: isf(d)

def choose(g):
    r = g.r
    fam = r.choices(FAMS, FAMW)[0]
    fam(g)

def f_unary(g):
    x = g.pick()
    s, d, _ = g.aval(x); op = g.r.choice(list(UN))
    if not isf(d) and op in ("next_up", "next_down"): op = "abs"
    if isf(d) and op == "logical_not": op = "neg"
    if d == "bool" and op in ("relu6", "log_sigmoid", "softplus", "soft_sign", "silu", "hard_sigmoid", "hard_silu", "hard_tanh", "selu", "gelu", "gelu_exact", "sign", "relu"): op = "exp"
    if g.r.random() < 0.8 and isf(d) and not g.special:
        if op in ("log", "log2", "log10", "log1p", "sqrt", "rsqrt", "lgamma", "digamma"): x = g.fresh(s, d, "pos")
        if op in ("asin", "acos", "atanh", "erf_inv"): x = g.fresh(s, d, "unit")
    g.add(op, [x])
def f_unary2(g):
    op = g.r.choice(["powi", "leaky_relu", "elu", "celu"])
    x = g.pick(num)
    d = g.aval(x)[1]
    g.add(op, [x], k=g.r.choice([0, 1, 2, 3, 4, 5] + ([-1, -2, -3] if isf(d) else [])), f=g.r.choice([0.25, 1.0, 2.0]))
def f_binary(g):
    op = g.r.choice([o for o in BIN if o not in ("matmul", "dot", "outer")])
    pred = lambda s, d: True
    if op in ("bitand", "bitor", "bitxor"): pred = lambda s, d: not isf(d)
    if op in ("shl", "shr"): pred = lambda s, d: d in ("i32", "u8", "u32", "i64")
    if op in ("sub", "fmod", "remainder", "floor_divide", "pow", "div"): pred = num
    x = g.pick(pred); s, d, _ = g.aval(x)
    if g.r.random() < 0.15 and d != "bool":
        v = g.r.choice([2.0, -1.5, 3.0]) if (isf(d) and g.r.random() < 0.8) else g.r.choice([2, 3, -2] if d == "i32" else [2, 3])
        if op in ("bitand", "bitor", "bitxor", "shl", "shr"): v = g.r.choice([1, 2, 3])
        y = g.new(np.asarray(v, np.float32 if isinstance(v, float) else np.int32), weak=True)
    else:
        t = g.shape_like(s)
        ok = [dd for dd in (("f64", "i64", "f32", "i32", "bool") if X64 else ("f32", "bf16", "i32", "bool", "f16", "u8")) if pred(None, dd) and not (dd == "u32" or d == "u32")]
        if d == "u32": ok = ["u32"] + [dd for dd in ("f32", "bool") if pred(None, dd)]
        dd = d if g.r.random() < 0.6 else g.r.choice(ok)
        kind = "pos" if op in ("fmod", "remainder", "floor_divide", "div") and g.r.random() < 0.5 else "any"
        if op in ("shl", "shr"):
            y = g.ints(t, 0, 8, d) if not g.special else g.fresh(t, d)
        elif op == "pow" and not g.special:
            if isf(d): x = g.fresh(s, d, "pos")
            y = g.ints(t, 0, 4, dd) if not isf(dd) else g.fresh(t, dd)
            if not isf(d) and isf(dd): y = g.ints(t, 0, 4, "i32" if d != "u32" else "u32")
        elif op in ("remainder", "floor_divide", "fmod") and not isf(dd) and not isf(d) and not g.special:
            y = g.ints(t, 1, 6, dd if dd != "bool" else "i32")
        else: y = g.fresh(t, dd, kind)
    a = [x, y]
    if g.r.random() < 0.3 and op not in ("shl", "shr", "pow", "remainder", "floor_divide", "fmod"): a.reverse()
    g.add(op, a)
def f_ternary(g):
    op = g.r.choice(["select", "clamp", "mul_add", "is_close"])
    if op == "select":
        c = g.pick(lambda s, d: d == "bool"); s = g.aval(c)[0]
        d = g.r.choice(["f64", "i64", "f32"] if X64 else ["f32", "f32", "bf16", "i32"]); d2 = d if g.r.random() < 0.6 else g.r.choice(["f32", "i32", "f64", "bool"] if X64 else ["f32", "bf16", "i32", "bool"])
        g.add("select", [c, g.fresh(g.shape_like(s), d), g.fresh(s, d2)]); return
    x = g.pick(num); s, d, _ = g.aval(x)
    if op == "is_close": g.add(op, [x, g.fresh(g.shape_like(s), d)]); return
    if op == "clamp":
        if g.r.random() < 0.5:
            g.add(op, [x, g.new(np.float32(-1.0) if isf(d) else np.int32(1), weak=True), g.new(np.float32(1.5) if isf(d) else np.int32(4), weak=True)]); return
        g.add(op, [x, g.fresh(g.shape_like(s), d), g.fresh(s, d)]); return
    g.add(op, [x, g.fresh(g.shape_like(s), d), g.fresh(s, d)])
def f_cast(g):
    if g.r.random() < 0.15:
        x = g.pick(lambda s, d: d in ("f32", "i32", "u32", "bf16", "f16", "f64", "i64"))
        d = g.aval(x)[1]; to = g.r.choice({"f32": ["i32", "u32"], "i32": ["f32", "u32"], "u32": ["f32", "i32"], "bf16": ["f16"], "f16": ["bf16"], "f64": ["i64"], "i64": ["f64"]}[d])
        g.add("bitcast", [x], to=to); return
    x = g.pick(); g.add("cast", [x], to=g.r.choice(["f64", "i64", "f32", "i32", "bool", "f16", "bf16"] if X64 else ["f32", "bf16", "f16", "i32", "bool"] + (["u8", "u32"] if g.r.random() < 0.3 else [])))
def f_reduce(g):
    op = g.r.choice(["sum", "sum", "prod", "max", "min", "any", "all", "mean", "var", "std", "logsumexp", "count_nonzero", "norm", "argmax", "argmin"])
    x = g.pick(); s, d, _ = g.aval(x)
    if op in ("argmax", "argmin"):
        if not s: raise Skip()
        g.add(op, [x], axis=g.axis(len(s)), keep=g.r.random() < 0.5); return
    kw = dict(axes=g.axes(len(s)), keep=g.r.random() < 0.5)
    if op in ("var", "std"): kw["k"] = g.r.choice([0, 0, 1])
    if op == "norm":
        o = g.r.choice([2.0, 1.0, "inf", "-inf", 0.0, 3.0]); kw["f"] = o if isinstance(o, float) else 2.0
        if isinstance(o, str): kw["ord"] = o
    g.add(op, [x], **kw)
def f_cum(g):
    x = g.pick(lambda s, d: len(s) > 0); s, d, _ = g.aval(x)
    op = g.r.choice(["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"])
    g.add(op, [x], axis=g.axis(len(s)), keep=g.r.random() < 0.4)
def f_sort(g):
    op = g.r.choice(["sort", "argsort", "top_k", "searchsorted"])
    if op == "searchsorted":
        d = g.r.choice(["f64", "i64"] if X64 else ["f32", "i32", "bf16"]); n = g.r.randint(0, 6)
        gen = lambda: np.sort(g.data([n], d))
        a = g.new(gen(), gen=gen); q = g.pick(lambda s, dd: dd == d, make=lambda: (g.dims(), d))
        g.add(op, [a, q], keep=g.r.random() < 0.5); return
    x = g.pick(lambda s, d: len(s) > 0); s, d, _ = g.aval(x)
    if op == "top_k": g.add(op, [x], k=g.r.randint(0, s[-1]), keep=g.r.random() < 0.4)
    else: g.add(op, [x], axis=g.axis(len(s)), keep=g.r.random() < 0.5)
def f_index(g):
    r = g.r
    op = r.choice(["take", "take", "take_clip", "take_along_axis", "gather_nd", "index_set", "index_add", "index_min", "index_max", "put_along_axis"])
    x = g.pick(lambda s, d: 0 < len(s) and 0 not in s, make=lambda: (g.dims(zero=0), g.dtype())); s, d, _ = g.aval(x); rank = len(s); ax = g.axis(rank); n = s[ax]
    lo, hi = (-n, n) if r.random() < 0.7 else (-n - 2, n + 3)
    idt = r.choice(["i32", "i32", "i32", "u8", "u32"])
    if idt != "i32": lo = 0
    if op in ("take", "take_clip"): g.add(op, [x, g.ints(g.dims(r.choice([0, 1, 1, 2])), lo, hi, idt)], axis=ax); return
    if op == "take_along_axis":
        t = list(s); t[ax] = r.randint(0, 4)
        t = [1 if (i != ax % rank and r.random() < 0.15) else v for i, v in enumerate(t)]
        g.add(op, [x, g.ints(t, lo, hi, idt)], axis=ax); return
    if op == "gather_nd":
        depth = r.randint(1, rank); m = g.dims(r.choice([0, 1, 2]))
        hi2 = max(s[:depth]) if r.random() < 0.3 else min(s[:depth])
        g.add(op, [x, g.ints(m + [depth], -min(s[:depth]), hi2)], axis=0); return
    if op == "put_along_axis":
        t = list(s); t[ax] = r.randint(1, n)
        gen = lambda: np.argsort(np.random.RandomState(r.randrange(2**31)).rand(*s), ax).take(range(t[ax]), ax).astype(np.int32)
        g.add(op, [x, g.new(gen(), gen=gen), g.fresh(t if r.random() < 0.7 else [], d)], axis=ax); return
    # index_*
    if op == "index_set":
        k = r.randint(1, n)
        gen = lambda: (np.random.RandomState(r.randrange(2**31)).permutation(n)[:k] - (n if r.random() < 0.3 else 0)).astype(np.int32)
        if r.random() < 0.2: idx = g.ints([], lo, hi)
        else: idx = g.new(gen(), gen=gen)
    else: idx = g.ints(g.dims(r.choice([0, 1, 1, 2]), zero=0.05), lo, hi)
    si = g.aval(idx)[0]; a = ax % rank
    vs = s[:a] + si + s[a + 1:]
    if r.random() < 0.3: vs = vs[r.randint(0, len(vs)):]
    if d == "bool" and op != "index_set": raise Skip()
    g.add(op, [x, idx, g.fresh(vs, d)], axis=ax)
def f_dyn(g):
    r = g.r
    x = g.pick(lambda s, d: True); s, d, _ = g.aval(x)
    starts = [g.ints([], -n - 2, n + 2) for n in s]; sizes = [r.randint(0, n) for n in s]
    if r.random() < 0.5: g.add("dynamic_slice", [x] + starts, sizes=sizes)
    else: g.add("dynamic_update_slice", [x, g.fresh(sizes, d)] + starts)
def f_slice(g):
    r = g.r; op = r.choice(["slice", "slice_axis_step", "index_axis", "flip", "roll", "split"])
    x = g.pick(lambda s, d: len(s) > 0); s, d, _ = g.aval(x); ax = g.axis(len(s)); n = s[ax]
    if op == "slice":
        st = [r.randint(0, v) for v in s]; en = [r.randint(a, v) for a, v in zip(st, s)]
        g.add(op, [x], starts=st, ends=en, strides=[r.choice([1, 1, 2, 3]) for _ in s])
    elif op == "slice_axis_step":
        p = lambda: None if r.random() < 0.4 else r.randint(-n - 2, n + 2)
        g.add(op, [x], axis=ax, start=p(), end=p(), k=r.choice([1, 2, 3, -1, -2]))
    elif op == "index_axis":
        if n == 0: raise Skip()
        g.add(op, [x], axis=ax, k=r.randint(-n, n - 1))
    elif op == "flip": g.add(op, [x], axes=g.axes(len(s)))
    elif op == "roll": g.add(op, [x], axis=ax, k=r.randint(-6, 6))
    else:
        ks = [k for k in range(1, max(n, 1) + 1) if n % k == 0]; k = r.choice(ks); g.add(op, [x], axis=ax, k=k, piece=r.randrange(k))
def f_shape(g):
    r = g.r; op = r.choice(["reshape", "flatten", "transpose", "swap_axes", "move_axis", "broadcast_to", "expand_dims", "squeeze", "tile", "repeat", "tril", "triu", "diagonal", "trace"])
    if op in ("tril", "triu", "diagonal", "trace"):
        if op in ("diagonal", "trace"): x = g.pick(lambda s, d: len(s) > 1 and s[-1] == s[-2] and not (op == "trace" and d == "bool"), make=lambda: ((lambda t: t[:-1] + [t[-2]])(g.dims(r.choice([2, 3]))), g.dtype()))
        else: x = g.pick(lambda s, d: len(s) > 1)
        g.add(op, [x], k=r.randint(-3, 3)); return
    x = g.pick(); s, d, _ = g.aval(x); rank = len(s)
    if op == "reshape":
        n = int(np.prod(s)); t = []
        if n == 0: t = [r.randint(1, 3), 0]
        else:
            while n > 1 and len(t) < 4:
                ds = [k for k in range(1, n + 1) if n % k == 0]; k = r.choice(ds); t.append(k); n //= k
            if n > 1: t.append(n)
        g.add(op, [x], shape=t)
    elif op == "flatten": g.add(op, [x], k=r.randint(0, rank))
    elif op == "transpose":
        p = list(range(rank)); r.shuffle(p); g.add(op, [x], axes=[a - rank if r.random() < 0.2 else a for a in p])
    elif op in ("swap_axes", "move_axis"):
        if not rank: raise Skip()
        g.add(op, [x], axes=[g.axis(rank), g.axis(rank)])
    elif op == "broadcast_to":
        t = [r.randint(0, 3) if v == 1 else v for v in s]
        if rank < 4 and r.random() < 0.6: t = [r.randint(1, 3)] + t
        g.add(op, [x], shape=t)
    elif op == "expand_dims":
        k = r.randint(1, 2); g.add(op, [x], axes=r.sample(range(rank + k), k))
    elif op == "squeeze":
        ones = [i for i, v in enumerate(s) if v == 1]
        if not ones: x = g.fresh([1] + s[:4], d); ones = [0]
        g.add(op, [x], axes=r.sample(ones, r.randint(1, len(ones))))
    elif op == "tile": g.add(op, [x], shape=[r.choice([0, 1, 1, 2, 3]) for _ in range(r.randint(0, min(rank + 1, 4)))])
    else:
        if not rank: raise Skip()
        g.add(op, [x], axis=g.axis(rank), k=r.randint(0, 3))
def f_join(g):
    r = g.r; x = g.pick(); s, d, _ = g.aval(x); rank = len(s)
    mix = lambda: d if r.random() < 0.7 or d == "u32" else r.choice(["f32", "bf16", "i32", "bool"])
    if r.random() < 0.6 and rank:
        ax = g.axis(rank); a = [x]
        for _ in range(r.randint(0, 2)):
            t = list(s); t[ax] = r.randint(0, 3); a.append(g.fresh(t, mix()))
        r.shuffle(a); g.add("concatenate", a, axis=ax)
    else:
        ax = r.randrange(rank + 1); a = [x] + [g.fresh(s, mix()) for _ in range(r.randint(0, 2))]
        r.shuffle(a); g.add("stack", a, axis=ax - rank - 1 if r.random() < 0.4 else ax)
def f_pad(g):
    r = g.r; op = r.choice(["pad", "pad_interior", "pad_interior", "pad_mode"]); x = g.pick(lambda s, d: len(s) > 0); s, d, _ = g.aval(x)
    val = lambda: g.fresh([], d)
    if op == "pad": g.add(op, [x, val()], widths=[[r.randint(0, 2), r.randint(0, 2)] for _ in s])
    elif op == "pad_interior": g.add(op, [x, val()], widths=[[r.randint(-2, 2), r.randint(-2, 2), r.randint(0, 2)] for _ in s])
    else:
        m = r.choice(["edge", "reflect", "wrap", "constant"])
        g.add(op, [x], widths=[[r.randint(0, 5), r.randint(0, 5)] for _ in s], mode=m)
def f_nn(g):
    r = g.r; op = r.choice(["softmax", "log_softmax", "softmax_where", "standardize", "glu", "one_hot"])
    if op == "one_hot":
        x = g.pick(lambda s, d: d in ("i32", "u8", "u32") and len(s) < 4); s = g.aval(x)[0]; a = r.randrange(len(s) + 1)
        g.add(op, [x], k=r.randint(0, 6), axis=a - len(s) - 1 if r.random() < 0.5 else a, to=r.choice(["f32", "bf16", "i32", "bool"])); return
    x = g.pick(lambda s, d: len(s) > 0 and d != "bool"); s, d, _ = g.aval(x); ax = g.axis(len(s))
    if op == "glu" and s[ax] % 2:
        t = list(s); t[ax] *= 2; x = g.fresh(t, d)
    if op == "softmax_where": g.add(op, [x, g.fresh(s, "bool")], axis=ax)
    else: g.add(op, [x], axis=ax)
def f_dot(g):
    r = g.r; op = r.choice(["matmul", "dot", "outer", "tensordot", "einsum", "einsum", "dot_general", "dot_general"])
    x = g.pick(num); s, d, _ = g.aval(x); rank = len(s)
    d2 = d if r.random() < 0.75 or d == "u32" else r.choice(["f32", "bf16", "i32"])
    if op == "outer": g.add(op, [x, g.fresh(g.dims(r.choice([0, 1, 2])), d2)]); return
    if op == "matmul":
        if not rank: raise Skip()
        kk = s[-1]; form = r.choice([1, 2, 2, 3])
        t = [kk] if form == 1 else [kk, r.randint(0, 4)]
        if form == 3: t = [1 if r.random() < 0.4 else v for v in s[:-2][-2:]] + t
        a = [x, g.fresh(t, d2)]
        g.add(op, a); return
    if op == "dot":
        if not rank: g.add(op, [x, g.fresh(g.dims(), d2)]); return
        form = r.choice([0, 1, 2, 3]); kk = s[-1]
        t = [] if form == 0 else [kk] if form == 1 else [kk, r.randint(1, 3)] if form == 2 else [2, kk, 3]
        g.add(op, [x, g.fresh(t, d2)]); return
    if op == "tensordot":
        k = r.randint(0, min(rank, 2)); ax = r.sample(range(rank), k); extra = g.dims(r.choice([0, 1, 2]), zero=0.03)
        t = extra + [s[a] for a in ax]; perm = list(range(len(t))); r.shuffle(perm)
        ts = [t[p] for p in perm]; oa = [perm.index(len(extra) + i) for i in range(k)]
        g.add(op, [x, g.fresh(ts, d2)], pairs=[ax, oa]); return
    if op == "dot_general":
        if rank > 4: raise Skip()
        ax = list(range(rank)); r.shuffle(ax); nb = r.randint(0, min(2, rank)); nc = r.randint(0, min(2, rank - nb))
        b, c = ax[:nb], ax[nb:nb + nc]; extra = g.dims(r.choice([0, 1, 2]), zero=0.03)
        t = [s[a] for a in b] + [s[a] for a in c] + extra; perm = list(range(len(t))); r.shuffle(perm)
        ts = [t[p] for p in perm]; inv = lambda i: perm.index(i)
        g.add(op, [x, g.fresh(ts, d)], contract=[c, [inv(nb + i) for i in range(nc)]], batch=[b, [inv(i) for i in range(nb)]]); return
    # einsum
    letters = list("abcdefgh"); r.shuffle(letters); sizes = {}
    xl = []
    for v in s:
        l = None
        for k2, vv in sizes.items():
            if vv == v and r.random() < 0.15: l = k2
        if l is None: l = letters.pop(); sizes[l] = v
        xl.append(l)
    ops = [x]; subs = ["".join(xl)]
    for _ in range(r.choice([0, 1, 1, 1, 2])):
        own = r.sample(list(sizes), min(len(sizes), r.randint(0, 3)))
        if r.random() < 0.6 and letters: l = letters.pop(); sizes[l] = r.randint(1, 4); own.append(l)
        r.shuffle(own)
        ops.append(g.fresh([sizes[l] for l in own], d2)); subs.append("".join(own))
    used = sorted(set("".join(subs))); out = r.sample(used, r.randint(0, min(len(used), 4)))
    spec = ",".join(subs) + ("->" + "".join(out) if r.random() < 0.8 else "")
    if r.random() < 0.15: spec = spec.replace(",", " , ")
    if r.random() < 0.15 and "->" in spec:
        spec = ",".join("..." + q for q in subs) + "->..." + "".join(out)
    g.add(op, ops, spec=spec)
def f_conv(g):
    r = g.r; sp = r.choice([0, 1, 1, 2, 2, 3]); d = r.choice(["f64", "f64", "f32"] if X64 else ["f32", "f32", "f32", "bf16", "f16"])
    groups = r.choice([1, 1, 1, 2, 3]); cin = groups * r.randint(1, 3); cout = groups * r.randint(1, 3)
    if r.random() < 0.1: groups = cin = r.randint(1, 4); cout = groups * r.randint(1, 2)
    hi = {0: 1, 1: 9, 2: 7, 3: 4}[sp]
    spat = [r.randint(1, hi) if r.random() > 0.02 else 0 for _ in range(sp)]; ker = [r.randint(1, 3) for _ in range(sp)]
    N = r.randint(0, 3) if r.random() < 0.3 else r.randint(1, 2)
    first = r.random() < 0.25
    xs = [N] + spat + [cin] if not first else [N, cin] + spat
    ks = ker + [cin // groups, cout] if not first else [cout, cin // groups] + ker
    lhs = [r.choice([1, 1, 1, 2]) for _ in range(sp)]; pad = r.choice(["SAME", "VALID", "explicit", "explicit"])
    if any(v != 1 for v in lhs): pad = "explicit"
    if pad == "explicit": pad = [[r.randint(-1, 3), r.randint(-1, 3)] for _ in range(sp)]
    x = g.pick(lambda s, dd: s == xs and dd == d, make=lambda: (xs, d))
    g.add("conv", [x, g.fresh(ks, d)], strides=[r.randint(1, 3) for _ in range(sp)], rhs_dilation=[r.choice([1, 1, 2]) for _ in range(sp)], lhs_dilation=lhs, padding=pad, k=groups, keep=first)
def f_window(g):
    r = g.r
    if r.random() < 0.4:
        sp = r.choice([1, 2]); x = g.pick(lambda s, d: len(s) in (sp + 1, sp + 2) and d != "bool", make=lambda: (g.dims(sp + r.choice([1, 2])), r.choice(["f32", "bf16", "i32"])))
        pad = r.choice(["SAME", "VALID", "e"]); w = [r.randint(1, 3) for _ in range(sp)]
        if pad == "e": pad = [[r.randint(0, 2), r.randint(0, 2)] for _ in range(sp)]
        g.add("pool", [x], window=w, strides=[r.randint(1, 3) for _ in range(sp)], padding=pad, kind=r.choice(["avg", "max", "min"]), keep=r.random() < 0.6); return
    x = g.pick(lambda s, d: 0 < len(s) < 5 and d != "bool", make=lambda: (g.dims(r.choice([1, 2, 3])), r.choice(["f64", "i64"] if X64 else ["f32", "bf16", "i32", "f16"]))); s, d, _ = g.aval(x); n = len(s)
    bd = [r.choice([1, 1, 1, 2]) for _ in range(n)]; pad = r.choice(["SAME", "VALID", "e"])
    if any(b != 1 for b in bd) or pad == "e": pad = [[r.randint(0, 2), r.randint(0, 2)] for _ in range(n)]
    g.add("reduce_window", [x], window=[r.randint(1, 3) for _ in range(n)], strides=[r.randint(1, 2) for _ in range(n)], base_dilation=bd, window_dilation=[r.choice([1, 1, 2]) for _ in range(n)], padding=pad, kind=r.choice(["sum", "max", "min", "prod"]))
def f_linalg(g):
    r = g.r; op = r.choice(["cholesky", "qr", "triangular_solve"]); b = g.dims(r.choice([0, 0, 1]), zero=0.02); n = r.randint(0, 4) if r.random() < 0.2 else r.randint(1, 4)
    if op == "cholesky":
        def gen():
            a = np.random.RandomState(r.randrange(2**31)).randn(*(b + [n, n])); return (a @ np.swapaxes(a, -1, -2) + n * np.eye(n)).astype(np.float32)
        g.add(op, [g.new(gen(), gen=gen)])
    elif op == "qr": g.add(op, [g.fresh(b + [r.randint(n, 5), n], "f32")], keep=r.random() < 0.5)
    else:
        def gen(): return (np.random.RandomState(r.randrange(2**31)).randn(*(b + [n, n])) + 3 * np.eye(n)).astype(np.float32)
        left = r.random() < 0.5; m = r.randint(0, 4) if r.random() < 0.2 else r.randint(1, 4)
        g.add(op, [g.new(gen(), gen=gen), g.fresh(b + ([n, m] if left else [m, n]), "f32")], left=left, lower=r.random() < 0.5, trans=r.random() < 0.3, unit=r.random() < 0.3)
def f_rng(g):
    r = g.r; op = r.choice(list(RNG))
    gen = lambda: np.array([r.randrange(2**32), r.randrange(2**32)], np.uint32)
    k = g.new(gen(), gen=gen); shape = g.dims(r.choice([0, 1, 2, 2, 3])); fd = r.choice(["f64", "f64", "f32"] if X64 else ["f32", "f32", "bf16", "f16"])
    if op in ("rng_uniform", "rng_normal", "rng_gumbel", "rng_exponential", "rng_laplace", "rng_logistic"): g.add(op, [k], shape=shape, to=fd)
    elif op in ("rng_uniform_in", "rng_truncated"):
        lo = g.fresh(g.shape_like(shape) if r.random() < 0.5 else [], fd); lo_shape = g.aval(lo)[0]
        if len(lo_shape) > len(shape): raise Skip()
        gen2 = lambda: np.full([], 3.5, DT[fd])
        g.add(op, [k, lo, g.new(gen2(), gen=gen2)], shape=shape)
    elif op == "rng_bernoulli":
        gen2 = lambda: np.random.RandomState(r.randrange(2**31)).rand(*(shape if r.random() < 0 else [])).astype(DT[fd]); gen2 = lambda: np.asarray(r.random()).astype(DT[fd])
        g.add(op, [k, g.new(gen2(), gen=gen2)], shape=shape)
    elif op == "rng_randint":
        to = r.choice(["i64", "i64", "i32"] if X64 else ["i32", "i32", "u8", "u32"]); lo = g.ints([], 0 if to not in ("i32", "i64") else -10, 10); hi = g.ints([] if r.random() < 0.5 else shape, 5, 200)
        g.add(op, [k, lo, hi], shape=shape, to=to)
    elif op == "rng_rademacher": g.add(op, [k], shape=shape)
    elif op == "rng_categorical":
        x = g.pick(lambda s, d: isf(d) and 0 < len(s) < 4 and 0 not in s); s = g.aval(x)[0]; g.add(op, [k, x], axis=g.axis(len(s)))
    elif op == "rng_categorical_of":
        x = g.pick(lambda s, d: isf(d) and 0 < len(s) < 3 and 0 not in s); s = g.aval(x)[0]; ax = -r.randint(1, len(s))
        t = list(s); del t[ax]; g.add(op, [k, x], axis=ax, shape=[r.randint(1, 3)] + t)
    elif op == "rng_permutation": g.add(op, [k], k=r.randint(0, 40))
    elif op in ("rng_permute", "rng_permute_ind"):
        x = g.pick(lambda s, d: len(s) > 0); s = g.aval(x)[0]; g.add(op, [k, x], axis=g.axis(len(s)))
    elif op == "rng_bits": g.add(op, [k], shape=shape, k=r.choice([8, 32]))
    elif op == "rng_choice":
        x = g.pick(lambda s, d: 0 < len(s) < 4 and 0 not in s); s = g.aval(x)[0]; ax = g.axis(len(s)); n = s[ax]; rep = r.random() < 0.5
        sh = g.dims(r.choice([0, 1, 2])) if rep else [r.randint(1, n)]
        a = [k, x]
        if r.random() < 0.5:
            gen2 = lambda: (lambda w: (w / w.sum()).astype(np.float32))(np.random.RandomState(r.randrange(2**31)).rand(n) + 0.05); a.append(g.new(gen2(), gen=gen2))
        g.add(op, a, axis=ax, keep=not rep, shape=sh)
    elif op == "rng_split": g.add(op, [k], k=r.randint(0, 6))
    else: g.add(op, [k, g.ints([], 0, 1000)])

FAMS = [f_unary, f_unary2, f_binary, f_ternary, f_cast, f_reduce, f_cum, f_sort, f_index, f_dyn, f_slice, f_shape, f_join, f_pad, f_nn, f_dot, f_conv, f_window, f_linalg, f_rng]
FAMW = [12, 3, 16, 4, 6, 11, 5, 5, 9, 4, 6, 9, 5, 6, 5, 12, 8, 7, 2, 5]

refused = {}
def aval_of(tree): return [(list(t.shape), NAME[np.dtype(t.dtype)], bool(getattr(t, "weak_type", False))) for t in tree]

def make(seed, special=False, big=False, only=None, count=None):
    r = random.Random(seed); g = Gen(r, special, big)
    want = count or r.choices([1, 2, 3, 4, 5], [4, 4, 3, 2, 1])[0]; tries = 0
    while len(g.nodes) < want and tries < 60:
        tries += 1
        ni = len(g.inputs)
        try:
            if only: r.choice(only)(g)
            else: choose(g)
        except Skip:
            del g.inputs[ni:]; continue
        n = g.nodes[-1]
        try:
            ins = []
            for v in n["args"]:
                s, d, w = g.aval(v)
                if w and v[0] == "i": ins.append(("w", g.inputs[v[1]][0].item()))
                elif w: ins.append(("a", jax.core.ShapedArray(tuple(s), DT[d], weak_type=True)))
                else: ins.append(("a", jax.ShapeDtypeStruct(tuple(s), DT[d])))
            abst = [x[1] for x in ins if x[0] == "a"]
            def f(*xs):
                it = iter(xs); return step(n, [x[1] if x[0] == "w" else next(it) for x in ins])
            o = jax.eval_shape(f, *abst)
            if int(np.prod(o.shape)) > (400 if not big else 40000): raise Skip()
            g.avals.append((list(o.shape), NAME[np.dtype(o.dtype)], bool(getattr(o, "weak_type", False))))
        except Skip:
            g.nodes.pop(); del g.inputs[ni:]
        except Exception as e:
            refused[n["op"]] = refused.get(n["op"], []) + [(n, [g.aval(v) for v in n["args"]], str(e)[:200])]
            g.nodes.pop(); del g.inputs[ni:]
    if not g.nodes: return make(seed + 7919 * 1000003, special, big, only, count)
    ni = len(g.inputs)
    for n in g.nodes: n["args"] = [v[1] if v[0] == "i" else ni + v[1] for v in n["args"]]
    diff = [i for i, (a, w, _) in enumerate(g.inputs) if isf(NAME[a.dtype]) and not w]
    p = dict(id=seed, inputs=[encode(a, w) for a, w, _ in g.inputs], nodes=g.nodes, diff=diff)
    # vmap: at least one mapped input
    B = r.choice([1, 2, 3, 3])
    if big: B = 2
    mappable = [i for i, (a, w, gg) in enumerate(g.inputs) if gg is not None and not w]
    if mappable:
        axes = [None] * ni
        for i in mappable:
            if r.random() < 0.6: axes[i] = r.randint(0, g.inputs[i][0].ndim)
        if all(a is None for a in axes): i = r.choice(mappable); axes[i] = r.randint(0, g.inputs[i][0].ndim)
        b = []
        for i, (a, w, gg) in enumerate(g.inputs):
            if axes[i] is None: b.append(a)
            else: b.append(np.stack([a] + [np.asarray(gg()).astype(a.dtype) for _ in range(B - 1)], axes[i]))
        p["vmap"] = dict(inputs=[encode(a, g.inputs[i][1]) for i, a in enumerate(b)], axes=axes, out=r.choice([0, 0, -1]), B=B)
    else: p["vmap"] = None
    return p

def weight(shape): 
    n = int(np.prod(shape)); return (1.0 + (np.arange(n) % 7) * 0.25).astype(np.float32).reshape(shape)
def prepare(p):
    ins = [decode(j) for j in p["inputs"]]; wk = [j.get("weak", False) for j in p["inputs"]]
    nodes, diff = p["nodes"], p["diff"]
    strong = [i for i in range(len(ins)) if not wk[i]]; consts = {i: ins[i].item() for i in range(len(ins)) if wk[i]}
    def full(xs):
        it = iter(xs); return [consts[i] if i in consts else next(it) for i in range(len(ins))]
    def fall(*xs): return run_all(nodes, full(xs))
    def flast(*xs): return fall(*xs)[-1]
    def loss(*xs):
        o = flast(*xs); return jnp.sum(o.astype(jnp.float32) * weight(o.shape))
    dpos = [strong.index(i) for i in diff]
    err = {}
    def f(xs):
        r = {"all": fall(*xs)}
        if diff:
            try: r["grad"] = jax.grad(loss, dpos)(*xs)
            except Exception as e: err["grad"] = f"{type(e).__name__}: {str(e)[:300]}"
            if p["id"] % 3 == 0:
                try:
                    ds = [xs[i] for i in dpos]
                    ts = [jnp.asarray((1.0 + (np.arange(d.size) % 5) * 0.5).astype(np.float32).reshape(d.shape)).astype(d.dtype) for d in ds]
                    def h(*ds):
                        ys = list(xs)
                        for i, d in zip(dpos, ds): ys[i] = d
                        return flast(*ys)
                    t = jax.jvp(h, tuple(ds), tuple(ts))[1]
                    if t.dtype != jax.dtypes.float0: r["jvp"] = t
                except Exception as e: err["jvp"] = f"{type(e).__name__}: {str(e)[:300]}"
        return r
    sets = [[ins[i] for i in strong]]
    v = p["vmap"]
    if v:
        bins = [decode(j) for j in v["inputs"]]
        for b in range(v["B"]):
            sets.append([bins[i] if v["axes"][i] is None else np.array(np.take(bins[i], b, v["axes"][i]), order="C") for i in strong])
    return f, sets, err

def reference_many(ps):
    prep = []
    for p in ps:
        f, sets, err = prepare(p)
        try: jax.eval_shape(f, sets[0]); prep.append((f, sets, err))
        except Exception as e: prep.append(None)
    live = [i for i, q in enumerate(prep) if q]
    weaks = {}
    def g(xss):
        r = [prep[i][0](xs) for i, xs in zip(live, xss)]
        for i, q in zip(live, r): weaks[i] = [bool(getattr(v, "weak_type", False)) for v in q["all"]]
        return r
    jg = jax.jit(g)
    n = max(len(prep[i][1]) for i in live); rows = []
    for k in range(n):
        o = jg([prep[i][1][k] if k < len(prep[i][1]) else prep[i][1][-1] for i in live])
        rows.append(jax.tree.map(np.asarray, o))
    res = []
    for i, p in enumerate(ps):
        if prep[i] is None: res.append(({}, {"all": "trace"})); continue
        j = live.index(i); out = dict(rows[0][j]); out["weak"] = weaks[i]
        if p["vmap"]:
            ex = [rows[1 + b][j] for b in range(p["vmap"]["B"])]
            out["vmap"] = np.stack([e["all"][-1] for e in ex], p["vmap"]["out"])
            if "grad" in out: out["vmapgrad"] = [np.stack(c) for c in zip(*[e["grad"] for e in ex])]
        res.append((out, prep[i][2]))
    return res

def bits(a):
    """An array as the table has it: the bits of each element, in hexadecimal."""
    a = np.asarray(a)
    u = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}[a.dtype.itemsize]
    return {"dtype": name_of(a), "shape": list(a.shape), "bits": [format(int(v), "x") for v in np.ascontiguousarray(a).reshape(-1).view(u)]}

def unbits(j):
    d = np.dtype(DT[j["dtype"]])
    u = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}[d.itemsize]
    return np.array([int(v, 16) for v in j["bits"]], u).view(d).reshape(j["shape"])

def row(p):
    """A program with what JAX makes of it, or None where JAX refuses it."""
    (out, _), = reference_many([p])
    if "all" not in out: return None
    q = {"id": p["id"], "inputs": [bits(decode(j)) for j in p["inputs"]], "nodes": p["nodes"], "diff": p["diff"], "results": [bits(a) for a in out["all"]]}
    if X64: q["x64"] = True
    if "grad" in out: q["grad"] = [bits(a) for a in out["grad"]]
    if "jvp" in out: q["jvp"] = bits(out["jvp"])
    v = p["vmap"]
    if v:
        q["vmap"] = {"inputs": [bits(decode(j)) for j in v["inputs"]], "axes": v["axes"], "out": v["out"], "result": bits(out["vmap"]) if "vmap" in out else None}
        if "vmapgrad" in out: q["vmap"]["grad"] = [bits(a) for a in out["vmapgrad"]]
    return q

def again(q):
    """The row of a program of a table, computed anew."""
    p = {"id": q["id"], "inputs": [encode(unbits(j)) for j in q["inputs"]], "nodes": q["nodes"], "diff": q["diff"], "vmap": None}
    v = q.get("vmap")
    if v:
        size = next(j["shape"][a] for j, a in zip(v["inputs"], v["axes"]) if a is not None)
        p["vmap"] = {"inputs": [encode(unbits(j)) for j in v["inputs"]], "axes": v["axes"], "out": v["out"], "B": size}
    return row(p)

def main():
    if sys.argv[1] == "again":
        table = json.load(open(sys.argv[2]))
        rows = [again(q) if bool(q.get("x64")) == X64 else q for q in table]
        json.dump(rows, open(sys.argv[2], "w"), separators=(",", ":"))
    else:
        seed, count = int(sys.argv[1]), int(sys.argv[2])
        made = [make(seed + i, "special" in sys.argv) for i in range(count)]
        rows = [q for p in made if not any(j.get("weak") for j in p["inputs"]) for q in [row(p)] if q]
        json.dump(rows, open(sys.argv[3], "w"), separators=(",", ":"))
    print(f"{len(rows)} programs")
if __name__ == "__main__": main()
