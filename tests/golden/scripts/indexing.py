"""Writes `indexing.json`: probes of `x.at[...]`, of indexing by tuples, and of functions of positions.

    python indexing.py FOLDER

An index is written as the test reads it: `"$1"` is the second argument, `"1:3"`, `"::2"` are slices, `"..."` and `"none"` are Python's.

Needs jax 0.10.2 on a CPU.
"""

import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from probes import Probes

# Updates of another dtype than the array are promoted with a warning.
warnings.simplefilter("ignore", FutureWarning)
inf, nan = float("inf"), float("nan")
f32, i32 = np.float32, np.int32
probes = Probes()


def ramp(*shape, dtype=f32):
    return ((np.arange(np.prod(shape)) * 7 % 11 - 5) / (2 if dtype == f32 else 1)).reshape(shape).astype(dtype)


def item(text, args):
    if isinstance(text, int):
        return text
    if text.startswith("$"):
        return args[int(text[1:])]
    if text == "...":
        return Ellipsis
    if text == "none":
        return None
    return slice(*(int(part) if part else None for part in text.split(":")))


def at(name, op, index, args, value=None, mode=None, fill=None, unique=False, wrap=True, **options):
    """A probe of `args[0].at[index].op(value)`; a text `"$2"` as value is the third argument."""

    def f(*args):
        place = args[0].at[tuple(item(text, args) for text in index)]
        keywords = {"mode": mode, "unique_indices": unique, "wrap_negative_indices": wrap}
        if op == "get":
            return place.get(**keywords, fill_value=fill)
        if op == "apply":
            return place.apply(lambda x: x * 2 + 1, **keywords)
        given = args[int(value[1:])] if isinstance(value, str) else value
        return getattr(place, op)(given, **keywords)

    settings = {"op": op, "index": index, "value": value, "mode": mode, "fill": fill, "unique": unique, "wrap": wrap}
    probes.probe(name, f, args, ours="at", settings=settings, **options)


x, box = ramp(4, 5), ramp(3, 4, 5)
i, j = np.array([0, 3, 1], i32), np.array([4, 0, 2], i32)
twice = np.array([2, 0, 2], i32)
far = np.array([1, 7, -1, -9], i32)
u = np.array([10, 20, 30], f32)

# Reading.
at("two axes", "get", ["$1", "$2"], [x, i, j])
at("two axes, broadcast", "get", ["$1", "$2"], [x, i.reshape(3, 1), j])
at("rows", "get", ["$1"], [x, twice])
at("columns", "get", [":", "$1"], [x, twice])
at("rows in front of a slice", "get", ["$1", "1:4"], [x, i])
at("rows in front of a slice with a step", "get", ["$1", "::2"], [x, i])
at("a slice backwards beside positions", "get", ["::-2", "$1"], [x, j])
at("positions apart", "get", ["$1", ":", "$2"], [box, twice, j])
at("positions apart, the last two axes", "get", ["...", "$1", "$2"], [box, i, j])
at("positions side by side, behind", "get", [":", "$1", "$2"], [box, i, j])
at("a number beside positions", "get", [":", 1, "$1"], [box, j])
at("a number apart from positions", "get", [1, ":", "$1"], [box, j])
at("a new axis between positions", "get", ["$1", "none", "$2"], [box, twice, i])
at("new axes", "get", ["none", 1, "...", "none"], [box])
at("an ellipsis between positions", "get", ["$1", "...", "$2"], [box, twice, j])
at("an ellipsis of nothing between positions", "get", ["$1", "...", 0, "$2"], [box, twice, j])
at("numbers", "get", [1, -1], [x])
at("slices", "get", ["1:-1", "::-2"], [x])
at("a slice of nothing", "get", ["3:1", "$1"], [x, i])
at("no positions", "get", ["$1"], [x, np.zeros([0], i32)])
at("one position that is a value", "get", ["$1"], [x, i32(2)])
at("two positions that are values", "get", ["$1", "1:3", "$2"], [box, i32(-1), i32(9)])
at("a position that is a value and a slice backwards", "get", ["$1", "::-1"], [x, i32(2)])
at("a position that is a value among rows", "get", ["$1", "$2"], [x, i32(2), j])
at("outside, as it is", "get", ["$1"], [x, far], vmap=False)
for part in ["gradient", "jvp"]:
    probes.differs("outside, as it is", part,
                   "what is read there depends on the last element: JAX gives the clipped value and no gradient, ours has it")
