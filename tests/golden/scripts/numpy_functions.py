"""Writes `numpy_functions.json`: probes of functions of `jax.numpy`, `jax.lax` and `jax.nn` that are composed of others.

    python numpy_functions.py FOLDER

Needs jax 0.10.2 on a CPU.
"""

import sys

import jax.numpy as jnp
import numpy as np

from probes import Probes

inf, nan = float("inf"), float("nan")
LINE = np.array([0.0, -0.0, inf, -inf, nan, 1.0, -1.0, 0.5, -2.0, 3.0, -3.5, 6.0], np.float32)
x = np.array([[1.5, -2.0, 0.25], [3.0, -0.5, 2.0]], np.float32)

probes = Probes()
probes.probe("sum of rows", lambda x: jnp.sum(x, 1, keepdims=True), [x], ours="sum", settings={"axis": 1, "keepdims": True})
probes.probe("hypot of corners", jnp.hypot, [LINE, LINE[::-1]], ours="hypot")
probes.write(sys.argv[1], "numpy_functions.json")
