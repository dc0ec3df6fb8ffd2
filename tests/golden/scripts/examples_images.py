"""The examples of Flax with images: vae, imagenet, ppo, and PixelCNN++."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.training import train_state
from flax.training.dynamic_scale import DynamicScale
from jax import random

from example_sources import PIXELCNN, Case, integers, load, normal, recorder, train


def vae():
    small = {"500": "6", "784": "16"}
    models = load("vae/models.py", replace=small)
    names = ["kl_divergence", "binary_cross_entropy_with_logits", "compute_metrics", "train_step", "eval_f"]
    training = load("vae/train.py", names, {"28": "4"}, {"models": models})
    case = Case("vae", "the autoencoder: training, and evaluation by two methods at once", "vae", latents=3, hidden=6, pixels=16)
    images = (normal(0, 2, 4, 16) > 0).astype(np.float32)
    case.add("in/images", images)
    # The keys of train_and_evaluate.
    rng, key = random.split(random.key(0))
    model = models.model(3)
    params = model.init(key, jnp.ones((4, 16)), rng)["params"]
    case.add("init/params", params)
    rng, z_key, eval_rng = random.split(rng, 3)
    z = random.normal(z_key, (5, 3))
    keys = [random.split(rng)[1], random.split(random.split(rng)[0])[1]]
    case.add("out", model.apply({"params": params}, images[0], keys[0]))
    create = lambda tx: train_state.TrainState.create(apply_fn=model.apply, params=params, tx=tx or optax.adam(1e-3))
    state = train(case, create, lambda state, i: (training.train_step(state, images[i], keys[i], 3), None))
    metrics, comparison, generated = training.eval_f(state.params, images[0], z, eval_rng, 3)
    case.add("eval", {"metrics": metrics, "comparison": comparison, "generated": generated})
    case.write()


def imagenet(name, constructor, stages, filters, rtol, half=False):
    models = load("imagenet/models.py")
    names = ["cross_entropy_loss", "compute_metrics", "create_learning_rate_fn", "train_step", "eval_step", "TrainState"]
    training = load("imagenet/train.py", names, given={"NUM_CLASSES": 5})
    dtype = jnp.float16 if half else jnp.float32
    description = f"{constructor} of {filters} filters and stages {stages}: statistics synchronized over a named axis, decay, momentum, a schedule" + (", in halves with a dynamic scale" if half else "")
    case = Case(name, description, "imagenet", rtol, rtol / 10, classes=5, stages=stages, filters=filters)
    model = getattr(models, constructor)(num_classes=5, num_filters=filters, stage_sizes=stages, dtype=dtype)
    images, labels = jnp.asarray(normal(1, 2, 2, 3, 16, 16, 3), dtype), integers(2, 0, 5, 2, 2, 3)
    case.add("in", {"images": images, "labels": labels})
    variables = model.init({"params": random.key(3)}, jnp.ones((1, 16, 16, 3), dtype))
    case.add("init", variables)
    case.add("eval", model.apply(variables, images[0, 0], train=False))

    class Config:
        warmup_epochs, num_epochs = 1, 4

    learning_rate = training.create_learning_rate_fn(Config, 0.1, 3)
    # The second axis is that of the devices; the first step of the schedule is 0.
    step = jax.jit(jax.vmap(functools.partial(training.train_step, learning_rate_fn=learning_rate), in_axes=(None, 0), out_axes=None, axis_name="batch"))

    def create(tx):
        return training.TrainState.create(
            apply_fn=model.apply,
            params=variables["params"],
            tx=tx or optax.sgd(learning_rate, momentum=0.9, nesterov=True),
            batch_stats=variables["batch_stats"],
            dynamic_scale=DynamicScale(scale=jnp.float32(2**18), growth_interval=2) if half else None,
        )

    batch = lambda i: {"image": images[i % 2], "label": labels[i % 2]}
    state = train(case, create, lambda state, i: step(state, batch(i)), steps=6 if half else 3)
    case.add("final/batch_stats", state.batch_stats)
    # In the beginning each block is the identity, and nothing inside of it has a gradient.
    tx = recorder()
    case.add("final/gradients", step(state.replace(tx=tx, opt_state=tx.init(state.params)), batch(3))[0].opt_state)
    case.write()


def ppo():
    models = load("ppo/models.py", replace={"=32": "=4", "=64": "=5", "=512": "=6"})
    agent = load("ppo/agent.py", ["policy_action"])
    names = ["gae_advantages", "loss_fn", "train_step", "get_initial_params", "create_train_state"]
    training = load("ppo/ppo_lib.py", names, {"84, 84, 4)  # (mini": "12, 12, 2)  # (mini"}, {"agent": agent, "models": models, "ml_collections": None})
    case = Case("ppo", "the actor and critic: advantages, and an epoch of two minibatches", "ppo", outputs=4)
    model = models.ActorCritic(num_outputs=4)
    params = training.get_initial_params(random.key(0), model)
    case.add("init/params", params)
    steps, agents = 4, 2
    rewards = normal(3, steps, agents)
    masks = integers(4, 0, 2, steps, agents).astype(np.float32)
    values = normal(5, steps + 1, agents)
    advantages = np.asarray(training.gae_advantages(rewards, masks, values, 0.99, 0.95))
    case.add("in", {"rewards": rewards, "masks": masks, "values": values})
    case.add("advantages", advantages)
    states = integers(6, 0, 256, steps * agents, 12, 12, 2).astype(np.float32)
    actions = integers(7, 0, 4, steps * agents)
    case.add("out", agent.policy_action(model.apply, params, states))
    log_probs = np.asarray(agent.policy_action(model.apply, params, states)[0])[np.arange(steps * agents), actions] + 0.2 * normal(8, steps * agents)
    trajectories = (states, actions, log_probs, (advantages + values[:-1]).reshape(-1), advantages.reshape(-1))
    case.add("in/trajectories", trajectories)

    class Config:
        decaying_lr_and_clip_param, learning_rate = True, 2.5e-4

    def create(tx):
        state = training.create_train_state(params, model, Config, 8)
        return state if tx is None else state.create(apply_fn=model.apply, params=params, tx=tx)

    def step(state, i):
        return training.train_step(state, trajectories, steps * agents // 2, clip_param=0.1, vf_coeff=0.5, entropy_coeff=0.01)

    train(case, create, step, steps=1)
    case.write()


def pixelcnn():
    model_file = load("pixelcnn/pixelcnn.py", revision=PIXELCNN)
    training = load("pixelcnn/train.py", ["neg_log_likelihood_loss"], given={"pixelcnn": model_file}, revision=PIXELCNN)
    names = ["_categorical_onehot", "conditional_params_to_sample", "snap_to_grid"]
    sampling = load("pixelcnn/sample.py", names, revision=PIXELCNN)
    description = "PixelCNN++: initial values that depend on data, weight norm as one parameter of three arrays, sampling by a fixed point"
    case = Case("pixelcnn", description, "pixelcnn", 1e-3, 1e-4, PIXELCNN, depth=1, features=2, logistic_components=2)
    make = lambda dropout: model_file.PixelCNNPP(depth=1, features=2, logistic_components=2, dropout_p=dropout)
    images = np.round((np.tanh(normal(9, 2, 2, 8, 8, 3)) + 1) * 127.5).astype(np.float32) / np.float32(127.5) - 1
    case.add("in/images", images)
    _, init_rng, dropout_rng = random.split(random.key(0), 3)
    init = jax.jit(lambda key: make(0.5).init({"params": key, "dropout": dropout_rng}, images[0], train=False)["params"])
    params = init(init_rng)
    case.add("init/params", params)
    case.add("out", make(0.5).apply({"params": params}, images[1], train=False))

    @jax.jit
    def value_and_grad(params, images, key):
        def loss_fn(params):
            out = make(0.5).apply({"params": params}, images, rngs={"dropout": key}, train=True)
            return training.neg_log_likelihood_loss(out, images)

        return jax.value_and_grad(loss_fn)(params)

    def step(state, i):
        loss, gradients = value_and_grad(state.params, images[i], random.key(4 + i))
        return state.apply_gradients(grads=gradients), {"loss": loss}

    create = lambda tx: train_state.TrainState.create(apply_fn=None, params=params, tx=tx or optax.adam(lambda t: 1e-3 * 0.999995**t, b1=0.95, b2=0.9995))
    train(case, create, step)
    # The file's own `sample_iteration` lacks the argument `train` that its model requires.
    rng, sample = random.key(6), jnp.zeros((1, 8, 8, 3))
    key, _ = random.split(rng)
    apply = jax.jit(lambda sample: make(0.5).apply({"params": params}, sample, train=False))
    for i in range(3):
        out = apply(sample)
        sample = sampling.conditional_params_to_sample(key, model_file.conditional_params_from_outputs(out, sample))
        case.add(f"sample{i}", sample)
    case.write()


CASES = {
    "vae": vae,
    "imagenet_resnet18": functools.partial(imagenet, "imagenet_resnet18", "ResNet18", [2, 1], 2, 1e-3),
    "imagenet_resnet50": functools.partial(imagenet, "imagenet_resnet50", "ResNet50", [2, 1], 2, 2e-3),
    "imagenet_half": functools.partial(imagenet, "imagenet_half", "ResNet18", [1, 1], 2, 2e-2, half=True),
    "ppo": ppo,
    "pixelcnn": pixelcnn,
}