at("outside, clipped", "get", ["$1"], [x, far], mode="clip")
at("outside, filled", "get", ["$1"], [x, far], mode="fill")
at("outside, dropped", "get", ["$1"], [x, far], mode="drop")
at("outside, filled with a number", "get", ["$1", "$2"], [x, far, far], mode="fill", fill=7.5)
at("outside, promised", "get", ["$1"], [x, far], mode="promise_in_bounds", grad=False)
at("outside, integers filled", "get", ["$1"], [ramp(4, 5, dtype=i32), far], mode="fill")
at("outside, integers filled with a number", "get", ["$1"], [ramp(4, 5, dtype=i32), far], mode="fill", fill=3)
at("outside, bytes filled", "get", ["$1"], [np.arange(6, dtype=np.uint8), far], mode="fill")
at("outside, booleans filled", "get", ["$1"], [np.array([False, True]), far], mode="fill")
at("a number outside", "get", [9], [x])
at("a number outside, filled", "get", [9], [x], mode="fill")
at("a number far below, clipped", "get", [-9], [x], mode="clip")
at("negative ones are outside", "get", ["$1"], [x, far], mode="fill", wrap=False)
at("a slice and positions outside, filled", "get", ["1:3", "$1"], [x, far], mode="fill")
at("a slice with a step and positions outside, filled", "get", ["::3", "$1"], [x, far], mode="fill")
at("of half", "get", ["$1"], [jnp.asarray(x, jnp.bfloat16), i])
at("by bytes", "get", ["$1"], [x, np.array([1, 3], np.uint8)])
at("by words without sign", "get", ["$1"], [x, np.array([1, 3], np.uint32)])
at("a mask of everything", "get", ["$1"], [x, x > 0], vmap=False, jit=False)
at("a mask of rows", "get", ["$1"], [x, np.array([True, False, True, True])], vmap=False, jit=False)
at("a mask of columns", "get", [":", "$1"], [x, np.array([True, False, True, True, False])], vmap=False, jit=False)
at("a mask beside positions", "get", ["$1", "$2"], [x, np.array([True, False, True, True]), i], vmap=False, jit=False)
at("a mask apart from positions", "get", ["$1", ":", "$2"], [box, np.array([True, False, True]), i32(1)], vmap=False,
   jit=False)
at("a mask of two axes of three", "get", [":", "$1"], [box, ramp(4, 5) > 1], vmap=False, jit=False)

# Writing.
for op in ["set", "add", "multiply", "min", "max"]:
    at(f"{op}, two axes", op, ["$1", "$2"], [x, i, j, u / 8], "$3", grad=[0] if op == "multiply" else True)
    at(f"{op}, rows that repeat", op, ["$1"], [x, twice, ramp(3, 5)], "$2", grad=[0] if op == "multiply" else True)
    at(f"{op}, positions apart", op, ["$1", ":", "$2"], [box, twice, j, ramp(4)], "$3",
       grad=[0] if op == "multiply" else True)
    at(f"{op}, some outside", op, ["$1"], [x, far, ramp(4, 1)], "$2", grad=[0] if op == "multiply" else True)
    at(f"{op}, some outside, clipped", op, ["$1"], [x, far, ramp(5) + f32(0.125)], "$2", mode="clip",
       grad={"set": True, "add": True, "multiply": [0]}.get(op, False))
    at(f"{op}, a slice", op, ["1:3", "::2"], [x, ramp(2, 3)], "$1")
    at(f"{op}, a mask and a number", op, ["$1"], [x, x > 0, f32(1.5)], "$2", vmap=False, grad=False)
    at(f"{op}, integers", op, ["$1", "$2"], [ramp(4, 5, dtype=i32), twice, twice, np.array([3, -4, 5], i32)], "$3")
