#!/usr/bin/env bash
# lax.top_k (JAX 0.10.2, CPU) takes a NaN whose sign bit is set for the smallest number, and any other NaN for the largest.
# jnp.sort puts both last. x86 processors make NaNs with the bit set (0/0, inf - inf), so what beam search keeps of a broken
# row depends on where its NaN came from.
#
# Seen:
#   top 2 of [1, 2, +nan]: [nan, 2.0], sorted [1.0, 2.0, nan]
#   top 2 of [1, 2, -nan]: [2.0, 1.0], sorted [1.0, 2.0, nan]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import jax.numpy as jnp, numpy as np
from jax import lax

def look(name, bits):
    x = jnp.asarray(np.array([0x3f800000, 0x40000000, bits], np.uint32).view(np.float32))
    top, ordered = np.asarray(lax.top_k(x, 2)[0]).tolist(), np.asarray(jnp.sort(x)).tolist()
    print(f"top 2 of [1, 2, {name}]: {top}, sorted {ordered}")
    return top

assert look("+nan", 0x7fc00000)[0] != 2.0
assert look("-nan", 0xffc00000) == [2.0, 1.0]
PYTHON
