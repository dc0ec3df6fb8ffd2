#!/usr/bin/env bash
# jax.random.choice of rows (JAX 0.10.2) drops the shape of a row where no row is asked for: (0,) instead of (0, 3).
# A batch that may be empty then has another rank than all others.
#
# Seen:
#   two rows: (2, 3)
#   no rows: (0,)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import jax, jax.numpy as jnp

rows = jnp.zeros((5, 3))
two = jax.random.choice(jax.random.key(0), rows, (2,), axis=0).shape
none = jax.random.choice(jax.random.key(0), rows, (0,), axis=0).shape
print(f"two rows: {two}")
print(f"no rows: {none}")
assert two == (2, 3) and none == (0,)
PYTHON
