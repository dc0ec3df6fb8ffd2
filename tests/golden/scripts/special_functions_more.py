"""Special functions and distributions of `jax.scipy`: `python special_functions_more.py FOLDER` writes `special_functions_more.json`.

Needs jax 0.10.2 on a CPU. JAX computes most of them in single precision, with errors of some 1e-6 to 1e-4, ours are rounded.
"""

import sys

import jax
import jax.numpy as jnp
import jax.scipy.special as S
import jax.scipy.stats as D
import numpy as np

from probes import Probes

F = np.float32
probes = Probes()


def add(name, f, *args, ours=None, tolerance=2e-5, **options):
    probes.probe(name, f, [np.asarray(x, F) if np.asarray(x).dtype == np.float64 else x for x in args], ours=ours or name, tolerance=tolerance,
                 signs=False, **options)


A = [0.3, 1.0, 2.5, 7.0, 20.0, 0.5]
X = [0.1, 1.5, 2.0, 12.0, 15.0, 3.0]
P = [0.01, 0.2, 0.5, 0.7, 0.95, 0.999]
EDGES = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0]
for name, f in (("gammainc", S.gammainc), ("gammaincc", S.gammaincc)):
    add(name, f, A, X)
    add(f"{name} of edges", f, [0.0, 1.0, -1.0, 2.0, 2.0, np.nan, 0.0], [1.0, 0.0, 1.0, -1.0, np.inf, 1.0, 0.0], ours=name, grad=False)
    add(f"{name} of rows", f, np.array([[0.5], [3.0]], F), np.array(X, F), ours=name)
    add(f"{name} of half", f, np.array(A, jnp.bfloat16), np.array(X, jnp.bfloat16), ours=name, tolerance=0.02, grad=False)
add("igamma_grad_a", jax.lax.igamma_grad_a, A, X, grad=False, tolerance=1e-4)
add("random_gamma_grad", jax.lax.random_gamma_grad, A, X, grad=False, tolerance=1e-4)
add("betainc", S.betainc, A, A[::-1], P, grad=[2], tolerance=1e-4)
add("betainc of edges", S.betainc, [1.0, 2.0, 0.0, -1.0, 1.0, 1.0, 2.0], [1.0, 3.0, 1.0, 1.0, 1.0, np.nan, np.inf], [0.0, 1.0, 0.5, 0.5, 1.5, 0.5, 0.3],
    ours="betainc", grad=False)
add("betaln", S.betaln, A, X)
add("beta function", S.beta, A, X, ours="beta", tolerance=1e-4)
add("gamma function", S.gamma, [0.5, 1.0, 4.5, -0.5, -1.5, 10.0], ours="gamma", tolerance=1e-4)
add("gamma function of edges", S.gamma, [np.nan, np.inf, -1.0, -2.0], ours="gamma", grad=False)
add("factorial", S.factorial, [0.0, 1.0, 4.0, 4.5, 9.0], tolerance=1e-4)
add("multigammaln", lambda a: S.multigammaln(a, 3), [2.5, 4.0, 10.0], tolerance=1e-4)
for n in (0, 1, 2, 3):
    add(f"polygamma {n}", lambda x: S.polygamma(n, x), [0.3, 1.0, 2.5, 10.0, 40.0], ours="polygamma", settings={"n": n}, tolerance=1e-4)
add("trigamma gradient", lambda x: jax.vmap(jax.grad(S.digamma))(x), [0.3, 1.0, 2.5, 10.0], ours="trigamma", tolerance=1e-4)
add("zeta", S.zeta, [1.5, 2.0, 3.0, 8.0, 1.1], [1.0, 0.5, 4.0, 2.0, 20.0], grad=False, tolerance=1e-4)
add("zeta of edges", S.zeta, [1.0, 0.5, 2.0, 3.0, np.nan, 2.5], [2.0, 2.0, -3.0, 0.0, 1.0, -0.5], ours="zeta", grad=False)
BESSEL = [-20.0, -7.9, -1.0, 0.0, 0.5, 3.0, 8.5, 40.0]
for name in ("i0", "i0e", "i1", "i1e"):
    add(name, getattr(S, name), BESSEL)
    add(f"{name} of edges", getattr(S, name), [np.nan, np.inf, -np.inf, 0.0], ours=name, grad=False)
