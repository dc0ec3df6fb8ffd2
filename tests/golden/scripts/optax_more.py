"""Writes `optax_more.json`: updates and states of optimizers of optax and optax.contrib over several steps.

    python optax_more.py FOLDER

Needs jax 0.10.2 and optax 0.2.8 on a CPU. A case is given gradients and losses, or (`"mode": "loss"`) those of a function of the
parameters, which the test has, too.
"""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax import contrib

rng = np.random.RandomState(42)
SHAPES = {"bias": (3,), "conv": (2, 2, 3), "kernel": (3, 2), "scale": ()}
STEPS = 10


def draw(scale, front=()):
    return {k: np.asarray(rng.randn(*front, *s) * scale, np.float32) for k, s in SHAPES.items()}


PARAMS = draw(1.0)
GRADS = [draw(0.2 + 0.15 * i) for i in range(STEPS)]
VALUES = [3.0, 2.5, 2.6, 2.4, 2.5, 2.5, 2.45, 2.41, 2.5, 0.1]
EXAMPLES = [draw(0.5, (4,)) for _ in range(STEPS)]


def loss(params):
    def of(p):
        i = jnp.arange(p.size, dtype=p.dtype).reshape(p.shape)
        return jnp.sum(0.5 * (1 + 0.5 * i) * (p - 0.3) ** 2) + 0.1 * jnp.sum(jnp.cos(2 * p))

    leaves = [of(p) for p in jax.tree.leaves(params)]
    return sum(leaves[1:], leaves[0]) + 0.1 * params["scale"] ** 4


