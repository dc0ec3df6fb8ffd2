#!/usr/bin/env bash
# optax 0.2.8: `radam` with a threshold below 4 takes the root of a negative number as soon as the length of its average lies
# between the threshold and 4, and all parameters are NaN from then on. The default (5) is safe; nothing says that lower is not.
#
# Seen (b2=0.9, threshold=2, gradients of 1): updates 1 to 3
#   -0.01 -0.01 nan
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 optax==0.2.8
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import jax.numpy as jnp, optax

tx = optax.radam(0.01, b2=0.9, threshold=2.0)
x = jnp.ones(1)
state, seen = tx.init(x), []
for _ in range(3):
    update, state = tx.update(jnp.ones(1), state, x)
    seen.append(float(update[0]))
print(*[round(u, 4) for u in seen])
assert seen[2] != seen[2] and all(u == u for u in seen[:2])
PYTHON
