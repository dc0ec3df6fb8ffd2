"""Writes more_train_*.json and more_train_*.safetensors: other sizes, depths and optimizers of the models that the golden
cases of kind `training` have the source of. Run with jax, flax and optax installed.

    python tests/golden/scripts/training.py
"""

import json
from functools import partial
from typing import Sequence

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from layers import FOLDER, Arrays, write_arrays

VERSIONS = {"jax": jax.__version__, "flax": flax.__version__, "optax": optax.__version__}


def models():
    names = {"nn": nn, "jax": jax, "jnp": jnp, "partial": partial, "Sequence": Sequence}
    sources = {}
    for case, cls in [("model_resnet", "TinyResNet"), ("model_transformer_lm", "TinyLM"), ("model_vae", "VAE")]:
        sources[cls] = json.loads((FOLDER / f"{case}.json").read_text())["settings"]["source"]
        exec(sources[cls], names)
    return names, sources


MODELS, SOURCES = models()


def cross_entropy(out, inputs, labels):
    return optax.softmax_cross_entropy_with_integer_labels(out, labels).mean()


def evidence(out, inputs, labels):
    logits, mean, logvar = out
    entropy = optax.sigmoid_binary_cross_entropy(logits, inputs).sum(-1).mean()
    return entropy - 0.5 * (1 + logvar - mean**2 - jnp.exp(logvar)).sum(-1).mean()


def streams(seeds, step=None):
    keys = {name: jax.random.key(seed) for name, seed in (seeds or {}).items()}
    return keys if step is None else {name: jax.random.fold_in(key, step) for name, key in keys.items()}


def case(name, module, loss_of, optimizer, x, labels, init_rngs, apply_rngs=None, mutable=(), kwargs={}, steps=4):
    init = dict(module.init(streams(init_rngs), x, **kwargs))
    init.pop("intermediates", None)
    found = Arrays()
    found.add("in/args", (x,))
    if labels is not None:
        found.add("in/labels", labels)
    found.add("init", init)
    tx = eval(optimizer, vars(optax))
    params, rest, losses = init["params"], {k: v for k, v in init.items() if k != "params"}, []
    state = tx.init(params)
    for step in range(steps):

        def loss(params):
            out, mutated = module.apply({"params": params, **rest}, x, **kwargs, rngs=streams(apply_rngs, step), mutable=list(mutable))
            return loss_of(out, x, labels), (out, mutated)

        (value, (out, mutated)), gradients = jax.value_and_grad(loss, has_aux=True)(params)
        losses.append(value)
        if step == 0:
            found.add("step0/out", out)
            found.add("step0/grads", gradients)
            found.add("step0/mutated", dict(mutated))
        updates, state = tx.update(gradients, state, params)
        params = optax.apply_updates(params, updates)
        rest = {k: mutated.get(k, v) for k, v in rest.items()}
    found.add("losses", np.array(losses, np.float32))
    found.add("final/params", params)
    found.add("final/state", rest)

    name = "more_train_" + name
    manifest = {
        "format": 1,
        "name": name,
        "kind": "training",
        "description": f"{type(module).__name__}, {optimizer}",
        "settings": {
            "module": repr(module),
            "source": SOURCES[type(module).__name__],
            "optimizer": optimizer,
            "steps": steps,
            "init_rngs": init_rngs,
            "apply_rngs": apply_rngs,
            "mutable": list(mutable),
            "rng_per_step": "fold_in(key(seed), step) for every apply rng",
            "call_kwargs": kwargs,
        },
        "expect": {},
        "containers": found.containers,
        "tolerance": {"rtol": 2e-3, "atol": 2e-4},
        "versions": VERSIONS,
        "arrays": {key: {"shape": list(array.shape), "dtype": str(array.dtype)} for key, array in found.arrays.items()},
        "safetensors": name + ".safetensors",
    }
    (FOLDER / (name + ".json")).write_text(json.dumps(manifest))
    write_arrays(FOLDER / (name + ".safetensors"), found.arrays)


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def numbers(seed, below, *shape):
    return jax.random.randint(jax.random.key(seed), shape, 0, below)


if __name__ == "__main__":
    resnet = MODELS["TinyResNet"](num_classes=4, stages=(2, 1, 1), width=2)
    case("resnet_deep", resnet, cross_entropy, "chain(clip_by_global_norm(1.0), sgd(linear_schedule(0.1, 0.01, 5), nesterov=False, momentum=0.8))", normal(1, 3, 8, 8, 2), numbers(2, 4, 3), {"params": 7}, mutable=["batch_stats"])
    lm = MODELS["TinyLM"](vocab=9, dim=8, layers=2, heads=4, max_len=7, dropout=0.2)
    case("transformer_dropout", lm, cross_entropy, "sgd(cosine_decay_schedule(0.1, 10), momentum=0.9)", numbers(3, 9, 2, 6), numbers(4, 9, 2, 6), {"params": 3, "dropout": 4}, {"dropout": 5}, kwargs={"deterministic": False})
    vae = MODELS["VAE"](hidden=7, latents=3, out=6)
    case("vae_wide", vae, evidence, "chain(add_decayed_weights(0.01), rmsprop(0.01))", jax.nn.sigmoid(normal(5, 5, 6)), None, {"params": 1, "dropout": 2, "noise": 3}, {"dropout": 4, "noise": 5}, ["intermediates"])
    case("vae_deterministic", vae, evidence, "lion(0.01)", jax.nn.sigmoid(normal(6, 3, 6)), None, {"params": 2, "noise": 3}, {"noise": 8}, kwargs={"deterministic": True}, steps=3)
