"""Samplers of `jax.random`, most of them to the bit: `python samplers.py FOLDER` writes `samplers.json`.

Needs jax 0.10.2 on a CPU with fused multiply-add and the GNU C library, whose `tanf` and `powf` XLA calls.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from probes import Probes

R = jax.random
probes = Probes()


def words(seed):
    return np.asarray(R.key_data(R.key(seed)))


def add(name, sample, args=(), *, ours, settings=None, second=None, seed=0, grad=False, exact=True, **options):
    """A sampler of a key and parameters: the key comes first, and another one is mapped over."""
    probes.probe(
        name,
        lambda key, *args: sample(R.wrap_key_data(key), *args),
        [words(seed), *args],
        ours=ours,
        settings=settings,
        second=[words(seed + 1000), *(second if second is not None else args)],
        grad=[i + 1 for i in grad] if grad else False,
        exact=exact,
        **options,
    )


F = np.float32


def same_everywhere(shapes):
    """The shapes of gamma distributions for which XLA's estimate of 1/√(shape - ⅓), another one on every processor, is the nearest number."""
    shapes = np.asarray(shapes, F)
    d = np.where(shapes < 1, shapes + F(1), shapes) - F(1 / 3)
    nearest = (1 / np.sqrt(d.astype(np.float64))).astype(F)
    return shapes[np.asarray(jax.jit(jax.lax.rsqrt)(d)) == nearest]


SHAPES = same_everywhere([0.05, 0.3, 0.9, 1.0, 1.5, 3.0, 10.0, 200.0, 7.0, 8.0])[:8]
OTHERS = same_everywhere([2.0, 0.15, 0.01, 0.02, 30.0, 1.0, 0.5, 4.6, 1e4, 9e3, 6.0])[:8]
DOF = 2 * same_everywhere([0.3, 0.5, 1.0, 1.5, 3.5, 15.0, 16.0, 17.0, 50.0, 52.0, 0.1])[:8]
assert len(SHAPES) == len(OTHERS) == len(DOF) == 8
WIDE = [16, 8]

for log in (False, True):
    name = "loggamma" if log else "gamma"
    sample = getattr(R, name)
    add(f"{name} of many shapes", lambda k, a: sample(k, a, (16, 8)), [SHAPES], ours=name, settings={"shape": WIDE}, second=[OTHERS], seed=1)
    add(f"{name} gradient", lambda k, a: sample(k, a, (4, 8)), [SHAPES], ours=name, settings={"shape": [4, 8]}, second=[OTHERS], seed=2, grad=[0],
        exact=False, tolerance=2e-4)
    add(f"{name} of one", lambda k, a: sample(k, a, ()), [F(2.5)], ours=name, settings={"shape": []}, seed=3)
    add(f"{name} of none", lambda k, a: sample(k, a, (0, 3)), [F(2.5)], ours=name, settings={"shape": [0, 3]}, seed=3)
    add(f"{name} outside of its domain", lambda k, a: sample(k, a, (4,)), [np.array([np.nan, -1, 0, np.inf], F)], ours=name,
        settings={"shape": [4]}, seed=4)

AB = [np.array([0.3, 1.0, 3.0, 0.05], F), np.array([0.3, 2.0, 0.5, 0.1], F)]
add("beta", lambda k, a, b: R.beta(k, a, b, (8, 4)), AB, ours="beta", settings={"shape": [8, 4]}, seed=5)
add("beta gradient", lambda k, a, b: R.beta(k, a, b, (3, 4)), [AB[0] + F(0.5), AB[1] + F(0.5)], ours="beta", settings={"shape": [3, 4]}, seed=6,
    grad=[0, 1], exact=False, tolerance=2e-4)
add("dirichlet", lambda k, a: R.dirichlet(k, a, (6,)), [np.array([0.5, 1.0, 3.0, 0.1], F)], ours="dirichlet", settings={"shape": [6]}, seed=7)
add("dirichlet gradient", lambda k, a: R.dirichlet(k, a, (2, 3)), [np.array([[0.5, 1.0, 3.0], [2, 2, 2], [5, 1, 0.7]], F)], ours="dirichlet",
    settings={"shape": [2, 3]}, seed=8, grad=[0], exact=False, tolerance=2e-4)
