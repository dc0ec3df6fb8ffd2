"""Golden cases of further optimizers and schedules, computed by real optax.

    python tests/golden/scripts/optimizers.py

The text of each case is evaluated as it stands with optax's functions; the runner reads the same text.
"""

import json
import struct
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

FOLDER = Path(__file__).resolve().parent.parent
DTYPES = {"float32": "F32", "int32": "I32", "bool": "BOOL"}
VERSIONS = {"jax": jax.__version__, "optax": optax.__version__}

OPTIMIZERS = {
    "nadam": "nadam(0.01)",
    "nadamw": "nadamw(0.01, weight_decay=0.1)",
    "radam": "radam(0.01, b2=0.9, threshold=4.0)",
    "radam_default": "radam(0.01)",
    "adabelief": "adabelief(0.01)",
    "adabelief_nesterov": "adabelief(0.01, nesterov=True)",
    "yogi": "yogi(0.01)",
    "adamax": "adamax(0.01)",
    "adamaxw": "adamaxw(0.01, weight_decay=0.1)",
    "amsgrad": "amsgrad(0.01)",
    "adadelta": "adadelta(0.5, weight_decay=0.01)",
    "rmsprop_centered_momentum": "rmsprop(0.01, centered=True, momentum=0.9)",
    "rmsprop_bias_correction": (
        "rmsprop(0.01, bias_correction=True, eps_in_sqrt=False, momentum=0.9, nesterov=True)"
    ),
    "rmsprop_centered_bias_correction": "rmsprop(0.01, centered=True, bias_correction=True)",
    "lars": "lars(0.1, weight_decay=0.01)",
    "lars_nesterov": "lars(0.1, trust_coefficient=0.01, eps=1e-3, momentum=0.8, nesterov=True)",
    "sm3": "sm3(0.1)",
    "novograd": "novograd(0.01, weight_decay=0.1)",
    "sign_sgd": "sign_sgd(0.1)",
    "adafactor_momentum": (
        "adafactor(0.1, min_dim_size_to_factor=2, momentum=0.9, weight_decay_rate=0.01, decay_rate=0.7)"
    ),
    "adafactor_plain": "adafactor(0.1, factored=False, multiply_by_parameter_scale=False)",
    "adafactor_schedule": "adafactor(linear_schedule(0.1, 0.01, 4))",
    "adamw_schedules": (
        "adamw(warmup_cosine_decay_schedule(0.0, 0.1, 2, 6), weight_decay=0.1, eps_root=1e-6)"
    ),
    "lion_schedule": "lion(cosine_decay_schedule(0.1, 5), b1=0.8)",
    "clip": "chain(clip(0.3), sgd(0.1))",
    "clip_by_block_rms": "chain(clip_by_block_rms(0.2), sgd(0.1))",
    "adaptive_grad_clip": "chain(adaptive_grad_clip(0.1), sgd(0.1))",
    "centralize_ema": "chain(centralize(), ema(0.9), scale(-0.1))",
    "ema_biased": "chain(ema(0.9, debias=False), scale(-0.1))",
    "trace_chain": (
        "chain(add_decayed_weights(0.01), trace(0.9, nesterov=True), "
        "scale_by_schedule(polynomial_schedule(-1.0, -0.1, 2, 4)))"
    ),
    "trust_ratio": (
        "chain(scale_by_trust_ratio(min_norm=0.1, trust_coefficient=0.5, eps=0.01), scale(-0.1))"
    ),
    "param_block": "chain(scale_by_param_block_norm(), scale_by_param_block_rms(0.5), scale(-0.1))",
    "apply_if_finite": "apply_if_finite(adam(0.1), 1)",
    "keep_nonnegative": "chain(sgd(1.0), keep_params_nonnegative())",
    "zero_nans": "chain(zero_nans(), adam(0.1))",
    "multi_steps": "MultiSteps(adam(0.1), 3)",
    "multi_steps_sum": "MultiSteps(sgd(0.1, momentum=0.9), 2, use_grad_mean=False)",
}
LONG = {"apply_if_finite", "multi_steps"}
WITH_NAN = {"apply_if_finite", "zero_nans"}

