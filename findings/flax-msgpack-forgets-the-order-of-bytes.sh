#!/usr/bin/env bash
# flax 0.12.8: `flax.serialization.to_bytes` writes the name of a dtype without its order of bytes, and the bytes as they lie. An array
# that is big-endian in NumPy (FITS, HDF5 and network formats give such) comes back as other numbers, without a warning.
#
# Seen: [1. 2.] comes back as [4.6006e-41 8.9683e-44]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 flax==0.12.8
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from flax import serialization

x = np.array([1, 2], dtype=">f4")
back = serialization.msgpack_restore(serialization.msgpack_serialize({"x": x}))["x"]
print(x, "comes back as", np.array2string(back, precision=4))
assert back.dtype == np.dtype("<f4") and not np.array_equal(back, x)
assert np.array_equal(back.byteswap(), np.array([1, 2], dtype="<f4"))
PYTHON
