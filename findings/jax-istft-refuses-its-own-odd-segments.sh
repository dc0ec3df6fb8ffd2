#!/usr/bin/env bash
# jax 0.10.2: `jax.scipy.signal.istft` raises on what `stft` of the same module gives for segments of an odd length, whatever else they are:
# it computes an inverse transform of even length. For even lengths the two are inverse to each other.
#
# Seen: segments of 16: (64,); segments of 15: TypeError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
import jax.numpy as jnp
from jax.scipy.signal import istft, stft

x = jnp.sin(jnp.arange(64.0))
spectra = {n: stft(x, nperseg=n)[2] for n in (16, 15)}
back = istft(spectra[16], nperseg=16)[1]
assert jnp.abs(back - x).max() < 1e-5
try:
    istft(spectra[15], nperseg=15)
    error = None
except TypeError as raised:
    error = raised
print(f"segments of 16: {back.shape}; segments of 15: {type(error).__name__}")
assert isinstance(error, TypeError)
PYTHON
