#!/usr/bin/env bash
# flax 0.12.8: `save_checkpoint(keep_every_n_steps=n)` does not keep the steps that n divides. It keeps a step that is at least n behind
# the last one kept, and never the first: which steps are left depends on which were there, so two runs that save at other
# intervals keep other steps of the same numbers.
#
# Seen (n = 10, keep = 1):
#   saved every 5 steps from 0 on:  kept [5, 15, 25, 35]
#   saved every 7 steps from 0 on:  kept [7, 21, 35]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 flax==0.12.8
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - "$folder" <<'PYTHON' 2>/dev/null
import os, sys
import flax
import numpy as np
from flax.training import checkpoints

flax.config.update("flax_use_orbax_checkpointing", False)
kept = {}
for every in (5, 7):
    folder = os.path.join(sys.argv[1], str(every))
    for step in range(0, 36, every):
        checkpoints.save_checkpoint(folder, {"x": np.ones(1)}, step, keep=1, keep_every_n_steps=10)
    kept[every] = sorted(int(name.split("_")[1]) for name in os.listdir(folder))
    print(f"saved every {every} steps from 0 on:  kept {kept[every]}")
assert 0 not in kept[5] and 0 not in kept[7]
assert any(step % 10 for step in kept[7][:-1])
PYTHON
