"""Losses and their gradients at their corners, computed by real optax.

    python tests/golden/scripts/loss_corners.py

Each line is a case, a dtype, the argument that the gradient is of, the loss, and the gradient of the sum of losses.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import config
from optax import losses

config.update("jax_enable_x64", True)
FILE = Path(__file__).resolve().parent.parent.parent / "data" / "loss_corners.txt"
INF = float("inf")
DTYPES = {"F64": jnp.float64, "F32": jnp.float32, "BF16": jnp.bfloat16, "F16": jnp.float16}

# Of the array maker of a dtype: functions of the argument, and the argument.
CASES = {
    "softmax ordinary": (lambda A: lambda z: losses.softmax_cross_entropy(z, A([0.25, 0.5, 0.25])), [1.0, -2.0, 0.5]),
    "softmax huge": (lambda A: lambda z: losses.softmax_cross_entropy(z, A([0.0, 1.0, 0.0])), [3e4, -3e4, 0.0]),
    "softmax ruled out": (lambda A: lambda z: losses.softmax_cross_entropy(z, A([0.0, 1.0, 0.0])), [-INF, 0.0, 0.0]),
    "softmax of labels": (lambda A: lambda y: losses.softmax_cross_entropy(A([1.0, -2.0, 0.5]), y), [0.0, 1.0, 0.0]),
    "safe ordinary": (lambda A: lambda z: losses.safe_softmax_cross_entropy(z, A([0.25, 0.5, 0.25])), [1.0, -2.0, 0.5]),
    "safe ruled out": (lambda A: lambda z: losses.safe_softmax_cross_entropy(z, A([0.0, 1.0, 0.0])), [-INF, 0.0, 0.0]),
    "safe of labels": (lambda A: lambda y: losses.safe_softmax_cross_entropy(A([1.0, -2.0, 0.5]), y), [0.0, 1.0, 0.0]),
    "safe impossible": (lambda A: lambda z: losses.safe_softmax_cross_entropy(z, A([0.0, 1.0, 0.0])), [0.0, -INF, 0.0]),
    "integer ruled out": (lambda A: lambda z: losses.softmax_cross_entropy_with_integer_labels(z, jnp.array(1)), [-INF, 0.0, 0.0]),
    "integer huge": (lambda A: lambda z: losses.softmax_cross_entropy_with_integer_labels(z, jnp.array(1)), [3e4, -3e4, 0.0]),
    "integer beyond": (lambda A: lambda z: losses.softmax_cross_entropy_with_integer_labels(z, jnp.array(3)), [1.0, 2.0, 0.0]),
    "integer from the end": (lambda A: lambda z: losses.softmax_cross_entropy_with_integer_labels(z, jnp.array(-1)), [1.0, 2.0, 0.0]),
    "integer far from the end": (lambda A: lambda z: losses.softmax_cross_entropy_with_integer_labels(z, jnp.array(-4)), [1.0, 2.0, 0.0]),
    "binary": (lambda A: lambda z: losses.sigmoid_binary_cross_entropy(z, A([1.0, 0.0, 0.25, 1.0, 0.0])), [100.0, 100.0, 0.5, -3e4, -3e4]),
    "binary certain": (lambda A: lambda z: losses.sigmoid_binary_cross_entropy(z, A([1.0, 0.0, 1.0, 0.0])), [INF, -INF, -INF, INF]),
    "focal 0.5": (lambda A: lambda z: losses.sigmoid_focal_loss(z, A([1.0, 0.0, 1.0, 0.25]), gamma=0.5), [100.0, -100.0, 0.25, -1.5]),
    "focal 0": (lambda A: lambda z: losses.sigmoid_focal_loss(z, A([1.0, 0.0, 1.0, 0.25]), gamma=0.0), [100.0, -100.0, 0.25, -1.5]),
    "focal 1": (lambda A: lambda z: losses.sigmoid_focal_loss(z, A([1.0, 0.0, 1.0, 0.25]), gamma=1.0), [20.0, -20.0, -100.0, 100.0]),
    "focal 2": (lambda A: lambda z: losses.sigmoid_focal_loss(z, A([1.0, 0.0, 1.0, 0.25]), gamma=2.0, alpha=0.25), [5.0, 100.0, -100.0, -1.5]),
    "focal certain": (lambda A: lambda z: losses.sigmoid_focal_loss(z, A([1.0, 0.0]), gamma=0.5), [INF, -INF]),
    "poly": (lambda A: lambda z: losses.poly_loss_cross_entropy(z, A([0.25, 0.5, 0.125]), epsilon=2.0), [1.0, -2.0, 0.5]),
    "poly ruled out": (lambda A: lambda z: losses.poly_loss_cross_entropy(z, A([0.0, 1.0, 0.0]), epsilon=2.0), [-INF, 0.0, 0.0]),
    "cosine short": (lambda A: lambda x: losses.cosine_similarity(x, A([1.0, 2.0]), epsilon=1e-8), [1e-5, 0.0]),
    "cosine zero": (lambda A: lambda x: losses.cosine_similarity(x, A([1.0, 2.0]), epsilon=1e-8), [0.0, 0.0]),
    "cosine of zero": (lambda A: lambda x: losses.cosine_similarity(x, A([0.0, 0.0]), epsilon=0.25), [1.0, 2.0]),
    "cosine ordinary": (lambda A: lambda x: losses.cosine_similarity(x, A([1.0, 2.0])), [3.0, -0.5]),
    "cosine within": (lambda A: lambda x: losses.cosine_similarity(x, A([0.25, 0.125]), epsilon=0.25), [0.25, -0.125]),
    "cosine large": (lambda A: lambda x: losses.cosine_similarity(x, A([1.0, 2.0])), [3e4, 3e4]),
    "distance zero": (lambda A: lambda x: losses.cosine_distance(x, A([1.0, 2.0]), epsilon=1e-8), [0.0, 0.0]),
    "divergence": (lambda A: lambda x: losses.kl_divergence(x, A([0.5, 0.5, 0.0])), [-1.0, -1.5, -3.0]),
    "divergence impossible": (lambda A: lambda x: losses.kl_divergence(x, A([0.5, 0.5, 0.0])), [-1.0, -1.5, -INF]),
    "divergence surprised": (lambda A: lambda x: losses.kl_divergence(x, A([0.5, 0.5, 0.0])), [-1.0, -INF, -1.0]),
    "divergence of targets": (lambda A: lambda t: losses.kl_divergence(A([-1.0, -1.5, -3.0]), t), [0.5, 0.25, 0.25]),
    "divergence below 0": (lambda A: lambda x: losses.kl_divergence(x, A([0.5, -0.5, 0.0])), [-1.0, -1.5, -3.0]),
    "logs": (lambda A: lambda x: losses.kl_divergence_with_log_targets(x, A([-0.5, -1.0, -2.0])), [-1.0, -1.5, -3.0]),
    "logs impossible": (lambda A: lambda x: losses.kl_divergence_with_log_targets(x, A([-0.5, -1.0, -INF])), [-1.0, -1.5, -INF]),
    "logs without a target": (lambda A: lambda x: losses.kl_divergence_with_log_targets(x, A([-0.5, -1.0, -INF])), [-1.0, -1.5, -3.0]),
    "huber": (lambda A: lambda x: losses.huber_loss(x, A([0.0] * 5), delta=1.0), [0.0, 0.5, -3.0, 3e4, -3e4]),
    "log_cosh": (lambda A: lambda x: losses.log_cosh(x, A([0.0] * 5)), [0.0, 0.5, -3.0, 3e4, -3e4]),
    "squared": (lambda A: lambda x: losses.squared_error(x, A([0.0] * 3)), [0.0, 1e-5, 200.0]),
    "l2": (lambda A: lambda x: losses.l2_loss(x, A([0.0] * 3)), [0.0, 1e-5, 200.0]),
    "hinge": (lambda A: lambda x: losses.hinge_loss(x, A([1.0, 1.0, -1.0])), [2.0, -0.5, 3e4]),
    "perceptron": (lambda A: lambda x: losses.perceptron_loss(x, A([1.0, 1.0, -1.0])), [2.0, -0.5, 3e4]),
    "smooth": (lambda A: lambda y: losses.smooth_labels(y, 0.25), [1.0, 0.0, 0.0, 0.0]),
}


def text(x):
    return " ".join(f"{x:.17g}" for x in np.asarray(x, np.float64).ravel())


def main():
    lines = []
    for name, (make, argument) in CASES.items():
        for label, dtype in DTYPES.items():
            array = lambda values: jnp.asarray(values, dtype)
            f, x = make(array), array(argument)
            loss, gradient = f(x), jax.grad(lambda x: f(x).sum())(x)
            lines.append(f"{name} | {label} | {text(x)} | {loss.dtype} | {text(loss)} | {text(gradient)}\n")
    FILE.write_text("".join(lines))


if __name__ == "__main__":
    main()
