#!/usr/bin/env bash
# jax 0.10.2: `jax.random.double_sided_maxwell` appends the shape of its parameters to `shape`; where that is `()` and the parameters are an
# array of n, the sample is n by n. Other samplers with arrays as parameters give n.
#
# Seen: shape=() gives (3, 3), shape=(2,) gives (2, 3); gamma of the same parameters (3,)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
import jax, jax.numpy as jnp

key, zeros, ones = jax.random.key(0), jnp.zeros(3), jnp.ones(3)
sample = lambda shape: jax.random.double_sided_maxwell(key, zeros, ones, shape=shape).shape
gamma = jax.random.gamma(key, ones).shape
print(f"shape=() gives {sample(())}, shape=(2,) gives {sample((2,))}; gamma of the same parameters {gamma}")
assert sample(()) == (3, 3) and sample((2,)) == (2, 3) and gamma == (3,)
PYTHON