at("multiply, distinct", "multiply", ["$1", "$2"], [x, i, j, u / 8], "$3", unique=True)
at("subtract, rows that repeat", "subtract", ["$1"], [x, twice, ramp(3, 5)], "$2")
at("subtract, bytes", "subtract", ["$1"], [np.arange(6, dtype=np.uint8), twice, np.array([1, 2, 3], np.uint8)], "$2")
at("divide, two axes", "divide", ["$1", "$2"], [x, i, j, u / 8], "$3", grad=[0])
at("divide, integers by a number", "divide", [1], [ramp(4, dtype=i32)], 2)
at("power, two axes", "power", ["$1", "$2"], [np.abs(x) + 1, i, j, u / 8], "$3", grad=[0])
at("power, integers by a number", "power", ["$1"], [ramp(4, dtype=i32), i], 2)
at("apply, two axes", "apply", ["$1", "$2"], [x, i, j], grad=False)
at("apply, rows that repeat", "apply", ["$1"], [x, twice], grad=False)
at("apply, some outside", "apply", ["$1"], [x, far], grad=False)
at("apply, some outside, clipped", "apply", ["$1"], [x, far], mode="clip", grad=False)
at("apply, a slice backwards", "apply", ["::-2"], [x], grad=False)
at("set, a number", "set", [1, 2], [x, f32(9)], "$1")
at("set, a number outside", "set", [9], [x, f32(9)], "$1")
at("set, a number outside, clipped", "set", [9], [x, f32(9)], "$1", mode="clip")
at("set, everything", "set", ["..."], [x, u[:1]], "$1")
at("set, backwards", "set", ["::-1", "1:"], [x, ramp(4, 4)], "$1")
at("set, new axes", "set", ["none", "$1", "none", "2:4"], [x, i, ramp(1, 3, 1, 2)], "$2")
at("set, a position that is a value", "set", ["$1", "1:4"], [x, i32(-2), u], "$2")
at("set, a position that is a value, outside", "set", ["$1"], [x, i32(4), f32(9)], "$2")
at("set, a mask of rows and a row", "set", ["$1"], [x, np.array([True, False, True, False]), ramp(5)], "$2", vmap=False,
   grad=False)
at("set, a mask and one value for each", "set", ["$1"], [x, np.array([True, False, True, False]), ramp(2, 5)], "$2",
   vmap=False, jit=False)
at("add, a mask of columns and a column", "add", [":", "$1"], [x, np.array([True, False, True, False, True]), ramp(4, 1)],
   "$2", vmap=False, grad=False)
at("add, negative ones are outside", "add", ["$1"], [x, far, f32(1)], "$2", wrap=False)
at("add, no positions", "add", ["$1"], [x, np.zeros([0], i32)], 1.0)
at("add, an axis without elements", "add", ["$1"], [np.zeros([0, 3], f32), i], 1.0)
at("add, floats to integers", "add", ["$1"], [ramp(4, dtype=i32), twice, np.array([1.75, 2.5, 1.75], f32)], "$2", grad=False)
at("add, a float to integers", "add", [1], [ramp(4, dtype=i32)], 1.75)
at("add, words to bytes", "add", ["$1"], [np.arange(6, dtype=np.uint8), twice, np.array([200, 100, 300], i32)], "$2")
at("add, floats to halves", "add", ["$1"], [jnp.asarray(ramp(4), jnp.bfloat16), twice, u / 7], "$2")
at("max, NaN and zeros", "max", ["$1"], [np.array([0.0, -0.0, nan, 1.0], f32), np.array([0, 1, 2, 3], i32),
                                        np.array([-0.0, 0.0, 5.0, nan], f32)], "$2", grad=False)
at("min, NaN and zeros", "min", ["$1"], [np.array([0.0, -0.0, nan, 1.0], f32), np.array([0, 1, 2, 3], i32),
                                        np.array([-0.0, 0.0, 5.0, nan], f32)], "$2", grad=False)
at("add, integers at their limits", "add", ["$1"], [np.array([2**31 - 1, -(2**31)], i32), np.array([0, 1, 0], i32),
                                                    np.array([1, -1, 1], i32)], "$2")
at("max, of positions that are clipped", "max", ["$1"], [x, far, ramp(5) + f32(0.125)], "$2", mode="clip", vmap=False)
probes.differs("max, of positions that are clipped", "gradient",
               "JAX looks for the winners where positions are before they are clipped: its gradients are infinite here")
at("max, ties share the gradient", "max", ["$1"], [np.ones(3, f32), twice, np.array([1, 1, 1], f32)], "$2")