N = [-30.0, -8.0, -2.0, -0.5, 0.0, 0.3, 1.0, 5.0]
add("ndtr", S.ndtr, N, tolerance=1e-4)
add("ndtr of edges", S.ndtr, [np.nan, np.inf, -np.inf], ours="ndtr", grad=False)
add("log_ndtr", S.log_ndtr, N, tolerance=1e-4)
add("log_ndtr of edges", S.log_ndtr, [np.nan, np.inf, -np.inf], ours="log_ndtr", grad=False)
add("ndtri", S.ndtri, P + [1e-10], tolerance=1e-4)
add("ndtri of edges", S.ndtri, [0.0, 1.0, np.nan], ours="ndtri", grad=False)
add("logit", S.logit, P, tolerance=1e-4)
add("logit of edges", S.logit, [0.0, 1.0, 1.5, -0.5, np.nan], ours="logit", grad=False)
add("expit", S.expit, N)
add("erfinv", S.erfinv, [-0.9, 0.0, 0.3, 0.99])
add("xlogy", S.xlogy, [0.0, 0.5, 2.0, 3.0], [1.5, 0.2, 1.0, 7.0])
add("xlogy of edges", S.xlogy, [0.0, 0.0, 0.0, 1.0, np.nan], [0.0, np.nan, np.inf, 0.0, 1.0], ours="xlogy", grad=False)
add("xlog1py", S.xlog1py, [0.0, 0.5, 2.0, 3.0], [1.5, 0.2, 1e-3, -0.7])
add("xlog1py of edges", S.xlog1py, [0.0, 0.0, 0.0, 1.0], [-1.0, np.nan, np.inf, -1.0], ours="xlog1py", grad=False)
add("entr", S.entr, [0.1, 0.5, 1.0, 3.0, -1.0])
add("entr of edges", S.entr, EDGES, ours="entr", grad=False)
add("rel_entr", S.rel_entr, [0.1, 0.5, 2.0, 0.3], [0.2, 0.5, 0.1, 3.0])
add("rel_entr of edges", S.rel_entr, [0.0, 0.0, 1.0, -1.0, 0.0, np.nan], [1.0, 0.0, 0.0, 1.0, -1.0, 1.0], ours="rel_entr", grad=False)
add("kl_div", S.kl_div, [0.1, 0.5, 2.0, 0.3], [0.2, 0.5, 0.1, 3.0])
add("kl_div of edges", S.kl_div, [0.0, 0.0, 1.0, -1.0], [1.0, 0.0, 0.0, 1.0], ours="kl_div", grad=False)
M = np.array([[1.0, -2.0, 3.0], [100.0, 101.0, -np.inf]], F)
for name, options in (("all", {}), ("axis", {"axis": 1}), ("keepdims", {"axis": 0, "keepdims": True})):
    add(f"logsumexp {name}", lambda x: S.logsumexp(x, **options), M, ours="logsumexp", settings=options)
add("logsumexp weighted", lambda x, b: S.logsumexp(x, axis=1, b=b), M, np.array([0.5, 0.0, 2.0], F), ours="logsumexp", settings={"axis": 1})
add("logsumexp signed", lambda x, b: S.logsumexp(x, axis=1, b=b, return_sign=True), M, np.array([[0.5, 1.0, -2.0], [1.0, 2.0, 0.0]], F),
    ours="logsumexp", settings={"axis": 1, "return_sign": True})

LOC, SCALE = np.array(0.5, F), np.array(2.0, F)
for name in ("logpdf", "pdf", "cdf", "logcdf", "sf"):
    add(f"norm.{name}", getattr(D.norm, name), N, LOC, SCALE, tolerance=1e-4)
add("norm.ppf", D.norm.ppf, P, LOC, SCALE, tolerance=1e-4)
add("expon.logpdf", D.expon.logpdf, [0.1, 0.6, 3.0], LOC, SCALE)
add("laplace.logpdf", D.laplace.logpdf, [0.1, 0.6, 3.0], LOC, SCALE)
add("laplace.cdf", D.laplace.cdf, [0.1, 0.6, 3.0], LOC, SCALE)
add("logistic.logpdf", D.logistic.logpdf, [0.1, 0.6, 3.0], LOC, SCALE)
add("logistic.ppf", D.logistic.ppf, P, LOC, SCALE, tolerance=1e-4)
add("gamma.logpdf", D.gamma.logpdf, [0.1, 0.6, 3.0], np.array([1.0, 2.0, 0.7], F), LOC, SCALE)
add("gamma.cdf", D.gamma.cdf, [0.7, 0.9, 3.0], np.array([1.0, 2.0, 0.7], F), LOC, SCALE, tolerance=1e-4)
add("beta.logpdf", D.beta.logpdf, [0.1, 0.6, 2.3], np.array([1.0, 2.0, 0.7], F), np.array([0.5, 3.0, 2.0], F), LOC, SCALE)
add("poisson.logpmf", D.poisson.logpmf, [0.0, 3.0, 7.0, 2.5, -1.0], np.array(3.0, F), np.array(0.0, F), grad=[1])
add("poisson.cdf", D.poisson.cdf, [0.0, 3.0, 7.0, 2.5, -1.0], np.array(3.0, F), np.array(0.0, F), grad=[1], tolerance=1e-4)
add("uniform.logpdf", D.uniform.logpdf, [0.1, 0.6, 3.0], LOC, SCALE)

NAN = "JAX's gradient is NaN by way of a value that is not chosen; ours is the 0 of the value that is"
for part in ("gradient", "vmap"):
    probes.differs("entr", part, NAN)
    probes.differs("beta.logpdf", part, NAN)

if __name__ == "__main__":
    probes.write(sys.argv[1], "special_functions_more.json")
