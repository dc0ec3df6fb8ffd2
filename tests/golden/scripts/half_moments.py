"""Updates after 1,000 steps in half precision, and in F32, computed by real optax: what averages, sums and norms become.

    python tests/golden/scripts/half_moments.py

Gradients are numbers that all three dtypes hold exactly, so that only the transformations round. Each line of the table is a
dtype, a name, the text that optax evaluated, and the last update.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

FILE = Path(__file__).resolve().parent.parent.parent / "data" / "half_moments.txt"
STEPS = 1000
BRANCHING = ("multi_steps", "novograd")
PARAMS = [[1.0, -0.5, 2.0], [0.25, 3.0, -1.0]]

TRANSFORMATIONS = {
    "momentum": "sgd(0.1, momentum=0.9)",
    "trace in float32": "trace(0.9, accumulator_dtype=float32)",
    "ema": "ema(0.99)",
    "adam": "adam(0.1)",
    "adam with mu in float32": "adam(0.1, mu_dtype=float32)",
    "adamw": "adamw(0.1)",
    "nadam": "nadam(0.1)",
    "amsgrad": "amsgrad(0.1)",
    "adabelief": "adabelief(0.1)",
    "adamax": "adamax(0.1)",
    "radam": "radam(0.1)",
    "yogi": "yogi(0.1)",
    "adagrad": "adagrad(0.1)",
    "adadelta": "adadelta(0.1)",
    "rmsprop": "rmsprop(0.1)",
    "rmsprop centered": "rmsprop(0.1, centered=True)",
    "adafactor": "adafactor(0.1, min_dim_size_to_factor=2)",
    "adafactor with momentum": "adafactor(0.1, momentum=0.9)",
    "sm3": "sm3(0.1)",
    "novograd": "novograd(0.1)",
    "lamb": "lamb(0.1)",
    "lars": "lars(0.1)",
    "lion": "lion(0.1)",
    "clip_by_global_norm": "clip_by_global_norm(1.0)",
    "clip_by_block_rms": "clip_by_block_rms(0.25)",
    "adaptive_grad_clip": "adaptive_grad_clip(0.1)",
    "centralize": "centralize()",
    "multi_steps": "MultiSteps(sgd(1.0), 500)",
    "multi_steps of sums": "MultiSteps(sgd(1.0), 500, use_grad_mean=False)",
}

NAMES = vars(optax) | {
    "float32": jnp.float32,
    "MultiSteps": lambda *args, **kwargs: optax.MultiSteps(*args, **kwargs).gradient_transformation(),
}


def gradient(step, dtype):
    rows = [((step * 7 + j * 3) % 11 - 4) / 8 for j in range(3)], [((step * 5 + j) % 7 + 1) / 4 for j in range(3)]
    return jnp.asarray(rows, dtype)


def main():
    lines = []
    for label, dtype in ("F32", jnp.float32), ("BF16", jnp.bfloat16), ("F16", jnp.float16):
        for name, text in TRANSFORMATIONS.items():
            tx, params = eval(text, NAMES), jnp.asarray(PARAMS, dtype)
            # Operation by operation, as most users' first steps are; what branches would be traced again at each step.
            step_of = jax.jit(tx.update) if name.startswith(BRANCHING) else tx.update
            state = tx.init(params)
            for step in range(STEPS):
                update, state = step_of(gradient(step, dtype), state, params)
            numbers = " ".join(f"{x:.8g}" for x in np.asarray(update, np.float32).ravel())
            lines.append(f"{label} | {name} | {text} | {update.dtype} | {numbers}\n")
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text("".join(lines))


if __name__ == "__main__":
    main()