add("chisquare", lambda k, d: R.chisquare(k, d, (8, 8)), [DOF], ours="chisquare", settings={"shape": [8, 8]}, seed=9)
add("chisquare gradient", lambda k, d: R.chisquare(k, d, (3, 8)), [DOF], ours="chisquare", settings={"shape": [3, 8]}, seed=9, grad=[0], exact=False,
    tolerance=2e-4)
add("f", lambda k, n, d: R.f(k, n, d, (8,)), [DOF, DOF[::-1].copy()], ours="f", settings={"shape": [8]}, seed=10)
add("t", lambda k, d: R.t(k, d, (8, 8)), [DOF], ours="t", settings={"shape": [8, 8]}, seed=11)
add("t gradient", lambda k, d: R.t(k, d, (3, 7)), [DOF[:7]], ours="t", settings={"shape": [3, 7]}, seed=11, grad=[0], exact=False, tolerance=5e-4)
# Shapes of gamma distributions where the processor's estimate of 1/√(shape - ⅓) ends at the nearest number.
for p in (0.7, 1.0, 1.5, 2.0, 3.0):
    add(f"generalized_normal {p}", lambda k: R.generalized_normal(k, p, (64,)), ours="generalized_normal", settings={"p": p, "shape": [64]}, seed=12)
    add(f"ball {p}", lambda k: R.ball(k, 3, p, (16,)), ours="ball", settings={"p": p, "d": 3, "shape": [16]}, seed=13)

for dtype in (np.float32, np.float64)[:1]:
    for name in ("cauchy", "maxwell"):
        add(name, lambda k: getattr(R, name)(k, (128,), dtype), ours=name, settings={"shape": [128]}, seed=14)
add("double_sided_maxwell", lambda k, l, s: R.double_sided_maxwell(k, l, s, (64,)), [F(0.3), F(2.7)], ours="double_sided_maxwell",
    settings={"shape": [64]}, seed=15)
add("pareto", lambda k, b: R.pareto(k, b, (8, 8)), [DOF + F(0.5)], ours="pareto", settings={"shape": [8, 8]}, seed=16, grad=[0])
add("rayleigh", lambda k, s: R.rayleigh(k, s, (8, 8)), [DOF], ours="rayleigh", settings={"shape": [8, 8]}, seed=17, grad=[0])
add("weibull_min", lambda k, s, c: R.weibull_min(k, s, c, (8, 8)), [DOF, OTHERS], ours="weibull_min", settings={"shape": [8, 8]}, seed=18)
add("weibull_min gradient", lambda k, s, c: R.weibull_min(k, s, c, (2, 8)), [DOF, OTHERS], ours="weibull_min", settings={"shape": [2, 8]}, seed=18,
    grad=[0, 1], exact=False)
add("lognormal", lambda k, s: R.lognormal(k, s, (8, 8)), [DOF / F(10)], ours="lognormal", settings={"shape": [8, 8]}, seed=19, grad=[0], exact=False)
add("triangular", lambda k, l, m, r: R.triangular(k, l, m, r, (8, 8)), [-DOF, DOF / F(3), DOF], ours="triangular", settings={"shape": [8, 8]}, seed=20)
add("wald", lambda k, m: R.wald(k, m, (16, 8)), [DOF], ours="wald", settings={"shape": [16, 8]}, seed=21)
add("wald gradient", lambda k, m: R.wald(k, m, (2, 8)), [DOF], ours="wald", settings={"shape": [2, 8]}, seed=21, grad=[0], exact=False, tolerance=1e-4)

PROBABILITIES = np.array([0.01, 0.1, 0.3, 0.5, 0.9, 0.999, 1.0, 1e-4], F)
add("geometric", lambda k, p: R.geometric(k, p, (16, 8)), [PROBABILITIES], ours="geometric", settings={"shape": WIDE}, seed=22)
MEANS = np.array([0.0, 0.1, 1.0, 5.0, 9.9, 10.0, 30.0, 1000.0], F)
add("poisson of many means", lambda k, l: R.poisson(k, l, (32, 8)), [MEANS], ours="poisson", settings={"shape": [32, 8]}, seed=23,
    second=[MEANS[::-1].copy()])
