"""Writes `optax_losses.json`: probes of optax's losses, with their `axis`, `where` and other arguments.

    python optax_losses.py FOLDER

Needs jax 0.10.2 and optax 0.2.8 on a CPU.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax import losses, projections

from probes import Probes

inf = float("inf")
rng = np.random.RandomState(15)
normal = lambda *shape: rng.randn(*shape).astype(np.float32)
probes = Probes()
probe = probes.probe


def simplex(*shape):
    x = rng.rand(*shape).astype(np.float32)
    return x / x.sum(-1, keepdims=True)


z, t = normal(3, 4), simplex(3, 4)
z3, t3 = normal(2, 3, 4), simplex(2, 3, 4)
mask = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]], bool)
mask3 = rng.rand(2, 3, 4) > 0.4
rows = np.array([True, False, True])
labels = np.array([1, 3, 0], np.int32)
BF16 = jnp.bfloat16

OVER = [
    ("rows", {}, False, z, t),
    ("axis 0", {"axis": 0}, False, z, t),
    ("two axes", {"axis": (2, 0)}, False, z3, t3),
    ("all axes", {"axis": None}, False, z3, t3),
    ("where", {}, mask, z, t),
    ("where of rows", {}, rows, z, t),
    ("where of axis 0", {"axis": 0}, mask, z, t),
    ("where of two axes", {"axis": (0, 2)}, mask3, z3, t3),
    ("where of all", {"axis": None}, mask3, z3, t3),
]


def over(name, f, prepare=lambda z, t: (z, t), settings=None, **options):
    settings = settings or {}
    for case, axis, where, z, t in OVER:
        chosen = {key: list(value) if isinstance(value, tuple) else value for key, value in axis.items()}
        if axis.get("axis", 0) is None:
            chosen = {"all": True}
        if case == "where of rows" and name != "softmax_cross_entropy":
            continue
        if where is False:
            call = lambda z, t, axis=axis: f(z, t, **axis, **settings)
            args = [*prepare(z, t)]
        else:
            call = lambda z, t, w, axis=axis: f(z, t, **axis, where=w, **settings)
            args = [*prepare(z, t), where]
        probe(f"{name}, {case}", call, args, ours=name, settings=chosen | settings, **options)


logs = lambda z, t: (np.array(jax.nn.log_softmax(z)), t)
two_logs = lambda z, t: (np.array(jax.nn.log_softmax(z)), np.log(t))
over("softmax_cross_entropy", optax.softmax_cross_entropy)
over("kl_divergence", optax.kl_divergence, logs)
over("kl_divergence_with_log_targets", losses.kl_divergence_with_log_targets, two_logs)
over("generalized_kl_divergence", optax.generalized_kl_divergence, logs)
over("poly_loss_cross_entropy", losses.poly_loss_cross_entropy, settings={"epsilon": 1.5})
over("cosine_similarity", optax.cosine_similarity, settings={"epsilon": 1e-6})
over("cosine_distance", optax.cosine_distance, settings={"epsilon": 0.01})
# Where no class counts, optax multiplies infinities and zeros in the gradient.
NONE = "where no class counts, the gradient of the labels is 0, in optax NaN"
for loss in ["softmax_cross_entropy", "poly_loss_cross_entropy"]:
    for case in ["where", "where of rows", "where of axis 0", "where of two axes", "where of all"]:
        if case != "where of rows" or loss == "softmax_cross_entropy":
            probes.differs(f"{loss}, {case}", "gradient", NONE)
            probes.differs(f"{loss}, {case}", "vmap", NONE)
for case, axis, where, z_, t_ in OVER:
    if axis.get("axis", 0) is None:
        continue
    chosen = {key: list(value) if isinstance(value, tuple) else value for key, value in axis.items()}
    keep = axis.get("axis", -1)
    kept = keep if isinstance(keep, tuple) else (keep % z_.ndim,)
    shape = [n for i, n in enumerate(z_.shape) if i not in kept]
    classes = int(np.prod([z_.shape[i] for i in kept]))
    y = rng.randint(0, classes, shape).astype(np.int32)
    f = optax.softmax_cross_entropy_with_integer_labels
    name = "softmax_cross_entropy_with_integer_labels"
    if where is False:
        probe(f"{name}, {case}", lambda z, y, axis=axis: f(z, y, **axis), [z_, y], ours=name, settings=chosen)
    elif case != "where of rows":
        probe(f"{name}, {case}", lambda z, y, w, axis=axis: f(z, y, **axis, where=w), [z_, y, where], ours=name,
              settings=chosen)
for case, axis, where, _, t_ in OVER:
    if axis.get("axis", 0) is None or case == "where of rows":
        continue
    chosen = {key: list(value) if isinstance(value, tuple) else value for key, value in axis.items()}
    if where is False:
        probe(f"smooth_labels, {case}", lambda t, axis=axis: optax.smooth_labels(t, 0.1, **axis), [t_],
              ours="smooth_labels", settings=chosen | {"alpha": 0.1})
    else:
        probe(f"smooth_labels, {case}", lambda t, w, axis=axis: optax.smooth_labels(t, 0.1, **axis, where=w),
              [t_, np.where(where.any(axis.get("axis", -1), keepdims=True), where, True)], ours="smooth_labels",
              settings=chosen | {"alpha": 0.1})

for name in ["squared_error", "l2_loss", "log_cosh"]:
    probe(f"{name} of errors", getattr(losses, name), [normal(7) * 2], ours=name)
    probe(f"{name} of errors, bf16", getattr(losses, name), [jnp.array(normal(7), BF16)], ours=name)
probe("huber_loss of errors", lambda x: optax.huber_loss(x, delta=0.7), [normal(9) * 2], ours="huber_loss",
      settings={"delta": 0.7})

corner = np.array([-3, -1, -0.5, 0, 0.5, 1, 3], np.float32)
for y in [0, 1]:
    probe(f"sparsemax_loss of {y}", losses.sparsemax_loss, [corner, np.full(7, y, np.int32)], ours="sparsemax_loss")
probe("sparsemax_loss of booleans", losses.sparsemax_loss, [normal(5), np.array([1, 0, 1, 0, 0], bool)],
      ours="sparsemax_loss")
probe("sparsemax_loss, bf16", losses.sparsemax_loss, [jnp.array(normal(5), BF16), np.array([1, 0, 1, 0, 0], bool)],
      ours="sparsemax_loss")
for name in ["multiclass_hinge_loss", "multiclass_perceptron_loss", "multiclass_sparsemax_loss"]:
    f = getattr(losses, name)
    probe(name, f, [z, labels], ours=name)
    probe(f"{name} of large scores", f, [z * 30, labels], ours=name)
    probe(f"{name} of small scores", f, [z * 0.1, labels], ours=name)
ties = np.array([[1, 1, 0, 0], [2, 2, 2, 2]], np.float32)
probe("multiclass_perceptron_loss of ties", losses.multiclass_perceptron_loss, [ties, labels[:2]],
      ours="multiclass_perceptron_loss")
probe("multiclass_sparsemax_loss of ties", losses.multiclass_sparsemax_loss, [ties, labels[:2]],
      ours="multiclass_sparsemax_loss")
young = losses.make_fenchel_young_loss(jax.nn.logsumexp)
probe("fenchel_young", young, [z, t], ours="fenchel_young")
probe("fenchel_young of one", young, [z[0], t[0]], ours="fenchel_young")
probe("fenchel_young of many", young, [z3, t3], ours="fenchel_young")
probe("convex_kl_divergence", losses.convex_kl_divergence, [*logs(z, t)], ours="convex_kl_divergence")


def ctc(name, batch, steps, classes, length, blank=0, log_epsilon=-1e5, pad=True, dtype=np.float32, y=None, loose=1):
    logits = jnp.array(normal(batch, steps, classes), dtype)
    y = rng.randint(1, classes, (batch, length)).astype(np.int32) if y is None else np.array(y, np.int32)
    logit_pad, label_pad = np.zeros((batch, steps), np.float32), np.zeros((batch, length), np.float32)
    if pad:
        logit_pad[-1, steps - 2 :] = 1
        label_pad[-1, max(length - 1, 0) :] = 1
        label_pad[0] = 0
    settings = {"blank_id": blank, "log_epsilon": log_epsilon}
    call = lambda z, zp, y, yp: tuple(optax.ctc_loss_with_forward_probs(z, zp, y, yp, **settings))
    args, tolerance = [logits, logit_pad, y, label_pad], loose * (2e-5 if dtype == np.float32 else 1e-2)
    # Beside the logarithm of 0, other numbers have few bits left, and so have gradients of the probabilities.
    probe(f"{name} with forward probs", call, args, ours="ctc with forward probs", settings=settings,
          grad=[0] if log_epsilon > -100 else False, jvp=False, tolerance=tolerance)
    probe(name, lambda *args: call(*args)[0], args, ours="ctc", settings=settings, grad=[0], jvp=False,
          tolerance=tolerance)


ctc("ctc", 2, 6, 5, 3)
ctc("ctc without padding", 2, 6, 5, 3, pad=False)
ctc("ctc of repeated labels", 2, 7, 4, 3, y=[[1, 1, 2], [2, 2, 2]])
ctc("ctc with another blank", 2, 6, 5, 3, blank=4, y=[[1, 0, 2], [3, 3, 0]])
ctc("ctc with a large epsilon", 2, 6, 5, 3, log_epsilon=-20.0)
ctc("ctc of too many labels", 1, 2, 4, 3, pad=False, loose=500)
ctc("ctc of one label", 2, 3, 3, 1)
ctc("ctc of labels that are no classes", 2, 5, 4, 3, y=[[1, 2, -1], [3, -1, 9]])
ctc("ctc, bf16", 2, 6, 5, 3, dtype=BF16)

relevance = np.array([[0, 1, 2, 0], [1, 0, 0, 0], [0, 0, 3, 1]], np.float32)
weights = np.abs(normal(3, 4))
for reduction, fn in [("mean", jnp.mean), ("sum", jnp.sum), ("none", None)]:
    rank = lambda z, y, fn=fn, **k: optax.losses.ranking_softmax_loss(z, y, reduce_fn=fn, **k)
    settings = {"reduction": reduction}
    probe(f"ranking, {reduction}", rank, [z, relevance], ours="ranking", settings=settings)
    probe(f"ranking of weights, {reduction}", lambda z, y, v: rank(z, y, weights=v), [z, relevance, weights],
          ours="ranking", settings=settings | {"weights": True})
    some = mask.copy()
    some[1, 2] = True
    probe(f"ranking where, {reduction}", lambda z, y, w: rank(z, y, where=w), [z, relevance, some],
          ours="ranking", settings=settings | {"where": True}, grad=[0])

emb = normal(6, 3)
groups = np.array([0, 0, 1, 1, 0, 2], np.int32)
probe("ntxent", lambda e, y: losses.ntxent(e, y), [emb, groups], ours="ntxent", settings={"temperature": 0.07},
      tolerance=1e-4)
probe("ntxent, warm", lambda e, y: losses.ntxent(e, y, 0.5), [emb, groups], ours="ntxent",
      settings={"temperature": 0.5}, tolerance=2e-5)
zero = emb.copy()
zero[2] = 0
probe("ntxent of a zero", lambda e, y: losses.ntxent(e, y, 0.5), [zero, groups], ours="ntxent",
      settings={"temperature": 0.5}, tolerance=2e-5, grad=False)
triple = [normal(4, 3), normal(4, 3), normal(4, 3)]
for axis, degree, margin, eps in [(-1, 2, 1.0, 1e-6), (0, 2, 0.3, 1e-3), (1, 4, 1.0, 1e-6)]:
    settings = {"axis": axis, "norm_degree": degree, "margin": margin, "eps": eps}
    probe(f"triplet {degree} {axis}", lambda a, p, n, s=settings: losses.triplet_margin_loss(a, p, n, **s), triple,
          ours="triplet", settings=settings, tolerance=2e-5)

onehot = np.eye(4, dtype=np.float32)[rng.randint(0, 4, (2, 5))]
logits = normal(2, 5, 4)


def dice(name, p, y, options={}, **settings):
    probe(name, lambda p, y: losses.dice_loss(p, y, **settings), [p, y], ours="dice", settings=settings, **options)


# optax looks at the values of probabilities, so it takes no values of a transform.
UNTRACED = {"grad": False, "jvp": False, "vmap": False}
dice("dice", logits, onehot)
dice("dice of Tversky", logits, onehot, alpha=0.3, beta=0.7, smooth=0.5)
dice("dice of each class", logits, onehot, reduction="none")
dice("dice, summed, without background", logits, onehot, reduction="sum", ignore_background=True)
dice("dice of probabilities", simplex(2, 5, 4), onehot, UNTRACED, apply_softmax=False)
dice("dice along an axis", logits, onehot, axis=0)
dice("dice of images", normal(2, 3, 2, 1), (rng.rand(2, 3, 2) > 0.5).astype(np.float32))
dice("dice of targets with classes", normal(2, 3), (rng.rand(2, 3, 1) > 0.5).astype(np.float32))
class_weights = np.array([1, 2, 0.5, 0], np.float32)
probe("dice of weighted classes", lambda p, y, w: losses.dice_loss(p, y, class_weights=w), [logits, onehot, class_weights],
      ours="dice", second=[logits[::-1], onehot[::-1], class_weights[::-1]])
for smooth, name in [(1.0, "binary_dice"), (0.1, "binary_dice, less smooth")]:
    probe(name, lambda p, y, s=smooth: losses.binary_dice_loss(p, y, smooth=s),
          [normal(2, 4, 4), (rng.rand(2, 4, 4) > 0.5).astype(np.float32)], ours="binary_dice",
          settings={"smooth": smooth, "apply_sigmoid": True})
for ignore in [False, True]:
    probe(f"generalized_dice {ignore}", lambda p, y, i=ignore: losses.multiclass_generalized_dice_loss(
        p, y, ignore_background=i), [logits, onehot], ours="generalized_dice",
        settings={"smooth": 1.0, "apply_softmax": True, "ignore_background": ignore}, grad=[0], tolerance=2e-5)

probes.write(sys.argv[1], "optax_losses.json")
