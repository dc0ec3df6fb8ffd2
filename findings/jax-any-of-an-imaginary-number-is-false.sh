#!/usr/bin/env bash
# jax 0.10.2: `jnp.any` and `jnp.all` look only at the real parts of complex numbers: an imaginary unit is neither any nor all. NumPy says
# True to both, and so does a cast to bool in JAX.
#
# Seen: any False, all False, cast [True]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
import jax.numpy as jnp

x = jnp.array([1j])
print(f"any {bool(jnp.any(x))}, all {bool(jnp.all(x))}, cast {x.astype(bool).tolist()}")
assert not jnp.any(x) and not jnp.all(x) and x.astype(bool).tolist() == [True]
PYTHON