add("poisson of small means", lambda k, l: R.poisson(k, l, (256,)), [F(3.0)], ours="poisson", settings={"shape": [256]}, seed=24)
add("poisson of large means", lambda k, l: R.poisson(k, l, (256,)), [F(250.0)], ours="poisson", settings={"shape": [256]}, seed=25)
add("poisson outside of its domain", lambda k, l: R.poisson(k, l, (3,)), [np.array([np.nan, -1, -0.0], F)], ours="poisson", settings={"shape": [3]}, seed=26)
COUNTS = np.array([0, 1, 5, 20, 100, 1000, 10, 50], F)
add("binomial of many", lambda k, n, p: R.binomial(k, n, p, (16, 8)), [COUNTS, PROBABILITIES], ours="binomial", settings={"shape": WIDE}, seed=27,
    second=[COUNTS[::-1].copy(), PROBABILITIES])
add("binomial of integers", lambda k, n, p: R.binomial(k, n, p, (200,)), [np.int32(100), F(0.4)], ours="binomial", settings={"shape": [200]}, seed=28)
add("binomial of few", lambda k, n, p: R.binomial(k, n, p, (200,)), [np.int32(12), F(0.7)], ours="binomial", settings={"shape": [200]}, seed=28)
add("binomial outside of its domain", lambda k, n, p: R.binomial(k, n, p, (7,)),
    [np.array([5, np.nan, -1, np.inf, 5, 5, 2.7], F), np.array([np.nan, 0.5, 0.5, 0.5, -0.1, 1.5, 0.9], F)], ours="binomial",
    settings={"shape": [7]}, seed=29)
add("multinomial", lambda k, n, p: R.multinomial(k, n, p, shape=(6, 4)), [F(60), np.array([0.1, 0.2, 0.3, 0.4], F)], ours="multinomial",
    settings={"shape": [6, 4]}, seed=30)
add("multinomial of a certain outcome", lambda k, n, p: R.multinomial(k, n, p), [np.array([3, 8], F), np.array([[1, 0, 0], [0, 0, 1]], F)],
    ours="multinomial", settings={"shape": [2, 3]}, seed=31)

COVARIANCE = np.array([[2.0, 0.3, 0.1], [0.3, 0.5, -0.2], [0.1, -0.2, 1.0]], F)
add("multivariate_normal", lambda k, m, c: R.multivariate_normal(k, m, c, (4, 5), method="cholesky"), [np.array([1, -1, 0], F), COVARIANCE],
    ours="multivariate_normal", settings={"shape": [4, 5]}, seed=32, exact=False, grad=[0])
add("multivariate_normal of many", lambda k, m, c: R.multivariate_normal(k, m, c, (4, 2), method="cholesky"),
    [np.array([[1, -1, 0], [5, 5, 5]], F), np.stack([COVARIANCE, np.eye(3, dtype=F)])], ours="multivariate_normal", settings={"shape": [4, 2]},
    seed=33, exact=False)
for n, m in ((4, 4), (5, 2), (2, 5)):
    add(f"orthogonal {n} {m}", lambda k: R.orthogonal(k, n, (2,), m=m), ours="orthogonal", settings={"n": n, "m": m, "shape": [2]}, seed=34, exact=False)

LOGITS = np.array([[0.0, 1.0, -1.0, 3.0, 0.5], [2.0, 2.0, 2.0, -np.inf, 0.0]], F)
for axis, shape in ((-1, (3, 2)), (1, (2, 2, 2)), (0, (2, 5))):
    add(f"categorical without replacement, axis {axis}", lambda k, l: R.categorical(k, l, axis, shape, replace=False), [LOGITS],
        ours="categorical_without_replacement", settings={"axis": axis, "shape": list(shape)}, seed=35)
add("split to a shape", lambda k: R.key_data(R.split(k, (2, 3))), ours="split_shape", settings={"shape": [2, 3]}, seed=36)

if __name__ == "__main__":
    probes.write(sys.argv[1], "samplers.json")
