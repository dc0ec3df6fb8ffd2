"""The examples of Flax with recurrent networks and with graphs: sst2, seq2seq and ogbg_molpcba."""

import functools

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import optax
from flax.training import train_state
from jax import random

from example_sources import Case, integers, load, normal, train


def sst2():
    models = load("sst2/models.py")
    names = ["Metrics", "sigmoid_cross_entropy_with_logits", "get_initial_params", "create_train_state", "compute_metrics", "model_from_config", "train_step", "eval_step", "TrainState"]
    training = load("sst2/train.py", names, given={"models": models})

    class Config:
        embedding_size, hidden_size, vocab_size, output_size = 5, 4, 12, 1
        dropout_rate, word_dropout_rate, unk_idx = 0.5, 0.1, 1
        learning_rate, momentum, weight_decay = 0.1, 0.9, 3e-6

    case = Case("sst2", "the classifier of sentences: a scan in both directions by lengths, attention by keys, dropout of words", "sst2", vocab=12)
    model = training.model_from_config(Config)
    lengths = np.array([[6, 3, 1], [2, 6, 5]], np.int32)
    ids = np.where(np.arange(6) < lengths[..., None], integers(1, 2, 12, 2, 3, 6), 0).astype(np.int32)
    labels = integers(2, 0, 2, 2, 3).astype(np.float32)
    case.add("in", {"ids": ids, "lengths": lengths, "labels": labels})
    params = training.get_initial_params(random.key(0), model)
    case.add("init/params", params)
    out, mutated = model.apply({"params": params}, ids[0], lengths[0], deterministic=True, mutable=["intermediates"])
    case.add("out", out)
    case.add("attention", mutated["intermediates"]["classifier"]["keys_only_mlp_attention"]["attention"][0])
    rngs = {"dropout": random.key(3)}
    step = jax.jit(training.train_step)

    def create(tx):
        state = training.create_train_state(random.key(0), Config, model)
        return state if tx is None else training.TrainState.create(apply_fn=model.apply, params=params, tx=tx)

    def stepped(state, i):
        state, metrics = step(state, {"token_ids": ids[i], "length": lengths[i], "label": labels[i]}, rngs)
        return state, {"loss": metrics.loss, "accuracy": metrics.accuracy}

    train(case, create, stepped)
    case.write()


def seq2seq():
    models = load("seq2seq/models.py")
    pipeline = load("seq2seq/input_pipeline.py", ["CharacterTable", "get_sequence_lengths", "mask_sequences"])

    class FLAGS:
        hidden_size, learning_rate = 6, 0.003

    names = ["get_model", "get_initial_params", "get_train_state", "cross_entropy_loss", "compute_metrics", "train_step", "decode"]
    given = {"models": models, "FLAGS": FLAGS, "CTable": pipeline.CharacterTable, "get_sequence_lengths": pipeline.get_sequence_lengths, "mask_sequences": pipeline.mask_sequences}
    training = load("seq2seq/train.py", names, given=given)
    case = Case("seq2seq", "the adder of written numbers: carries by lengths, teacher forcing, and decoding of samples", "seq2seq", hidden=6)
    table = pipeline.CharacterTable("0123456789+= ", 2)
    questions, answers = ["7+12", "35+8", "40+51"], ["=19", "=43", "=91"]
    batch = {"query": table.encode_onehot(questions), "answer": table.encode_onehot(answers)}
    case.add("in", batch)
    rng = random.key(0)
    params = training.get_initial_params(training.get_model(table), rng, table)
    case.add("init/params", params)
    teacher = training.get_model(table, teacher_force=True)
    case.add("out", teacher.apply({"params": params}, batch["query"], batch["answer"], rngs={"lstm": random.key(1)}))

    def create(tx):
        state = training.get_train_state(rng, table)
        return state if tx is None else state.create(apply_fn=state.apply_fn, params=params, tx=tx)

    # Training draws its own predictions; a state that applies the other model is forced by the teacher.
    state = train(case, create, lambda state, i: training.train_step(state, batch, rng, table.eos_id))
    case.add("decoded", training.decode(state.params, batch["query"], random.fold_in(rng, 2), table))
    forced = train_state.TrainState.create(apply_fn=teacher.apply, params=params, tx=optax.adam(0.003))
    forced, measured = training.train_step(forced, batch, rng, table.eos_id)
    case.add("forced", measured)
    case.add("forced/params", forced.params)
    case.write()


def graphs():
    """Two molecules and a graph of padding, with a label that is missing."""
    rows = dict(nodes=normal(1, 8, 4), edges=normal(2, 9, 3), n_node=np.array([3, 4, 1]), n_edge=np.array([4, 4, 1]))
    senders = np.array([0, 1, 2, 1, 3, 4, 5, 6, 7])
    receivers = np.array([1, 0, 1, 2, 4, 3, 6, 5, 7])
    labels = integers(3, 0, 2, 3, 5).astype(np.float32)
    labels[1, 2] = np.nan
    return jraph.GraphsTuple(**{name: jnp.asarray(x) for name, x in rows.items()}, senders=jnp.asarray(senders), receivers=jnp.asarray(receivers), globals=jnp.asarray(labels))


def ogbg(name, cls, **options):
    models = load("ogbg_molpcba/models.py")
    names = ["binary_cross_entropy_with_mask", "replace_globals", "get_predicted_logits", "get_valid_mask"]
    training = load("ogbg_molpcba/train.py", names)
    case = Case(name, f"{cls}: sums and means over segments, dropout, labels that are missing", "ogbg_molpcba", latent=6, jraph=jraph.__version__)
    make = lambda deterministic: getattr(models, cls)(
        latent_size=6, num_mlp_layers=2, message_passing_steps=2, output_globals_size=5, dropout_rate=0.2, deterministic=deterministic, **options
    )
    batch = graphs()
    case.add("in", {key: value for key, value in batch._asdict().items()})
    replaced = training.replace_globals(batch)
    params = jax.jit(make(True).init)(random.split(random.key(0))[1], replaced)
    case.add("init", params)
    out = make(True).apply(params, replaced)
    case.add("out", {"nodes": out.nodes, "edges": out.edges, "globals": out.globals})

    # The file's train_step needs a package of metrics; this is its loss.
    @jax.jit
    def step(state, i):
        def loss_fn(params):
            logits = training.get_predicted_logits(state.replace(params=params), replaced, {"dropout": random.fold_in(random.key(4), i)})
            mask = training.get_valid_mask(batch.globals, batch)
            loss = training.binary_cross_entropy_with_mask(logits=logits, labels=batch.globals, mask=mask)
            return jnp.sum(jnp.where(mask, loss, 0)) / jnp.sum(mask)

        loss, gradients = jax.value_and_grad(loss_fn)(state.params)
        return state.apply_gradients(grads=gradients), {"loss": loss}

    net = make(False)
    train(case, lambda tx: train_state.TrainState.create(apply_fn=net.apply, params=params, tx=tx or optax.adam(1e-3)), step)
    case.write()


CASES = {
    "sst2": sst2,
    "seq2seq": seq2seq,
    "ogbg_graph_net": functools.partial(ogbg, "ogbg_graph_net", "GraphNet", use_edge_model=True),
    "ogbg_graph_conv": functools.partial(ogbg, "ogbg_graph_conv", "GraphConvNet"),
}