# Along one axis.
deep = np.array([[0, -1], [2, 1], [1, 9]], i32)
probes.probe("take_along_axis", lambda x, i: jnp.take_along_axis(x, i, 1), [ramp(3, 4), deep], ours="take_along_axis",
             settings={"axis": 1})
probes.probe("take_along_axis, the first axis", lambda x, i: jnp.take_along_axis(x, i, 0), [ramp(3, 2), deep % 3],
             ours="take_along_axis", settings={"axis": 0})
probes.probe("put_along_axis", lambda x, i, v: jnp.put_along_axis(x, i, v, 1, inplace=False),
             [ramp(3, 4), deep, ramp(3, 2)], ours="put_along_axis", settings={"axis": 1})
probes.probe("dynamic_index_in_dim", lambda x, i: lax.dynamic_index_in_dim(x, i, 1, keepdims=False), [x, i32(-2)],
             ours="dynamic_index", settings={"axis": 1})
probes.probe("dynamic_index_in_dim, outside", lambda x, i: lax.dynamic_index_in_dim(x, i, 0, keepdims=False), [x, i32(9)],
             ours="dynamic_index", settings={"axis": 0})
probes.probe("dynamic_slice_in_dim", lambda x, i: lax.dynamic_slice_in_dim(x, i, 3, 1), [x, i32(4)], ours="dynamic_slice",
             settings={"axis": 1, "size": 3})
probes.probe("dynamic_update_index_in_dim", lambda x, v, i: lax.dynamic_update_index_in_dim(x, v, i, 1),
             [x, ramp(4), i32(3)], ours="dynamic_update_index", settings={"axis": 1})
probes.probe("dynamic_update_index_in_dim, with the axis", lambda x, v, i: lax.dynamic_update_index_in_dim(x, v, i, 0),
             [x, ramp(1, 5), i32(-1)], ours="dynamic_update_index", settings={"axis": 0})
probes.probe("dynamic_update_slice_in_dim", lambda x, v, i: lax.dynamic_update_slice_in_dim(x, v, i, 1),
             [x, ramp(4, 2), i32(4)], ours="dynamic_update_slice", settings={"axis": 1})
for shift in [0, 3, -2, 11, -12]:
    probes.probe(f"roll by {shift}", lambda x, s: jnp.roll(x, s, 1), [x, i32(shift)], ours="roll", settings={"axis": 1})
probes.probe("roll of nothing", lambda x, s: jnp.roll(x, s, 0), [np.zeros([0, 2], f32), i32(3)], ours="roll",
             settings={"axis": 0})
counts = np.array([1, 0, 3, 2], i32)
for total in [4, 6, 9]:
    probes.probe(f"repeat to {total}", lambda x, n, t=total: jnp.repeat(x, n, 0, total_repeat_length=t), [x, counts],
                 ours="repeat", settings={"axis": 0, "total": total})

# Segments.
ids = np.array([2, 0, 2, -1, 5, 0], i32)
for reduction in ["sum", "prod", "max", "min"]:
    f = getattr(jax.ops, f"segment_{reduction}")
    by = False if reduction == "prod" else True
    probes.probe(f"segment_{reduction}", lambda x, ids, f=f: f(x, ids, 4), [ramp(6), ids], ours=f"segment_{reduction}",
                 settings={"count": 4}, grad=by)
    probes.probe(f"segment_{reduction} of rows", lambda x, ids, f=f: f(x, ids, 3), [ramp(6, 2), ids],
                 ours=f"segment_{reduction}", settings={"count": 3}, grad=by)
    probes.probe(f"segment_{reduction} of integers", lambda x, ids, f=f: f(x, ids, 4), [ramp(6, dtype=i32), ids],
                 ours=f"segment_{reduction}", settings={"count": 4})
    probes.probe(f"segment_{reduction} of bytes", lambda x, ids, f=f: f(x, ids, 4), [np.arange(250, 256, dtype=np.uint8), ids],
                 ours=f"segment_{reduction}", settings={"count": 4})
probes.probe("segment_sum of bf16", lambda x, ids: jax.ops.segment_sum(x, ids, 4), [jnp.asarray(ramp(6), jnp.bfloat16), ids],
             ours="segment_sum", settings={"count": 4})
probes.probe("segment_max of NaN", lambda x, ids: jax.ops.segment_max(x, ids, 3),
             [np.array([1, nan, -0.0, 0.0, 5, -inf], f32), np.array([0, 0, 1, 1, 1, 2], i32)], ours="segment_max",
             settings={"count": 3}, grad=False)

