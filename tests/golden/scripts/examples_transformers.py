"""The examples of Flax with transformers: nlp_seq, lm1b and wmt."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.training import train_state
from jax import random

from example_sources import Case, integers, load, train

SIZES = dict(emb_dim=8, num_heads=2, num_layers=2, qkv_dim=8, mlp_dim=6)


def sentences(seed, low, high, *lengths):
    """Rows of ids, each with zeros behind its length."""
    ids = integers(seed, low, high, len(lengths), max(lengths))
    return np.where(np.arange(max(lengths)) < np.array(lengths)[:, None], ids, 0).astype(np.int32)


def nlp_seq():
    models = load("nlp_seq/models.py")
    names = ["create_learning_rate_scheduler", "compute_weighted_cross_entropy", "compute_weighted_accuracy", "compute_metrics", "train_step"]
    training = load("nlp_seq/train.py", names)
    case = Case("nlp_seq", "the tagger of sentences: two shards of a batch, a schedule of factors", "nlp_seq", vocab=9, tags=5, max_len=8, **SIZES)
    config = models.TransformerConfig(vocab_size=9, output_vocab_size=5, max_len=8, **SIZES)
    model = models.Transformer(config)
    inputs = np.stack([sentences(1, 1, 9, 7, 4), sentences(2, 1, 9, 3, 7)])
    targets = np.stack([sentences(3, 1, 5, 7, 4), sentences(4, 1, 5, 3, 7)])
    case.add("in", {"inputs": inputs, "targets": targets})
    rng, init_rng = random.split(random.key(0))
    params = model.init(init_rng, inputs=jnp.ones((8, 1)), train=False)["params"]
    case.add("init/params", params)
    case.add("out", model.apply({"params": params}, inputs=inputs[0], train=False))
    learned = models.Transformer(config.replace(posemb_init=nn.initializers.normal(0.02), num_layers=1))
    case.add("learned/init", learned.init(init_rng, inputs=inputs[0], train=False)["params"]["AddPositionEmbs_0"])
    schedule = training.create_learning_rate_scheduler(base_learning_rate=0.05, warmup_steps=2)
    case.add("schedule", jnp.stack([schedule(i) for i in range(5)]))
    keys = random.split(rng, 2)
    vmapped = jax.vmap(
        lambda state, batch, key: training.train_step(state, batch, model, schedule, key), in_axes=(None, 0, 0), out_axes=(None, 0), axis_name="batch"
    )
    step = jax.jit(vmapped)
    adamw = optax.adamw(schedule, b1=0.9, b2=0.98, eps=1e-9, weight_decay=1e-1)
    create = lambda tx: train_state.TrainState.create(apply_fn=model.apply, params=params, tx=tx or adamw)
    train(case, create, lambda state, i: step(state, {"inputs": inputs, "targets": targets}, keys))
    case.write()


TRAINING = ["rsqrt_schedule", "create_learning_rate_schedule", "compute_weighted_cross_entropy", "compute_weighted_accuracy", "compute_metrics", "train_step", "predict_step"]


def boxes(params):
    """The names of the axes of each boxed parameter, by its path."""
    names = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params, is_leaf=lambda x: isinstance(x, nn.LogicallyPartitioned)):
        if isinstance(leaf, nn.LogicallyPartitioned):
            names["/".join(key.key for key in path)] = list(leaf.names)
    return names


def lm1b():
    models = load("lm1b/models.py")
    sampler = load("lm1b/temperature_sampler.py")
    training = load("lm1b/train.py", TRAINING, given={"models": models, "temperature_sampler": sampler})
    utils = load("lm1b/utils.py", ["unbox_logicallypartioned_trainstate", "init_train_state"])
    case = Case("lm1b", "the language model: boxed initial values, packed sentences, training, and sampling inside of jit", "lm1b", vocab=11, max_len=8, **SIZES)
    config = models.TransformerConfig(vocab_size=11, output_vocab_size=11, max_len=8, **SIZES)
    evaluated = config.replace(deterministic=True)
    predicted = evaluated.replace(decode=True)
    inputs = np.stack([sentences(5, 1, 11, 8, 5), sentences(6, 1, 11, 6, 8)])
    # Two sentences in one row.
    segments = np.array([[1, 1, 1, 2, 2, 2, 2, 0], [1, 1, 1, 1, 1, 2, 2, 2]], np.int32)
    positions = np.array([[0, 1, 2, 0, 1, 2, 3, 0], [0, 1, 2, 3, 4, 0, 1, 2]], np.int32)
    packed = {"inputs": np.where(segments > 0, integers(7, 1, 11, 2, 8), 0).astype(np.int32), "inputs_position": positions, "inputs_segmentation": segments}
    case.add("in", {"inputs": inputs, "packed": packed})

    class Config:
        per_device_batch_size, max_target_length = 2, 8

    rng, init_rng = random.split(random.PRNGKey(0))
    rng, inference_rng = random.split(rng)
    schedule = training.create_learning_rate_schedule(learning_rate=0.0016, warmup_steps=3)
    case.add("schedule", jnp.stack([jnp.asarray(schedule(jnp.asarray(i)), jnp.float32) for i in range(6)]))
    tx = optax.adamw(schedule, b1=0.9, b2=0.98, eps=1e-9, weight_decay=0.1)
    model = models.TransformerLM(evaluated)
    boxed = utils.init_train_state(model, tx, Config, init_rng)
    case.expect["boxes"] = boxes(boxed.params)
    rules = (("mlp", "tensor"), ("vocab", "tensor"), ("embed", "fsdp"), ("heads", "tensor"))
    mesh = nn.logical_to_mesh(nn.get_partition_spec(boxed.params), rules)
    leaves = jax.tree_util.tree_leaves_with_path(mesh, is_leaf=lambda x: isinstance(x, jax.sharding.PartitionSpec))
    case.expect["mesh"] = {"/".join(key.key for key in path): [str(axis) if axis else "" for axis in spec] for path, spec in leaves}
    params = utils.unbox_logicallypartioned_trainstate(boxed).params
    case.add("init/params", params)
    case.add("out", model.apply({"params": params}, inputs[0]))
    case.add("out_packed", model.apply({"params": params}, packed["inputs"], inputs_positions=positions, inputs_segmentation=segments))
    tied = models.TransformerLM(evaluated.replace(logits_via_embedding=True))
    without = {"decoder": {name: values for name, values in params["decoder"].items() if name != "logitdense"}}
    case.add("out_tied", tied.apply({"params": without}, inputs[0]))
    step = jax.jit(training.train_step, static_argnums=(2, 3, 4))
    batches = [{"inputs": inputs[0]}, packed]
    create = lambda other: train_state.TrainState.create(apply_fn=model.apply, params=params, tx=other or tx)
    state = train(case, create, lambda state, i: step(state, batches[i], config, schedule, 0.0, rng))
    # Each device has one prompt; the lengths of the prompts differ.
    prompts = np.array([[[4, 7, 0, 0, 0, 0, 0, 0]], [[3, 0, 0, 0, 0, 0, 0, 0]], [[9, 5, 6, 8, 0, 0, 0, 0]]], np.int32)
    keys = random.split(inference_rng, len(prompts))
    axes = (0, None, 0, None, None, None, None, None)
    predict = jax.jit(jax.vmap(training.predict_step, in_axes=axes), static_argnums=(3, 4, 5, 6, 7))
    case.add("in/prompts", prompts)
    for name, temperature, top_k in [("top_k", 0.6, 4), ("all", 1.0, 0)]:
        case.add("sampled/" + name, predict(prompts, state.params, keys, 2, 8, predicted, temperature, top_k))
    case.write()


def wmt():
    models = load("wmt/models.py")
    decode = load("wmt/decode.py")
    training = load("wmt/train.py", TRAINING + ["TrainState", "initialize_cache"], given={"models": models, "decode": decode})
    case = Case("wmt", "the translator: smoothed labels, packed sentences, a shared table, and a beam search inside of jit", "wmt", vocab=11, max_len=8, **SIZES)
    config = models.TransformerConfig(vocab_size=11, output_vocab_size=11, share_embeddings=True, logits_via_embedding=True, max_len=8, **SIZES)
    evaluated = config.replace(deterministic=True)
    predicted = evaluated.replace(decode=True)
    inputs = np.stack([sentences(8, 1, 11, 7, 4), sentences(9, 1, 11, 3, 7)])
    targets = np.stack([sentences(10, 1, 11, 5, 6), sentences(11, 1, 11, 6, 2)])
    segments = np.array([[1, 1, 1, 2, 2, 2, 2, 0], [1, 1, 1, 1, 1, 2, 2, 2]], np.int32)
    positions = np.array([[0, 1, 2, 0, 1, 2, 3, 0], [0, 1, 2, 3, 4, 0, 1, 2]], np.int32)
    packed = {
        "inputs": np.where(segments > 0, integers(12, 1, 11, 2, 8), 0).astype(np.int32),
        "targets": np.where(segments[::-1] > 0, integers(13, 1, 11, 2, 8), 0).astype(np.int32),
        "inputs_position": positions,
        "targets_position": positions[::-1],
        "inputs_segmentation": segments,
        "targets_segmentation": segments[::-1],
    }
    case.add("in", {"inputs": inputs, "targets": targets, "packed": packed})
    rng, init_rng = random.split(random.key(0))
    model = models.Transformer(evaluated)
    params = model.init(init_rng, jnp.ones((2, 8)), jnp.ones((2, 8)))["params"]
    case.add("init/params", params)
    untied = models.Transformer(evaluated.replace(share_embeddings=False, logits_via_embedding=False, num_layers=1))
    untied_variables = untied.init(init_rng, jnp.ones((2, 8)), jnp.ones((2, 8)))
    case.add("untied/init", untied_variables["params"])
    case.add("untied/out", untied.apply(untied_variables, inputs[0], targets[0]))
    case.add("out", model.apply({"params": params}, inputs[0], targets[0]))
    schedule = training.create_learning_rate_schedule(learning_rate=0.002, warmup_steps=2)
    # The axis is that of devices; they have a batch each, as long as packed ones are not mixed with others.
    vmapped = jax.vmap(
        lambda state, batch, key: training.train_step(state, batch, config, schedule, 0.1, key), in_axes=(None, 0, 0), out_axes=None, axis_name="batch"
    )
    step = jax.jit(vmapped)
    batches = [{"inputs": inputs, "targets": targets}, jax.tree_util.tree_map(lambda x: x[:, None], packed)]
    keys = random.split(rng, 2)
    adamw = optax.adamw(learning_rate=schedule, b1=0.9, b2=0.98, eps=1e-9, weight_decay=0.0)
    create = lambda tx: training.TrainState.create(apply_fn=model.apply, params=params, tx=tx or adamw, dynamic_scale=None)
    state = train(case, create, lambda state, i: step(state, batches[i], keys))
    beams = jax.jit(training.predict_step, static_argnums=(3, 4, 5, 6))
    search, found = decode.beam_search, []

    def recorded(*args, **kwargs):
        found.append(search(*args, **kwargs))
        return found[-1]

    for name, eos, source in [("first", 9, inputs[0]), ("second", 4, inputs[1])]:
        cache = training.initialize_cache(source, 8, predicted)
        if name == "first":
            case.add("cache", cache)
        case.add(f"beams/{name}/best", beams(source, state.params, cache, eos, 8, predicted, 3))
        # All beams and their scores, which the step of prediction does not return.
        decode.beam_search = recorded
        training.predict_step(source, state.params, cache, eos, 8, predicted, 3)
        decode.beam_search = search
        case.add(f"beams/{name}/all", found[-1])
    case.write()


CASES = {"nlp_seq": nlp_seq, "lm1b": lm1b, "wmt": wmt}