# Tall and wide matrices, and one that has a batch.
DIMENSIONS = {
    "bias": None,
    "conv": contrib.MuonDimensionNumbers((0, 1), 2),
    "kernel": contrib.MuonDimensionNumbers(1, 0),
    "scale": None,
}
BATCHED = {
    "bias": None,
    "conv": contrib.MuonDimensionNumbers(1, -1),
    "kernel": contrib.MuonDimensionNumbers(),
    "scale": None,
}
linear = optax.linear_schedule
MASK = {"bias": False, "conv": True, "kernel": True, "scale": False}
normalized = lambda rate: optax.chain(contrib.normalize(), optax.sgd(rate))
GIVEN = {
    "adan": optax.adan(0.1),
    "adan options": optax.adan(linear(0.1, 0.01, 5), b1=0.9, b2=0.8, b3=0.95, eps=1e-4, weight_decay=0.05),
    "rprop": optax.rprop(0.1),
    "rprop options": optax.rprop(0.1, eta_minus=0.3, eta_plus=2.0, min_step_size=0.05, max_step_size=0.5),
    "fromage": optax.fromage(0.1),
    "fromage schedule": optax.fromage(linear(0.1, 0.01, 5), min_norm=0.5),
    "noisy_sgd": optax.noisy_sgd(0.1, key=jax.random.key(7)),
    "add_noise": optax.chain(optax.add_noise(0.5, 1.0, jax.random.key(3)), optax.scale(-0.1)),
    "optimistic_gradient_descent": optax.optimistic_gradient_descent(0.1),
    "optimistic_gradient_descent options": optax.optimistic_gradient_descent(0.1, alpha=0.5, beta=0.25),
    "optimistic_adam_v2": optax.optimistic_adam_v2(0.1),
    "optimistic_adam_v2 options": optax.optimistic_adam_v2(
        linear(0.1, 0.01, 5), alpha=0.5, beta=0.7, nesterov=False),
    "optimistic_adam": optax.optimistic_adam(0.1),
    "polyak_sgd": optax.polyak_sgd(),
    "polyak_sgd options": optax.polyak_sgd(0.5, scaling=linear(1.0, 0.5, 4), f_min=2.45, eps=0.1, variant="sps+"),
    "ademamix": contrib.ademamix(0.1),
    "ademamix schedules": contrib.ademamix(
        0.1, b3=linear(0.9, 0.999, 5), alpha=linear(0.0, 5.0, 5), weight_decay=0.1),
    "simplified_ademamix": contrib.simplified_ademamix(0.01),
    "simplified_ademamix options": contrib.simplified_ademamix(
        0.01, b1=0.9, b2=0.9, alpha=linear(1.0, 2.0, 5), weight_decay=0.1),
    "adopt": contrib.adopt(0.1),
    "adopt nesterov": contrib.adopt(0.1, b2=0.99, nesterov=True),
    "adopt without clipping": contrib.adopt(0.1, eps=1e-2, use_clipping=False),
    "adopt clip": contrib.adopt(0.1, clip_value_fn=lambda count: 0.5 + 0.1 * count),
    "muon": contrib.muon(0.1),
    "muon options": contrib.muon(
        linear(0.1, 0.01, 5), ns_steps=3, beta=0.9, weight_decay=0.1, nesterov=False, adam_b1=0.8, adam_b2=0.9,
        adam_eps_root=1e-4, adam_weight_decay=0.2, adam_learning_rate=0.02),
    "muon adaptive": contrib.muon(0.1, adaptive=True),
    "muon aol": contrib.muon(0.1, preconditioning="aol"),
    "muon schatten": contrib.muon(0.1, preconditioning="schatten"),
    "muon dion": contrib.muon(0.1, ns_coeffs="dion"),
    "muon consistent": contrib.muon(0.1, consistent_rms=0.2),
    "muon dimensions": contrib.muon(0.1, muon_weight_dimension_numbers=DIMENSIONS),
    "muon batched": contrib.muon(0.1, muon_weight_dimension_numbers=BATCHED, consistent_rms=0.3),
    "signum": optax.signum(0.1, 0.8),
    "adaptive_grad_clip axis": optax.chain(
        optax.masked(optax.adaptive_grad_clip(0.1, axis=-1), lambda p: jax.tree.map(lambda x: x.ndim > 0, p)),
        optax.sgd(0.1)),
    "apply_every": optax.chain(optax.apply_every(3), optax.sgd(0.1)),
    "normalize_by_update_norm": optax.chain(optax.normalize_by_update_norm(2.0), optax.sgd(0.1)),
    "conditionally_transform": optax.conditionally_transform(optax.adam(0.1), lambda step: step % 2 == 1),
    "conditionally_mask": optax.conditionally_mask(optax.adam(0.1), lambda step: step % 2 == 1),
    "flatten": optax.flatten(optax.adam(0.1)),
    "named_chain": optax.named_chain(("a", optax.clip(0.3)), ("b", optax.adam(0.1))),
    "skip_large_updates": optax.MultiSteps(
        optax.adam(0.1), 2,
        should_skip_update_fn=lambda *args: optax.skip_large_updates(*args, max_squared_norm=8.0)),
    "every_k_schedule": optax.MultiSteps(
        optax.sgd(0.1, momentum=0.9), lambda step: jnp.where(step < 2, 1, 3)),
    "acprop": contrib.acprop(0.1),
    "acprop options": contrib.acprop(0.1, b1=0.8, b2=0.9, eps=1e-3, eps_root=1e-4, weight_decay=0.1),
    "momo": contrib.momo(),
    "momo options": contrib.momo(
        linear(1.0, 0.1, 5), beta=0.8, lower_bound=0.5, weight_decay=0.1, adapt_lower_bound=True),
    "momo_adam": contrib.momo_adam(),
    "momo_adam options": contrib.momo_adam(
        linear(1.0, 0.1, 5), b1=0.8, b2=0.9, eps=1e-3, lower_bound=0.5, weight_decay=0.1, adapt_lower_bound=True),
    "madgrad": contrib.madgrad(0.1),
    "madgrad options": contrib.madgrad(linear(0.1, 0.01, 5), momentum=0.5, weight_decay=0.1, eps=1e-3),
    "dog": contrib.dog(),
    "dog distance": contrib.dog(linear(1.0, 0.1, 5), init_step=("distance", 0.1), weight_decay=0.1),
    "dog learning rate": contrib.dog(0.5, init_step=("learning_rate", 0.1), eps=1e-3, weight_decay=0.1, mask=MASK),
    "dowg": contrib.dowg(),
    "dowg options": contrib.dowg(linear(1.0, 0.1, 5), init_estim_sq_dist=0.1, eps=1e-3, weight_decay=0.1, mask=MASK),
    "dadapt_adamw": contrib.dadapt_adamw(),
    "dadapt_adamw options": contrib.dadapt_adamw(
        linear(1.0, 0.1, 5), betas=(0.8, 0.9), eps=1e-3, estim_lr0=0.1, weight_decay=0.1),
    "mechanize": contrib.mechanize(optax.adam(1.0)),
    "mechanize options": contrib.mechanize(
        optax.sgd(linear(1.0, 0.1, 5), momentum=0.9), weight_decay=0.1, eps=1e-3, s_init=0.1, num_betas=3),
    "cocob": contrib.cocob(),
    "cocob options": contrib.cocob(alpha=10.0, eps=1e-3, weight_decay=0.1),
    "reduce_on_plateau": optax.chain(optax.sgd(0.1), contrib.reduce_on_plateau(patience=2, factor=0.5)),
    "reduce_on_plateau options": optax.chain(
        optax.sgd(0.1),
        contrib.reduce_on_plateau(patience=1, factor=0.5, rtol=0.0, atol=0.2, cooldown=1, accumulation_size=2,
                                  min_scale=0.3)),
    "prodigy": contrib.prodigy(),
    "prodigy options": contrib.prodigy(
        linear(1.0, 0.1, 5), betas=(0.8, 0.9), beta3=0.7, estim_lr0=1e-2, estim_lr_coef=2.0, weight_decay=0.1),
    "prodigy safeguard": contrib.prodigy(0.5, estim_lr0=0.1, safeguard_warmup=True),
    "sam": contrib.sam(optax.sgd(0.1), normalized(0.05)),
    "sam momentum": contrib.sam(
        optax.adam(0.1), optax.sgd(0.05, momentum=0.9), sync_period=3, reset_state=False),
    "schedule_free": contrib.schedule_free(optax.adam(0.1, b1=0.0), 0.1, b1=0.8, weight_lr_power=1.0),
    "schedule_free_sgd": contrib.schedule_free_sgd(0.1),
    "schedule_free_sgd options": contrib.schedule_free_sgd(0.1, warmup_steps=4, b1=0.95, weight_decay=0.1),
    "schedule_free_adamw": contrib.schedule_free_adamw(0.1),
    "schedule_free_adamw options": contrib.schedule_free_adamw(
        0.1, warmup_steps=4, b1=0.95, b2=0.9, weight_decay=0.1, weight_lr_power=1.0),
    "lbfgs without linesearch": optax.lbfgs(0.1, memory_size=3, linesearch=None),
}
OF_LOSS = {
    "sophia": contrib.sophia(0.1, update_interval=2),
    "sophia options": contrib.sophia(
        0.1, b1=0.9, b2=0.9, gamma=0.5, clip_threshold=2.0, update_interval=3, weight_decay=0.0),
    "sam opaque": contrib.sam(optax.sgd(0.1), normalized(0.05), sync_period=3, opaque_mode=True),
    "lbfgs": optax.lbfgs(),
    "lbfgs options": optax.lbfgs(memory_size=2, scale_init_precond=False),
    "lbfgs backtracking": optax.lbfgs(
        linesearch=optax.scale_by_backtracking_linesearch(max_backtracking_steps=20, store_grad=True)),
    "zoom": optax.chain(optax.sgd(1.0), optax.scale_by_zoom_linesearch(max_linesearch_steps=15)),
    "zoom options": optax.chain(
        optax.sgd(0.01),
        optax.scale_by_zoom_linesearch(
            max_linesearch_steps=10, max_learning_rate=20.0, tol=1e-3, increase_factor=3.0, slope_rtol=1e-3,
            curv_rtol=0.2, approx_dec_rtol=None, initial_guess_strategy="one")),
    "zoom too short": optax.chain(optax.sgd(1e-3), optax.scale_by_zoom_linesearch(max_linesearch_steps=2)),
    "backtracking": optax.chain(optax.sgd(3.0), optax.scale_by_backtracking_linesearch(max_backtracking_steps=15)),
    "backtracking options": optax.chain(
        optax.sgd(3.0),
        optax.scale_by_backtracking_linesearch(
            max_backtracking_steps=3, slope_rtol=0.1, decrease_factor=0.5, increase_factor=1.2,
            max_learning_rate=0.7, atol=1e-4, rtol=1e-3, store_grad=True)),
}
OF_EXAMPLES = {
    "dpsgd": contrib.dpsgd(0.1, l2_norm_clip=1.5, noise_multiplier=0.3, seed=5),
    "dpsgd momentum": contrib.dpsgd(0.1, l2_norm_clip=0.7, noise_multiplier=0.0, seed=5, momentum=0.9, nesterov=True),
}
BF16 = ["adan", "rprop", "fromage", "optimistic_adam_v2", "polyak_sgd", "ademamix", "adopt", "muon", "reduce_on_plateau",
        "sam", "schedule_free_sgd", "noisy_sgd", "momo_adam", "madgrad", "dog", "dowg", "dadapt_adamw options", "mechanize"]