# Which elements.
holes = np.array([[0, 3, 0], [5, 0, -1]], i32)
probes.probe("nonzero", jnp.nonzero, [holes], ours="nonzero", jit=False, vmap=False)
probes.probe("nonzero of floats", jnp.nonzero, [np.array([0.0, -0.0, nan, 1.0], f32)], ours="nonzero", jit=False, vmap=False)
for size, fill in [(2, 0), (5, 0), (5, -1), (0, 0)]:
    probes.probe(f"nonzero of size {size}, {fill}", lambda x, size=size, fill=fill: jnp.nonzero(x, size=size, fill_value=fill),
                 [holes], ours="nonzero", settings={"size": size, "fill": fill})
probes.probe("nonzero, a fill for each axis", lambda x: jnp.nonzero(x, size=5, fill_value=(7, 8)), [holes], ours="nonzero",
             settings={"size": 5, "fill": [7, 8]})
probes.probe("nonzero of a number", jnp.nonzero, [f32(1)], ours="nonzero", raises=True)
probes.probe("nonzero of nothing", lambda x: jnp.nonzero(x, size=2), [np.zeros([0, 3], f32)], ours="nonzero",
             settings={"size": 2, "fill": 0})
probes.probe("argwhere", jnp.argwhere, [holes], ours="argwhere", jit=False, vmap=False)
probes.probe("argwhere of size 4", lambda x: jnp.argwhere(x, size=4, fill_value=-1), [holes], ours="argwhere",
             settings={"size": 4, "fill": -1})
probes.probe("flatnonzero", jnp.flatnonzero, [holes], ours="flatnonzero", jit=False, vmap=False)
probes.probe("flatnonzero of size 4", lambda x: jnp.flatnonzero(x, size=4, fill_value=6), [holes], ours="flatnonzero",
             settings={"size": 4, "fill": 6})


def unique(x, **keywords):
    return jnp.unique(x, return_index=True, return_inverse=True, return_counts=True, **keywords)


several = np.array([[3, 1, 3], [2, 3, 1]], i32)
probes.probe("unique", unique, [several], ours="unique", jit=False, vmap=False)
floats = np.array([nan, 1.0, 0.0, -0.0, nan, inf, 1.0], f32)
probes.probe("unique of floats", unique, [floats], ours="unique", jit=False, vmap=False, grad=False)
probes.probe("unique of booleans", unique, [np.array([True, False, True])], ours="unique", jit=False, vmap=False)
for size in [2, 3, 6]:
    probes.probe(f"unique of size {size}", lambda x, size=size: unique(x, size=size), [several], ours="unique",
                 settings={"size": size})
probes.probe("unique of size 5 and a fill", lambda x: unique(x, size=5, fill_value=-7), [several], ours="unique",
             settings={"size": 5, "fill": -7})
probes.probe("unique of nothing", lambda x: unique(x), [np.zeros([0], f32)], ours="unique", jit=False, vmap=False, grad=False)
probes.probe("unique of nothing with a size", lambda x: unique(x, size=2), [np.zeros([0], f32)], ours="unique",
             settings={"size": 2}, raises=True)
probes.probe("isin", jnp.isin, [several, np.array([1, 9, 2], i32)], ours="isin")
probes.probe("isin of floats", jnp.isin, [floats, np.array([nan, -0.0, inf], f32)], ours="isin")
probes.probe("isin of floats among integers", jnp.isin, [floats, np.array([1, 0], i32)], ours="isin")
probes.probe("isin of nothing", jnp.isin, [several, np.zeros([0], i32)], ours="isin")
line = np.array([-inf, 0.0, 1.0, 1.0, 2.5, nan], f32)
queries = np.array([[1.0, -0.0, nan], [-inf, inf, 9.0]], f32)
for side in ["left", "right"]:
    probes.probe(f"searchsorted {side}", lambda x, q, side=side: jnp.searchsorted(x, q, side=side), [line, queries],
                 ours="searchsorted", settings={"side": side}, second=[line, queries[::-1]])
probes.probe("searchsorted in nothing", jnp.searchsorted, [np.zeros([0], f32), queries], ours="searchsorted",
             settings={"side": "left"})

