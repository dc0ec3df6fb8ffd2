#!/usr/bin/env bash
# flax 0.12.8: `nn.jit` and `check_constancy_invariants=False` of `nn.scan`, which read like matters of speed and of checking, give a
# model other initial weights for the same key. `nn.jit` replaces each random stream by one drawn in the scope around the module, with an
# empty path; `nn.scan` traces its body once more where it checks, and draws are counted through both traces. `nn.remat` changes
# nothing. A checkpoint is safe; a run that is to be repeated from its seed is not.
#
# Seen (first number of the kernel, key 0):
#   Dense 0.0894  nn.jit 0.0826  nn.remat 0.0894  nn.scan 0.0316  nn.scan without the check 0.4319
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 flax==0.12.8
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import jax, jax.numpy as jnp
from flax import linen as nn

x = jnp.ones((2, 4))


class Step(nn.Module):
    @nn.compact
    def __call__(self, carry, _):
        return nn.Dense(4, name="dense")(carry), None


class Model(nn.Module):
    how: str

    @nn.compact
    def __call__(self, x):
        if self.how == "nn.scan" or self.how == "nn.scan without the check":
            scan = nn.scan(Step, variable_axes={"params": 0}, split_rngs={"params": True}, length=2,
                           check_constancy_invariants=self.how == "nn.scan")
            return scan(name="layer")(x, None)[0]
        lift = {"Dense": lambda m: m, "nn.jit": nn.jit, "nn.remat": nn.remat}[self.how]
        return lift(nn.Dense)(4, name="layer")(x)


def first(how):
    params = Model(how).init(jax.random.key(0), x)["params"]["layer"]
    return round(float(jax.tree.leaves(params, is_leaf=lambda l: hasattr(l, "shape"))[-1].ravel()[0]), 4)


seen = {how: first(how) for how in ("Dense", "nn.jit", "nn.remat", "nn.scan", "nn.scan without the check")}
print("  ".join(f"{how} {value}" for how, value in seen.items()))
assert seen["Dense"] == seen["nn.remat"] != seen["nn.jit"]
assert seen["nn.scan"] != seen["nn.scan without the check"]
PYTHON
