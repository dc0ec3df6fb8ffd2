#!/usr/bin/env bash
# optax.rmsprop(lr, centered=True, bias_correction=True) (optax 0.2.8, JAX 0.10.2, CPU): after the first step the corrected mean of the
# squares is the square of the corrected mean, so that their difference, the variance that the gradient is divided by, is 0 but for
# rounding. The first update is thousands of learning rates long, of a length that rounding decides: it differs between parameters and
# between `jax.jit` and no `jax.jit`. Either option alone has no such step.
#
# Seen, of gradients 1.0, 1.1 and 1.7 and a learning rate of 0.01:
#   eager [-23.01351547241211, -110.0, -24.36447525024414]
#   jit [-22.834014892578125, -50.507781982421875, -22.108436584472656]
#   centered alone [-0.03333333134651184, -0.03333332762122154, -0.03333333507180214]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 optax==0.2.8
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import jax, jax.numpy as jnp, optax

grads = jnp.array([1.0, 1.1, 1.7], jnp.float32)
params = jnp.zeros(3, jnp.float32)

def first(name, tx, jit=lambda f: f):
    updates, _ = jit(tx.update)(grads, tx.init(params), params)
    print(name, updates.tolist())
    return jnp.abs(updates)

both = optax.rmsprop(0.01, centered=True, bias_correction=True)
eager, compiled = first("eager", both), first("jit", both, jax.jit)
assert (eager > 10).all() and (compiled > 10).all()
assert (jnp.abs(eager - compiled) > 0.1).any()
assert (first("centered alone", optax.rmsprop(0.01, centered=True)) < 0.04).all()
PYTHON
