"""Probes of `jax.image`, of convolutions of signals, patches, and transposed convolutions. Run: python image_resize.py ../../jax

Made with jax 0.10.2, numpy 2.4.6.
"""

import sys

import jax
import jax.numpy as jnp
import jax.scipy.signal
import numpy as np
from jax import lax
from probes import Probes

rng = np.random.default_rng(16)
probes = Probes()
probe = probes.probe
f32 = np.float32
CLOSE = dict(tolerance=1e-4, signs=False)


def noise(*shape):
    return rng.uniform(-1, 1, shape).astype(f32)


image = noise(4, 5, 2)
for method in ("nearest", "linear", "cubic", "cubic-pytorch", "lanczos3", "lanczos5", "area"):
    for antialias in (True, False):
        for name, shape in (("smaller", (3, 2, 2)), ("larger", (6, 8, 2)), ("mixed", (7, 3, 2))):
            if (method == "nearest" and not antialias) or (method == "lanczos5" and name != "smaller"):
                continue
            probe(f"{method} {name} antialias={antialias}", lambda x: jax.image.resize(x, shape, method, antialias=antialias), [image],
                  ours="resize", settings={"shape": shape, "method": method, "antialias": antialias}, **CLOSE)
resize = lambda method, shape: dict(ours="resize", settings={"shape": shape, "method": method, "antialias": True})
probe("of integers", lambda x: jax.image.resize(x, (5,), "linear"), [np.array([1, 2, 4])], **resize("linear", (5,)), tolerance=1e-5)
probe("nearest of integers", lambda x: jax.image.resize(x, (7,), "nearest"), [np.array([1, -2, 4])], **resize("nearest", (7,)), exact=True)
probe("nearest of booleans", lambda x: jax.image.resize(x, (2, 4), "nearest"), [np.array([[True, False, True]] * 3)], **resize("nearest", (2, 4)))
probe("of bf16", lambda x: jax.image.resize(x, (7,), "linear"), [noise(4).astype(jnp.bfloat16)], **resize("linear", (7,)), signs=False)
probe("of f16", lambda x: jax.image.resize(x, (3,), "cubic"), [noise(6).astype(np.float16)], **resize("cubic", (3,)), signs=False)
probe("of the same size", lambda x: jax.image.resize(x, (3, 2), "cubic"), [noise(3, 2)], **resize("cubic", (3, 2)), exact=True)
probe("to nothing", lambda x: jax.image.resize(x, (0, 2), "linear"), [noise(3, 2)], **resize("linear", (0, 2)), grad=False)
probe("of one element", lambda x: jax.image.resize(x, (4,), "lanczos3"), [noise(1)], **resize("lanczos3", (4,)), **CLOSE)
probe("to one element", lambda x: jax.image.resize(x, (1,), "linear"), [noise(5)], **resize("linear", (1,)), **CLOSE)
probe("of NaN", lambda x: jax.image.resize(x, (4,), "linear"), [np.array([1, np.nan, 2, 3, 4, 5], f32)], **resize("linear", (4,)), grad=False, vmap=False)
probes.differs("of NaN", "values", "JAX multiplies with a dense matrix, in which 0 · NaN spreads a NaN over the whole axis; here it stays where its weight is not 0")
probe("of infinity", lambda x: jax.image.resize(x, (3, 2), "nearest"), [np.array([[1, np.inf], [-0.0, np.nan]], f32)], **resize("nearest", (3, 2)), exact=True, grad=False)
probe("to another rank", lambda x: jax.image.resize(x, (3,), "linear"), [noise(3, 2)], **resize("linear", (3,)), raises=True)

for method in ("linear", "cubic", "lanczos3", "lanczos5", "area"):
    for antialias in (True, False):
        probe(f"map {method} antialias={antialias}",
              lambda x, scale, by: jax.image.scale_and_translate(x, (3, 5, 1), (0, 1), scale, by, method, antialias=antialias),
              [noise(4, 4, 1), np.array([0.7, 1.3], f32), np.array([0.4, -0.6], f32)], ours="scale_and_translate",
              settings={"shape": [3, 5, 1], "spatial": [0, 1], "method": method, "antialias": antialias},
              second=[noise(4, 4, 1), np.array([0.8, 1.1], f32), np.array([0.2, 0.9], f32)], tolerance=1e-3, signs=False, jvp=False)
probe("map outside", lambda x, scale, by: jax.image.scale_and_translate(x, (4,), (0,), scale, by, "linear"),
      [noise(4), np.array([1.0], f32), np.array([9.0], f32)], ours="scale_and_translate",
      settings={"shape": [4], "spatial": [0], "method": "linear", "antialias": True}, grad=[0], jvp=False, vmap=False, signs=False)
