#!/usr/bin/env bash
# jax 0.10.2: `jnp.linalg.eigh(a, UPLO=…, symmetrize_input=False)` reads one triangle of `a`, and its value depends on that one alone; its
# gradient is the same for both letters and names elements of the triangle that was not read.
#
# Seen: largest eigenvalues 2.083095 (L) and 2.2071068 (U) of [[1, 0.5], [0.3, 2]]; gradients of both [[0.1096, 0.3123], [0.3123, 0.8904]]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
import jax
import jax.numpy as jnp

a = jnp.array([[1.0, 0.5], [0.3, 2.0]])
largest = lambda a, letter: jnp.linalg.eigh(a, UPLO=letter, symmetrize_input=False)[0][-1]
values = {letter: largest(a, letter) for letter in "LU"}
gradients = {letter: jax.grad(largest)(a, letter) for letter in "LU"}
# The lower triangle alone decides for L: another upper one changes nothing.
assert largest(a.at[0, 1].set(9.0), "L") == values["L"] and largest(a.at[1, 0].set(9.0), "U") == values["U"]
print(values, {letter: gradient.tolist() for letter, gradient in gradients.items()})
assert values["L"] != values["U"]
assert gradients["L"][0, 1] != 0.0 and gradients["L"][0, 1] == gradients["L"][1, 0]
assert gradients["U"][1, 0] != 0.0 and gradients["U"][1, 0] == gradients["U"][0, 1]
PYTHON
