#!/usr/bin/env bash
# The derivative of jnp.logaddexp by an operand beside an infinite one is not 0 in JAX 0.10.2, but the exponential of the operand.
# log(exp(x) + exp(inf)) is inf for every x, so nothing depends on x; beside 1000 the derivative is 0 as it should be.
#
# Seen:
#   beside 1000: 0.0
#   beside inf: 7.389056
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import jax, jax.numpy as jnp

gradient = jax.grad(jnp.logaddexp, 0)
large, infinite = float(gradient(2.0, 1000.0)), float(gradient(2.0, jnp.inf))
print(f"beside 1000: {large}")
print(f"beside inf: {infinite:.6f}")
assert large == 0.0 and abs(infinite - 7.389056) < 1e-4
PYTHON
