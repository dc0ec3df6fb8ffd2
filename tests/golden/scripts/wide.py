"""Functions in 64 bits: `python wide.py FOLDER` writes `wide.json`, computed under `jax_enable_x64`. Needs jax 0.10.2 and optax on a CPU."""

import sys

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
import numpy as np
import optax

from probes import Probes

probes = Probes()
noise = np.random.RandomState(5)
x = noise.randn(3, 4)
positive = 0.5 + np.abs(x)
square = noise.randn(3, 3)
definite = square @ square.T + 3 * np.eye(3)
whole = np.array([3, -1, 2**40 + 7, 5], np.int64)


def probe(name, f, args, **options):
    probes.probe(name, f, args, ours=name, **{"tolerance": 1e-11, **options})


for name in ("sin", "tanh", "exp", "expm1", "sigmoid", "erf", "softplus", "gelu"):
    f = {"erf": jax.scipy.special.erf, "sigmoid": jax.nn.sigmoid, "softplus": jax.nn.softplus, "gelu": jax.nn.gelu}.get(name) or getattr(jnp, name)
    probe(name, f, [x])
for name in ("log", "log1p", "sqrt", "rsqrt", "cbrt", "lgamma", "digamma"):
    f = {"rsqrt": jax.lax.rsqrt, "lgamma": jax.lax.lgamma, "digamma": jax.lax.digamma}.get(name) or getattr(jnp, name)
    probe(name, f, [positive])
probe("times a half", lambda x: x * 0.1 + 1, [x])
probe("select", lambda x: jnp.where(x > 0, x, 0.1), [x])
probe("integers times a half", lambda i: i * 0.5, [whole], grad=False)
probe("integers plus one", lambda i: i + 1, [whole], grad=False)
probe("sum of integers", lambda i: jnp.sum(i), [whole], grad=False)
probe("softmax", lambda x: jax.nn.softmax(x, -1), [x])
probe("logsumexp", lambda x: jax.nn.logsumexp(x, -1), [x])
probe("mean", lambda x: jnp.mean(x, 0), [x])
probe("var", lambda x: jnp.var(x, 1), [x])
probe("norm", lambda x: jnp.linalg.norm(x), [x])
probe("cumsum", lambda x: jnp.cumsum(x, 1), [x])
probe("sort", lambda x: jnp.sort(x, 1), [x])
probe("quantile", lambda x: jnp.quantile(x, 0.3, 1), [x])
probe("median", lambda x: jnp.median(x, 0), [x])
probe("matmul", jnp.matmul, [x, noise.randn(4, 2)])
probe("einsum", lambda x, y: jnp.einsum("ij,kj->ik", x, y), [x, noise.randn(2, 4)])
probe("conv", lambda x, k: jax.lax.conv_general_dilated(x, k, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")), [noise.randn(2, 5, 3), noise.randn(3, 3, 2)])
other = square.T @ square + 2 * np.eye(3)
probe("cholesky", jnp.linalg.cholesky, [definite], second=[other])
probe("inv", jnp.linalg.inv, [definite], second=[other])
probe("det", jnp.linalg.det, [definite], second=[other])
probe("eigvalsh", jnp.linalg.eigvalsh, [definite], second=[other])
probe("singular values", lambda x: jnp.linalg.svd(x, compute_uv=False), [x])
probe("solve", jnp.linalg.solve, [definite, x], second=[other, x])
probe("l2_loss", lambda p, t: optax.l2_loss(p, t), [x, x[::-1].copy()])
probe("huber_loss", lambda p, t: optax.huber_loss(p, t, delta=0.7), [x, x[::-1].copy()])
probe("cross entropy", lambda z, t: optax.softmax_cross_entropy(z, t), [x, np.asarray(jax.nn.softmax(2 * x[::-1], -1))])
probe("interp", lambda x: jnp.interp(x, jnp.asarray([-1.0, 0.0, 2.0]), jnp.asarray([3.0, 1.0, 5.0])), [x])
probe("loop", lambda x: jax.lax.scan(lambda h, r: (jnp.sin(h + r), h), x[0] * 0, x)[0], [x])
words = np.asarray(jax.random.key_data(jax.random.key(4)))
for name in ("uniform", "normal", "exponential", "gumbel"):
    probes.probe(name, lambda k, name=name: getattr(jax.random, name)(jax.random.wrap_key_data(k), (3, 2), dtype=jnp.float64), [words], ours=name,
                 tolerance=1e-12, grad=False)

probes.write(sys.argv[1], "wide.json")