SCHEDULES = {
    "constant": "constant_schedule(0.3)",
    "linear_begin": "linear_schedule(1.0, 0.1, 5, 2)",
    "polynomial_fraction": "polynomial_schedule(1.0, 0.2, 0.5, 6, 3)",
    "exponential_growth": "exponential_decay(1.0, 3, 1.5, transition_begin=2, end_value=3.0)",
    "cosine_exponent": "cosine_decay_schedule(0.5, 9, 0.1, exponent=2.5)",
    "piecewise_linear": "piecewise_interpolate_schedule(linear, 1.0, {4: 0.5, 9: 3.0})",
    "piecewise_cosine": "piecewise_interpolate_schedule(cosine, 2.0, {3: 0.5, 12: 0.1})",
    "linear_onecycle": "linear_onecycle_schedule(12, 2.0)",
    "linear_onecycle_options": (
        "linear_onecycle_schedule(12, 2.0, pct_start=0.25, pct_final=0.75, div_factor=5.0, "
        "final_div_factor=50.0)"
    ),
    "cosine_onecycle": "cosine_onecycle_schedule(11, 0.5, pct_start=0.4, div_factor=10.0)",
    "warmup_constant": "warmup_constant_schedule(0.1, 1.0, 4)",
    "warmup_cosine_exponent": "warmup_cosine_decay_schedule(0.1, 1.0, 3, 12, 0.2, exponent=1.5)",
    "warmup_exponential_options": (
        "warmup_exponential_decay_schedule(0.0, 1.0, 3, 4, 0.5, transition_begin=1, staircase=True, "
        "end_value=0.3)"
    ),
    "join_three": (
        "join_schedules([constant_schedule(0.5), linear_schedule(0.5, 0.0, 4), "
        "cosine_decay_schedule(1.0, 3)], [3, 8])"
    ),
    "sgdr": (
        "sgdr_schedule([(init_value=0.0, peak_value=1.0, warmup_steps=2, decay_steps=6, end_value=0.1), "
        "(init_value=0.1, peak_value=0.5, warmup_steps=1, decay_steps=5, end_value=0.0)])"
    ),
}

NAMES = {name: getattr(optax, name) for name in dir(optax) if not name.startswith("_")} | {
    "linear": "linear",
    "cosine": "cosine",
    "MultiSteps": lambda *args, **kwargs: optax.MultiSteps(*args, **kwargs).gradient_transformation(),
}


def flatten(prefix, tree, arrays, containers):
    if isinstance(tree, dict):
        children = tree.items()
    elif hasattr(tree, "_fields"):
        containers[prefix] = f"namedtuple:{type(tree).__name__}({','.join(tree._fields)})"
        children = tree._asdict().items()
    elif isinstance(tree, (tuple, list)):
        containers[prefix] = f"{type(tree).__name__}[{len(tree)}]"
        children = enumerate(tree)
    elif tree is None:
        containers[prefix] = "none"
        return
    else:
        arrays[prefix] = np.array(tree)
        return
    for key, child in children:
        flatten(f"{prefix}/{key}", child, arrays, containers)


def save(name, description, settings, expect, arrays, containers, tolerance):
    header, data = {}, b""
    for key in sorted(arrays):
        raw = arrays[key].tobytes()
        header[key] = {
            "dtype": DTYPES[str(arrays[key].dtype)],
            "shape": list(arrays[key].shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (FOLDER / f"{name}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    manifest = {
        "format": 1,
        "name": name,
        "kind": "optimizer",
        "description": description,
        "settings": settings,
        "expect": expect,
        "containers": containers,
        "tolerance": tolerance,
        "versions": VERSIONS,
        "safetensors": f"{name}.safetensors",
        "arrays": {k: {"shape": list(v.shape), "dtype": str(v.dtype)} for k, v in arrays.items()},
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(manifest))


def optimizer(name, text, params, grads):
    tx = eval(text, NAMES)
    state = tx.init(params)
    arrays, containers = {}, {}
    flatten("params0", params, arrays, containers)
    flatten("state0", state, arrays, containers)
    for i, grad in enumerate(grads):
        updates, state = tx.update(grad, state, params)
        params = optax.apply_updates(params, updates)
        for part, tree in [("grads", grad), ("updates", updates), ("params", params)]:
            flatten(f"steps/{i}/{part}", tree, arrays, containers)
    flatten("state_final", state, arrays, containers)
    description = f"{text}: {len(grads)} steps with stored gradients"
    settings = {"optimizer": text, "steps": len(grads)}
    expect = {"state_structure": str(jax.tree.structure(state))}
    tolerance = {"rtol": 2e-5, "atol": 2e-6}
    save(f"optimizer_{name}", description, settings, expect, arrays, containers, tolerance)


def main():
    rng = np.random.RandomState(7)
    shapes = {"a": {"b": (4,), "w": (3, 4)}, "z": (2,), "k": (2, 3, 4)}

    def draw(scale):
        normal = lambda shape: jnp.asarray(rng.randn(*shape) * scale, jnp.float32)
        return jax.tree.map(normal, shapes, is_leaf=lambda leaf: isinstance(leaf, tuple))

    params = draw(1.0)
    grads = [draw(0.3 + 0.4 * i) for i in range(7)]
    for name, text in OPTIMIZERS.items():
        steps = grads[: 7 if name in LONG else 5]
        if name in WITH_NAN:
            spoilt = lambda i, g: {**g, "z": g["z"].at[0].set(jnp.nan)} if i in (1, 3, 4, 5) else g
            steps = [spoilt(i, grad) for i, grad in enumerate(steps)]
        optimizer(name, text, params, steps)

    values = {}
    for name, text in SCHEDULES.items():
        # The cycles of `sgdr` are arguments without a function.
        schedule = eval(text.replace("(init_value", "dict(init_value"), NAMES | {"dict": dict})
        values[f"out/{name}"] = np.array([np.float32(schedule(i)) for i in range(15)], np.float32)
    tolerance = {"rtol": 1e-6, "atol": 1e-7}
    description = "more schedules: values for steps 0..14"
    save("schedules_more", description, SCHEDULES, {}, values, {}, tolerance)


if __name__ == "__main__":
    main()
