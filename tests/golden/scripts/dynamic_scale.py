"""Scales, counts and gradients of Flax's `DynamicScale`, step by step: `python dynamic_scale.py FOLDER` writes `dynamic_scale.json`."""

import json
import sys
from pathlib import Path

import flax
import jax
import jax.numpy as jnp
from flax.training.dynamic_scale import DynamicScale

# The loss is the sum of factor·x² in float16, whose largest number is 65504.
FACTORS = [1.0, 0.5, 100.0, 1.0, 1.0, 1.0, 1.0, 3.0, 1000.0, 1e-3, 1e-3, 1e-3, 1e-3]
SETTINGS = [
    {},
    {"growth_interval": 2, "scale": 1024.0},
    {"growth_interval": 1, "growth_factor": 4.0, "backoff_factor": 0.25, "scale": 256.0},
    {"growth_interval": 1, "scale": 2.0, "minimum_scale": 64.0},
    {"growth_interval": 0, "growth_factor": 1e30, "scale": 1e10},
]


def run(settings):
    given = dict(settings)
    if "scale" in given:
        given["scale"] = jnp.array(given["scale"], jnp.float32)
    scale, x, steps = DynamicScale(**given), jnp.array([1.0, -2.0], jnp.float16), []
    for factor in FACTORS:
        loss = lambda x: jnp.sum(jnp.asarray(factor, x.dtype) * x * x)
        scale, is_finite, value, gradients = scale.value_and_grad(loss)(x)
        numbers = [str(g) if not jnp.isfinite(g) else float(g) for g in gradients]
        steps.append([int(scale.fin_steps), float(scale.scale), bool(is_finite), str(gradients.dtype), numbers])
    return {"settings": settings, "steps": steps}


table = {"versions": {"flax": flax.__version__, "jax": jax.__version__}, "factors": FACTORS, "cases": [run(s) for s in SETTINGS]}
(Path(sys.argv[1]) / "dynamic_scale.json").write_text(json.dumps(table) + "\n")