probe("map nearest", lambda x, scale, by: jax.image.scale_and_translate(x, (4,), (0,), scale, by, "nearest"),
      [noise(4), np.array([1.0], f32), np.array([0.0], f32)], ours="scale_and_translate",
      settings={"shape": [4], "spatial": [0], "method": "nearest", "antialias": True}, raises=True)

for mode in ("full", "same", "valid"):
    for m, n in ((5, 3), (3, 5), (4, 4), (6, 1), (5, 2)):
        probe(f"convolve {mode} {m} {n}", lambda x, y: jnp.convolve(x, y, mode), [noise(m), noise(n)], ours="convolve", settings={"mode": mode}, **CLOSE)
        probe(f"correlate {mode} {m} {n}", lambda x, y: jnp.correlate(x, y, mode), [noise(m), noise(n)], ours="correlate", settings={"mode": mode}, **CLOSE)
    for a, b in (((4, 5), (3, 2)), ((2, 3), (4, 3))):
        probe(f"convolve_nd {mode} {a}", lambda x, y: jax.scipy.signal.convolve(x, y, mode, method="direct"), [noise(*a), noise(*b)],
              ours="convolve_nd", settings={"mode": mode}, **CLOSE)
        probe(f"correlate_nd {mode} {a}", lambda x, y: jax.scipy.signal.correlate(x, y, mode, method="direct"), [noise(*a), noise(*b)],
              ours="correlate_nd", settings={"mode": mode}, **CLOSE)
probe("convolve of integers", lambda x, y: jnp.convolve(x, y), [np.array([1, 2, 3]), np.array([4, 5])], ours="convolve", settings={"mode": "full"})
probe("convolve of a matrix", lambda x, y: jnp.convolve(x, y), [noise(2, 2), noise(2)], ours="convolve", settings={"mode": "full"}, raises=True)
probe("convolve of nothing", lambda x, y: jnp.convolve(x, y), [noise(0), noise(2)], ours="convolve", settings={"mode": "full"}, raises=True)

last = ("NHWC", "HWIO", "NHWC")
first = ("NCHW", "OIHW", "NCHW")
for name, layout in (("last", last), ("first", first)):
    x = noise(1, 4, 5, 2) if name == "last" else noise(1, 2, 4, 5)
    for window, strides, padding, dilation in (((2, 2), (2, 2), "VALID", None), ((3, 2), (1, 2), "SAME", None), ((2, 2), (1, 1), ((1, 0), (0, 2)), (2, 1))):
        settings = {"layout": name, "window": window, "strides": strides, "padding": padding, "dilation": dilation or (1, 1)}
        f = lambda x: lax.conv_general_dilated_patches(x, window, strides, padding, rhs_dilation=dilation, dimension_numbers=layout)
        probe(f"patches {name} {window} {padding}", f, [x], ours="conv_patches", settings=settings)
    positions, inputs = (2, 2), 2 * 4
    kernel = noise(*positions, inputs, 3) if name == "last" else noise(3, inputs, *positions)
    probe(f"local {name}", lambda x, k: lax.conv_general_dilated_local(x, k, (2, 2), "VALID", (2, 2), dimension_numbers=layout), [x, kernel],
          ours="conv_local", settings={"layout": name, "window": (2, 2), "strides": (2, 2), "padding": "VALID", "dilation": (1, 1)}, **CLOSE)
    kernel = noise(3, 2, 2, 3) if name == "last" else noise(3, 2, 3, 2)
    flipped = noise(3, 2, 3, 2) if name == "last" else noise(2, 3, 3, 2)
    for padding in ("SAME", "VALID", ((1, 2), (0, 1))):
        for transpose in (False, True):
            probe(f"conv_transpose {name} {padding} {transpose}",
                  lambda x, k: lax.conv_transpose(x, k, (2, 2), padding, rhs_dilation=(1, 2), dimension_numbers=layout, transpose_kernel=transpose),
                  [x, flipped if transpose else kernel], ours="conv_transpose",
                  settings={"layout": name, "strides": (2, 2), "padding": padding, "dilation": (1, 2), "transpose": transpose}, **CLOSE)

for name, start, f in (("sum", 0.0, lax.add), ("max", -np.inf, lax.max), ("min", np.inf, lax.min)):
    probe(f"reduce_window {name}", lambda x: lax.reduce_window(x, jnp.float32(start), f, (2, 3), (1, 2), "SAME"), [noise(4, 7)],
          ours="reduce_window", settings={"reduction": name, "window": (2, 3), "strides": (1, 2), "padding": "SAME"}, **CLOSE)

probes.write(sys.argv[1], "image_resize.json")
