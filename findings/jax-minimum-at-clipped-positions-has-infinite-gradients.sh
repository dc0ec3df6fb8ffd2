#!/usr/bin/env bash
# jax 0.10.2: `x.at[i].min(u, mode="clip")` with a position beyond the end updates the last element, but its gradients are those of no
# update that took place: infinite by the update, though it won, and 1 by the element that it replaced.
#
# Seen (x = [1, 2, 3], i = [5], u = [0.5]):
#   value [1.0, 2.0, 0.5]
#   gradient of the sum by u [inf], by x [1.0, 1.0, 1.0]; right are [1] and [1, 1, 0]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
import jax, jax.numpy as jnp

x, u, i = jnp.array([1.0, 2.0, 3.0]), jnp.array([0.5]), jnp.array([5])
f = lambda x, u: x.at[i].min(u, mode="clip")
by_x, by_u = jax.grad(lambda x, u: f(x, u).sum(), argnums=(0, 1))(x, u)
print("value", f(x, u).tolist())
print("gradient of the sum by u", by_u.tolist(), "by x", by_x.tolist())
assert f(x, u).tolist() == [1.0, 2.0, 0.5]
assert jnp.isinf(by_u[0]) and by_x.tolist() == [1.0, 1.0, 1.0]
PYTHON
