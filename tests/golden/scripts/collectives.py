"""Collectives over named axes of `jax.vmap`: `python collectives.py FOLDER` writes `collectives.json`. Needs jax 0.10.2."""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from probes import Probes

L = jax.lax
probes = Probes()
rng = np.random.default_rng(0)
F = np.float32


def over(f, axes=("i",)):
    """`f` of one example, mapped over the leading axes; what an example gets is multiplied with what it has, where that fits."""
    for name in reversed(axes):
        f = jax.vmap(f, axis_name=name)
    return f


def add(name, f, shape, *, ours, settings=None, axes=("i",), integers=False, **options):
    x = rng.integers(-5, 9, shape).astype(np.int32) if integers else rng.normal(size=shape).astype(F)
    probes.probe(name, over(f, axes), [x], ours=ours, settings={"axes": list(axes), **(settings or {})}, signs=False, **options)


for name in ("psum", "pmean", "pmax", "pmin"):
    f = getattr(L, name)
    # JAX has no gradient of `pmax` and `pmin`.
    grad = name in ("psum", "pmean")
    add(name, lambda x: f(x * x, "i"), (3, 2), ours=name, grad=grad)
    add(f"{name} over two", lambda x: f(x * x, ("i", "j")), (3, 2, 2), ours=name, axes=("i", "j"), grad=grad)
    add(f"{name} over the outer", lambda x: f(x * x, "i"), (3, 2, 2), ours=name, axes=("i", "j"), settings={"names": ["i"]}, grad=grad)
add("psum of integers", lambda x: L.psum(x * x, "i"), (4,), ours="psum", integers=True)
for axis in (0, 1, -1):
    add(f"all_gather {axis}", lambda x: L.all_gather(x, "i", axis=axis), (3, 2, 4), ours="all_gather", settings={"axis": axis})
for axis in (0, 1):
    add(f"all_gather tiled {axis}", lambda x: L.all_gather(x, "i", axis=axis, tiled=True), (3, 2, 4), ours="all_gather",
        settings={"axis": axis, "tiled": True})
add("all_gather of integers", lambda x: L.all_gather(x, "i"), (3, 2), ours="all_gather", settings={"axis": 0}, integers=True)
for split, concat in ((0, 0), (0, 1), (1, 0), (1, 1)):
    shape = (3, 3, 2) if split == 0 else (3, 2, 3)
    settings = {"split": split, "concat": concat}
    add(f"all_to_all {split} {concat}", lambda x: L.all_to_all(x, "i", split, concat), shape, ours="all_to_all", settings=settings)
    tiled = (3, 6, 4) if split == 0 else (3, 4, 6)
    add(f"all_to_all tiled {split} {concat}", lambda x: L.all_to_all(x, "i", split, concat, tiled=True), tiled, ours="all_to_all",
        settings={**settings, "tiled": True})
add("all_to_all of the inner axis", lambda x: L.all_to_all(x, "j", 0, 1), (2, 3, 3, 2), ours="all_to_all", axes=("i", "j"),
    settings={"split": 0, "concat": 1, "names": ["j"]})
add("all_to_all of the outer axis", lambda x: L.all_to_all(x, "i", 0, 1), (3, 2, 3, 2), ours="all_to_all", axes=("i", "j"),
    settings={"split": 0, "concat": 1, "names": ["i"]})
for dim in (0, 1):
    add(f"psum_scatter {dim}", lambda x: L.psum_scatter(x, "i", scatter_dimension=dim), (3, 3, 2) if dim == 0 else (3, 2, 3), ours="psum_scatter",
        settings={"dim": dim})
    add(f"psum_scatter tiled {dim}", lambda x: L.psum_scatter(x, "i", scatter_dimension=dim, tiled=True), (3, 6, 2) if dim == 0 else (3, 2, 6),
        ours="psum_scatter", settings={"dim": dim, "tiled": True})
# Under `vmap`, JAX takes whole permutations only.
for name, pairs in (("ring", [(0, 1), (1, 2), (2, 0)]), ("swap", [(0, 1), (1, 0), (2, 2)])):
    add(f"ppermute {name}", lambda x: L.ppermute(x * x, "i", pairs), (3, 2), ours="ppermute", settings={"pairs": [n for pair in pairs for n in pair]})
add("ppermute of the outer axis", lambda x: L.ppermute(x, "i", [(0, 1), (1, 0)]), (2, 3, 2), ours="ppermute", axes=("i", "j"),
    settings={"pairs": [0, 1, 1, 0], "names": ["i"], "square": False})
add("ppermute of integers", lambda x: L.ppermute(x, "i", [(0, 2), (1, 0), (2, 1)]), (3, 2), ours="ppermute", settings={"pairs": [0, 2, 1, 0, 2, 1], "square": False},
    integers=True)
add("pshuffle", lambda x: L.pshuffle(x * x, "i", [2, 0, 1]), (3, 2), ours="pshuffle", settings={"permutation": [2, 0, 1]})
add("axis_index", lambda x: x * L.axis_index("i"), (3, 2), ours="axis_index")
add("axis_index of two", lambda x: x * L.axis_index(("i", "j")), (3, 2, 2), ours="axis_index", axes=("i", "j"))
add("axis_size of two", lambda x: x * L.axis_size(("i", "j")), (3, 2, 2), ours="axis_size", axes=("i", "j"))

if __name__ == "__main__":
    probes.write(sys.argv[1], "collectives.json")