# Positions.
flat = np.array([[0, 5, 23], [-1, 24, -30]], i32)
probes.probe("unravel_index", lambda i: jnp.unravel_index(i, (2, 3, 4)), [flat], ours="unravel_index",
             settings={"shape": [2, 3, 4]})
probes.probe("unravel_index of bytes", lambda i: jnp.unravel_index(i, (2, 3)), [np.array([1, 5, 200], np.uint8)],
             ours="unravel_index", settings={"shape": [2, 3]})
for mode in ["wrap", "clip"]:
    probes.probe(f"ravel_multi_index, {mode}", lambda i, j, mode=mode: jnp.ravel_multi_index((i, j), (3, 4), mode=mode),
                 [np.array([0, 2, 7], i32), np.array([1, -2, 9], i32)], ours="ravel_multi_index",
                 settings={"shape": [3, 4], "mode": mode})
probes.probe("ravel_multi_index, outside", lambda i, j: jnp.ravel_multi_index((i, j), (3, 4)), [i, j],
             ours="ravel_multi_index", settings={"shape": [3, 4], "mode": "raise"}, raises=True)
for rows, columns, k in [(3, 4, 0), (4, 3, 1), (3, 3, -1), (2, 2, 5)]:
    probes.probe(f"triu_indices {rows} {columns} {k}", lambda n=rows, m=columns, k=k: jnp.triu_indices(n, k, m), [],
                 ours="triu_indices", settings={"rows": rows, "columns": columns, "k": k})
    probes.probe(f"tril_indices {rows} {columns} {k}", lambda n=rows, m=columns, k=k: jnp.tril_indices(n, k, m), [],
                 ours="tril_indices", settings={"rows": rows, "columns": columns, "k": k})

# Put in and taken out.
probes.probe("append", jnp.append, [x, i], ours="append")
probes.probe("append along an axis", lambda x, y: jnp.append(x, y, 1), [x, ramp(4, 2)], ours="append", settings={"axis": 1})
probes.probe("delete", lambda x: jnp.delete(x, jnp.array([0, -1, 0]), 1), [x], ours="delete",
             settings={"at": [0, -1, 0], "axis": 1})
probes.probe("delete one of all", lambda x: jnp.delete(x, 7), [x], ours="delete", settings={"at": [7]})
probes.probe("delete one that is a value", lambda x, i: jnp.delete(x, i, 0, assume_unique_indices=True), [x, i32(-2)],
             ours="delete", settings={"axis": 0})
probes.probe("insert", lambda x, v: jnp.insert(x, jnp.array([3, 0, 3]), v, 1), [x, ramp(4, 3)], ours="insert",
             settings={"at": [3, 0, 3], "axis": 1})
probes.probe("insert before one", lambda x, v: jnp.insert(x, 1, v, 1), [x, ramp(4)], ours="insert",
             settings={"at": 1, "axis": 1})
probes.probe("insert rows before one", lambda x, v: jnp.insert(x, -1, v, 0), [x, ramp(2, 5)], ours="insert",
             settings={"at": -1, "axis": 0})
probes.probe("insert into all", lambda x, v: jnp.insert(x, jnp.array([1, 99]), v), [x, u[:2]], ours="insert",
             settings={"at": [1, 99]})

probes.probe("ragged_dot", lax.ragged_dot, [ramp(6, 3), ramp(3, 3, 2), np.array([2, 0, 3], i32)], ours="ragged_dot",
             second=[ramp(6, 3)[::-1], ramp(3, 3, 2)[::-1], np.array([1, 4, 1], i32)])
probes.probe("approx_max_k", lambda x: lax.approx_max_k(x, 2), [x + np.arange(20).reshape(4, 5) / 64], ours="approx_max_k",
             settings={"axis": -1})
probes.probe("approx_max_k along the first axis", lambda x: lax.approx_max_k(x, 2, reduction_dimension=0),
             [x + np.arange(20, dtype=f32).reshape(4, 5) / 64], ours="approx_max_k", settings={"axis": 0})
probes.probe("approx_min_k", lambda x: lax.approx_min_k(x, 3), [x + np.arange(20, dtype=f32).reshape(4, 5) / 64],
             ours="approx_min_k", settings={"axis": -1})
probes.write(sys.argv[1], "indexing.json")
