"""The workloads in Flax Linen, compiled; needs jax, flax and optax."""
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from functions_jax import function
from protocol import MANY, parse, serve
from real_flax import real


class Cnn(nn.Module):
    @nn.compact
    def __call__(self, x):
        for features in (32, 64):
            x = nn.relu(nn.Conv(features, (3, 3))(x))
            x = nn.avg_pool(x, (2, 2), strides=(2, 2))
        x = nn.relu(nn.Dense(256)(x.reshape(x.shape[0], -1)))
        return nn.log_softmax(nn.Dense(10)(x))


class Mlp(nn.Module):
    hidden: int
    classes: int

    @nn.compact
    def __call__(self, x):
        for _ in range(2):
            x = nn.relu(nn.Dense(self.hidden)(x))
        return nn.log_softmax(nn.Dense(self.classes)(x))


class Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = x + nn.MultiHeadDotProductAttention(num_heads=8)(nn.LayerNorm()(x))
        y = nn.gelu(nn.Dense(1024)(nn.LayerNorm()(x)))
        return x + nn.Dense(256)(y)


class ConvNorm(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.leaky_relu(nn.LayerNorm()(nn.Conv(64, (3, 3))(x)))


class Lstm(nn.Module):
    @nn.compact
    def __call__(self, x):
        y = nn.RNN(nn.OptimizedLSTMCell(128))(x)
        return nn.log_softmax(nn.Dense(10)(y[:, -1]))


def chain(x, y):
    g = x * 0.5 * (jnp.tanh((x + x * x * x * 0.044715) * 0.79788456) + 1)
    h = g * y + x
    s = 1 / (jnp.exp(-h) + 1)
    return jnp.tanh(s * 2 - 1) * h + g


def network(workload, batch):
    """The module, the shape of its input and its classes."""
    return {
        "w1": (Cnn(), (batch, 28, 28, 1), 10),
        "w2": (Mlp(1024, 10), (batch, 784), 10),
        "w3": (Block(), (batch, 128, 256), 0),
        "w4": (Mlp(16, 4), (batch, 8), 4),
        "w5": (ConvNorm(), (batch, 32, 32, 3), 0),
        "w7": (Lstm(), (batch, 64, 64), 10),
    }[workload]


def make(case):
    generator = np.random.default_rng(0)
    normal = lambda *shape: jnp.asarray(generator.standard_normal(shape, dtype=np.float32))
    if found := function(case, generator):
        f, args = found
        return lambda: jax.block_until_ready(f(*args)), 1
    if step := real(case):
        return step, 1
    workload, mode, batch = parse(case)
    if workload == "w6":
        f, x, y = jax.jit(chain), normal(4 << 20), normal(4 << 20)
        return lambda: f(x, y).block_until_ready(), 1
    model, shape, classes = network(workload, batch)
    x, y = normal(*shape), jnp.arange(shape[0]) * 7 % max(classes, 1)
    params = model.init(jax.random.key(1), x)["params"]
    steps = MANY if workload == "w4" else 1

    def loss(params, x, y):
        out = model.apply({"params": params}, x)
        return -jnp.mean(jnp.take_along_axis(out, y[:, None], 1)) if classes else jnp.mean(out * out)

    if mode != "train":
        forward = lambda params, x, y: model.apply({"params": params}, x)
        f = jax.jit(forward if mode == "fwd" else jax.value_and_grad(loss))

        def run():
            for _ in range(steps):
                out = f(params, x, y)
            jax.block_until_ready(out)

        return run, steps
    tx = optax.adam(1e-8)

    def step(params, state, x, y):
        value, grads = jax.value_and_grad(loss)(params, x, y)
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    step = jax.jit(step, donate_argnums=(0, 1))
    held = [params, tx.init(params)]

    def run():
        for _ in range(steps):
            held[0], held[1], _ = step(*held, x, y)
        jax.block_until_ready(held)

    return run, steps


serve(make)
