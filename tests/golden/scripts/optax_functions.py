"""Writes `optax_functions.json`: probes of optax's projections, of clipping by example, and of arithmetic of trees.

    python optax_functions.py FOLDER

Needs jax 0.10.2 and optax 0.2.8 on a CPU.
"""

import sys

import jax.numpy as jnp
import numpy as np
import optax
from optax import projections as p

from probes import Probes

rng = np.random.RandomState(3)
normal = lambda *shape: rng.randn(*shape).astype(np.float32)
probes = Probes()
probe = probes.probe
x, y = normal(5), normal(2, 3)
tree = lambda x, y: {"x": x, "y": y}

probe("non_negative", lambda x, y: p.projection_non_negative(tree(x, y)), [x, y], ours="non_negative")
# Optax takes bounds of a tree only as a tree.
probe("hypercube", lambda x, y: tree(p.projection_hypercube(x, 0.75), p.projection_hypercube(y, 0.75)), [x, y],
      ours="hypercube", settings={"scale": 0.75})
for scale in [1.0, 0.3, 4.0]:
    for name in ["simplex", "l1_sphere", "l1_ball", "l2_sphere", "l2_ball", "linf_ball"]:
        f = getattr(p, f"projection_{name}")
        probe(f"{name} of {scale}", lambda x, y, f=f, s=scale: f(tree(x, y), s), [x, y], ours=name,
              settings={"scale": scale})
probe("l1_ball within", lambda x, y: p.projection_l1_ball(tree(x, y), 50.0), [x, y], ours="l1_ball",
      settings={"scale": 50.0})
a, b = normal(5), normal(2, 3)
probe("vector", lambda x, y, a, b: p.projection_vector(tree(x, y), tree(a, b)), [x, y, a, b], ours="vector", tolerance=2e-5)
for name, level in [("hyperplane", 0.5), ("halfspace", 0.5), ("halfspace", -9.0), ("halfspace", 9.0)]:
    f = getattr(p, f"projection_{name}")
    probe(f"{name} at {level}", lambda x, y, a, b, f=f, l=level: f(tree(x, y), tree(a, b), l), [x, y, a, b], ours=name,
          settings={"scale": level}, tolerance=2e-5)

g, h = normal(4, 5), normal(4, 2, 3)
zero = g.copy()
zero[1] = 0
for clip in [0.5, 2.5, 10.0]:
    probe(f"per_example_global_norm_clip {clip}", lambda g, h, c=clip: optax.per_example_global_norm_clip(tree(g, h), c),
          [g, h], ours="per_example_global_norm_clip", settings={"scale": clip}, tolerance=2e-5)
    for uniform in [True, False]:
        probe(f"per_example_layer_norm_clip {clip} {uniform}",
              lambda g, h, c=clip, u=uniform: optax.per_example_layer_norm_clip(tree(g, h), c, u), [g, h],
              ours="per_example_layer_norm_clip", settings={"scale": clip, "uniform": uniform}, tolerance=2e-5)
probe("per_example_global_norm_clip of zeros", lambda g: optax.per_example_global_norm_clip({"x": g}, 0.5), [zero],
      ours="per_example_global_norm_clip", settings={"scale": 0.5}, grad=False, jvp=False)

probe("vdot", lambda x, y, a, b: optax.tree.vdot(tree(x, y), tree(a, b)), [x, y, a, b], ours="vdot")
for order in [1, 2, "inf"]:
    probe(f"norm {order}", lambda x, y, o=order: optax.tree.norm(tree(x, y), ord=jnp.inf if o == "inf" else o), [x, y],
          ours="norm", settings={"order": str(order)})
probe("add_scale", lambda x, y, a, b: optax.tree.add_scale(tree(x, y), 0.3, tree(a, b)), [x, y, a, b], ours="add_scale")
probe("update_moment", lambda x, y, a, b: optax.tree.update_moment(tree(x, y), tree(a, b), 0.9, 2), [x, y, a, b],
      ours="update_moment")
probe("update_infinity_moment", lambda x, y, a, b: optax.tree.update_infinity_moment(tree(x, y), tree(a, b), 0.9, 0.01),
      [x, y, abs(a), abs(b)], ours="update_infinity_moment")
probe("bias_correction", lambda x, y: optax.tree.bias_correction(tree(x, y), 0.9, 3), [x, y], ours="bias_correction")
probe("sum", lambda x, y: optax.tree.sum(tree(x, y)), [x, y], ours="sum")
probe("clip", lambda x, y: optax.tree.clip(tree(x, y), -0.5, 0.5), [x, y], ours="clip")
probe("scale_gradient", lambda x, y: optax.scale_gradient(tree(x, y), 0.3), [x, y], ours="scale_gradient",
      settings={"scale": 0.3}, jvp=False)
probe("no gradient", lambda x, y: optax.scale_gradient(tree(x, y), 0.0), [x, y], ours="scale_gradient",
      settings={"scale": 0.0}, jvp=False)
probes.write(sys.argv[1], "optax_functions.json")
