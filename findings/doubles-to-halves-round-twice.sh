#!/usr/bin/env bash
# Doubles become halves by way of floats in ml_dtypes 0.6.0 (BF16) and in JAX 0.10.2 on a CPU (F16), and are rounded twice.
# NumPy 2.4.6 rounds once from doubles to float16. Whoever compares arrays of NumPy with arrays of JAX meets it at ties.
#
# Seen:
#   65519.999999 to F16: numpy 65504.0, jax inf
#   1 + 2^-8 + 1e-14 to BF16: ml_dtypes 1.0, the nearest is 1.0078125
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 ml_dtypes==0.6.0
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import jax
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp, ml_dtypes, numpy as np

wide = np.array([65519.999999])
ours, theirs = float(wide.astype(np.float16)[0]), float(jnp.asarray(wide).astype(jnp.float16)[0])
print(f"65519.999999 to F16: numpy {ours}, jax {theirs}")
assert ours == 65504.0 and theirs == float("inf")

# The neighbours in BF16 are 1 and 1 + 2^-7; the number lies above the middle of them.
x = 1 + 2**-8 + 1e-14
half = float(np.array([x]).astype(ml_dtypes.bfloat16)[0])
print(f"1 + 2^-8 + 1e-14 to BF16: ml_dtypes {half}, the nearest is {1 + 2**-7}")
assert half == 1.0 and abs(1 + 2**-7 - x) < abs(1.0 - x)
PYTHON