# Where the minimum is near, what is left of differences is rounding.
STATELESS = {"lbfgs", "lbfgs options", "lbfgs backtracking", "zoom", "zoom options", "backtracking"}


def flat(tree, digits=9):
    def of(x):
        x = jnp.asarray(x)
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x = jax.random.key_data(x)
        x = np.asarray(x.astype(jnp.float32) if x.dtype == jnp.bfloat16 else x)
        numbers = x.astype(np.float64).ravel().tolist()
        return [str(np.float32(n)) if not np.isfinite(n) else float(f"{n:.{digits}g}") for n in numbers]

    return [of(x) for x in jax.tree.leaves(tree)]


def run(name, tx, mode, dtype, steps):
    cast = lambda tree: jax.tree.map(lambda x: jnp.asarray(x, dtype), tree)
    params = cast(PARAMS)
    state, updates_of = tx.init(params), []
    if isinstance(tx, optax.MultiSteps):
        tx = tx.gradient_transformation()
    tx = optax.with_extra_args_support(tx)
    for i in range(steps):
        value, grads = jnp.asarray(VALUES[i], jnp.float32), cast(GRADS[i])
        extra = {"value": value} if name.startswith(("polyak", "reduce", "momo")) else {}
        if mode == "loss":
            value, grads = jax.value_and_grad(loss)(params)
            extra = {"value": value, "grad": grads, "value_fn": loss}
            # Others refuse what they do not know.
            if name.startswith("sophia"):
                extra = {"obj_fn": loss}
            if name.startswith("sam"):
                extra = {"grad_fn": lambda p, i: jax.grad(loss)(p)}
        elif mode == "examples":
            grads, extra = cast(EXAMPLES[i]), {}
        updates, state = tx.update(grads, state, params, **extra)
        params = optax.apply_updates(params, updates)
        updates_of.append(flat(updates, 7))
    case = {"name": name, "mode": mode, "dtype": "bf16" if dtype == jnp.bfloat16 else "f32", "updates": updates_of}
    if name not in STATELESS:
        case["state"] = flat(state, 7)
    return case


cases = [run(name, tx, "given", jnp.float32, STEPS) for name, tx in GIVEN.items()]
cases += [run(name, tx, "loss", jnp.float32, 6) for name, tx in OF_LOSS.items()]
cases += [run(name, tx, "examples", jnp.float32, 5) for name, tx in OF_EXAMPLES.items()]
cases += [run(name, GIVEN[name], "given", jnp.bfloat16, STEPS) for name in BF16]
table = {
    "versions": {"jax": jax.__version__, "optax": optax.__version__},
    "shapes": {k: list(s) for k, s in SHAPES.items()},
    "params": flat(PARAMS),
    "grads": [flat(g) for g in GRADS],
    "values": VALUES,
    "examples": [flat(g) for g in EXAMPLES[:5]],
    "cases": cases,
}
text = json.dumps(table).replace('{"name"', '\n{"name"')
path = Path(sys.argv[1]) / "optax_more.json"
path.write_text(text + "\n")
print(f"{len(cases)} cases, {len(text) // 1024} KB")
