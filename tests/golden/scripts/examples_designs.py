"""The examples `linen_design_test` of Flax, as one case."""

import functools
import math

import flax
import jax
import jax.numpy as jnp
from jax import random

from example_sources import Case, load, normal


def designs():
    folder = "linen_design_test/"
    case = Case("linen_design_test", "modules inline and in setup; an autoencoder; a regression", "linen_design_test")
    dense = load(folder + "dense.py")
    inline = load(folder + "mlp_inline.py", ["MLP"], given={"dense": dense, "Dense": dense.Dense})
    lazy = load(folder + "mlp_lazy.py", ["MLP"], given={"dense": dense, "Dense": dense.Dense, "print": lambda *_: None})
    # mlp_explicit.py no longer runs: its setup calls a compact method of the module itself.
    for name, model in [("inline", inline.MLP((2, 1))), ("lazy", lazy.MLP())]:
        x = normal(1, 4, 3)
        variables = model.init(random.key(10), x)
        case.add(f"{name}/init", variables)
        case.add(f"{name}/out", model.apply(variables, x))
    case.add("in/x", normal(1, 4, 3))

    # JAX no longer takes tuples for arrays.
    mended = {"jnp.prod(self.input_shape)": "math.prod(self.input_shape)"}
    autoencoder = load(folder + "autoencoder.py", ["MLP", "AutoEncoder"], mended, {"math": math})
    model = autoencoder.AutoEncoder(encoder_widths=(5, 3), decoder_widths=(5,), input_shape=(4, 4, 1))
    x = normal(2, 2, 4, 4, 1)
    case.add("in/images", x)
    variables = model.init({"params": random.key(42)}, jnp.ones((1, 4, 4, 1)))
    case.add("autoencoder/init", variables)
    case.add("autoencoder/out", model.apply(variables, x))
    case.add("autoencoder/encoded", model.apply(variables, x, method=model.encode))

    # The whole file: fifty steps by hand.
    regression = load(folder + "linear_regression.py", given={"dense": dense, "Dense": dense.Dense, "print": lambda *_: None})
    initial = regression.init_params(random.key(42))
    case.add("regression", {"init": initial, "final": regression.params, "gradients": jax.grad(regression.loss_fn)(initial)})
    case.write()


def attention():
    case = Case("linen_design_attention", "attention of heads by two lifted vmaps, each with dropout of its own or all with the same", "linen_design_test")
    # The file's specifications name a collection `param`, which is `params`.
    file = load("linen_design_test/attention_simple.py", replace={"param=(0, True)": "params=(0, True)", "param=(None, False)": "params=(None, False)", "__name__ == '__main__'": "False"})
    for name, broadcast in [("each", False), ("shared", True)]:
        model = file.MultiHeadDotProductAttention(
            broadcast_dropout=broadcast, qkv_features=6, out_features=5, attn_module=functools.partial(file.SoftmaxAttnWDropout, rate=0.3), num_heads=3, batch_axes=(0,)
        )
        x = normal(3, 2, 4, 6)
        y, variables = model.init_with_output({"params": random.key(0), "dropout": random.key(1)}, x, x)
        variables = flax.core.unfreeze(variables)
        loss = lambda variables: jnp.sum(model.apply(variables, x, x, rngs={"dropout": random.key(2)}) ** 2)
        case.add(name, {"init": variables, "init_out": y, "out": model.apply(variables, x, x, rngs={"dropout": random.key(2)}), "gradients": jax.grad(loss)(variables)})
    case.add("in/tokens", normal(3, 2, 4, 6))
    case.write()


CASES = {"linen_design_test": designs, "linen_design_attention": attention}
