"""R1 to R10 in Flax Linen, compiled: what `src/real.rs` has, of the same sizes."""
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from protocol import parse, tokens


class ResidualBlock(nn.Module):
    features: int
    stride: int

    @nn.compact
    def __call__(self, x, train):
        norm = lambda: nn.BatchNorm(use_running_average=not train, momentum=0.9)
        strides = (self.stride, self.stride)
        y = nn.relu(norm()(nn.Conv(self.features, (3, 3), strides, use_bias=False)(x)))
        y = norm()(nn.Conv(self.features, (3, 3), use_bias=False)(y))
        if self.stride != 1 or x.shape[-1] != self.features:
            x = norm()(nn.Conv(self.features, (1, 1), strides, use_bias=False)(x))
        return nn.relu(x + y)


class ResNet18(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = nn.Conv(64, (3, 3), use_bias=False)(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        for stage, features in enumerate((64, 128, 256, 512)):
            for stride in (2 if stage else 1, 1):
                x = ResidualBlock(features, stride)(x, train)
        return nn.Dense(10)(x.mean((1, 2)))


class Separable(nn.Module):
    @nn.compact
    def __call__(self, x):
        for _ in range(4):
            channels = x.shape[-1]
            x = nn.relu(nn.Conv(channels, (3, 3), feature_group_count=channels)(x))
            x = nn.relu(nn.Conv(channels, (1, 1))(x))
        return x.mean((1, 2))


class GptBlock(nn.Module):
    decode: bool

    @nn.compact
    def __call__(self, x, mask):
        x = x + nn.MultiHeadDotProductAttention(8, decode=self.decode)(nn.LayerNorm()(x), mask=mask)
        y = nn.gelu(nn.Dense(4 * x.shape[-1])(nn.LayerNorm()(x)))
        return x + nn.Dense(x.shape[-1])(y)


class Gpt(nn.Module):
    decode: bool = False

    @nn.compact
    def __call__(self, ids):
        embed = nn.Embed(4096, 256)
        x = embed(ids)
        mask = None if self.decode else nn.make_causal_mask(ids)
        for _ in range(4):
            x = GptBlock(self.decode)(x, mask)
        return embed.attend(nn.LayerNorm()(x))


class EncoderBlock(nn.Module):
    @nn.compact
    def __call__(self, x, mask):
        x = nn.LayerNorm(1e-12)(x + nn.MultiHeadDotProductAttention(12)(x, mask=mask))
        y = nn.Dense(384)(nn.gelu(nn.Dense(1536)(x), approximate=False))
        return nn.LayerNorm(1e-12)(x + y)


class SentenceEncoder(nn.Module):
    """all-MiniLM-L6-v2."""

    @nn.compact
    def __call__(self, ids, mask):
        words = nn.Embed(30522, 384)(ids)
        positions = self.param("positions", nn.initializers.normal(0.02), (512, 384))
        kind = self.param("kind", nn.initializers.normal(0.02), (384,))
        x = nn.LayerNorm(1e-12)(words + positions[: ids.shape[1]] + kind)
        for _ in range(6):
            x = EncoderBlock()(x, mask[:, None, None, :])
        real = mask[:, :, None].astype(jnp.float32)
        mean = (x * real).sum(1) / real.sum(1)
        return mean / jnp.sqrt((mean**2).sum(-1, keepdims=True))


class BagOfWords(nn.Module):
    @nn.compact
    def __call__(self, ids):
        return nn.Dense(32000)(nn.Embed(32000, 256)(ids).mean(1))


class Wide(nn.Module):
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x):
        for _ in range(3):
            x = nn.relu(nn.Dense(1024, dtype=self.dtype)(x))
        return x


class Small(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(10)(nn.relu(nn.Dense(256)(x)))


def indices(below, shape, first=0):
    return jnp.asarray((np.arange(first, first + np.prod(shape)) * 7919 + 13) % below, jnp.int32).reshape(shape)


def class_loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def normal(*shape):
    return jax.random.normal(jax.random.key(0), shape)


def init(model, *args):
    return model.init(jax.random.key(1), *args)


def stepping(step, state, args, anew_after=None):
    """A compiled step whose state is given away and replaced, and begun anew after a number of steps."""
    step = jax.jit(step, donate_argnums=0)
    # The first step takes copies, because the originals are needed again.
    held = [jax.tree.map(jnp.copy, state), 0]

    def run():
        if held[1] == anew_after:
            held[:] = [jax.tree.map(jnp.copy, state), 0]
        held[1] += 1
        held[0], out = step(held[0], *args)
        jax.block_until_ready((held[0], out))

    return run


def training(loss, params, *args):
    tx = optax.adam(1e-8)

    def step(state, *args):
        params, moments = state
        value, grads = jax.value_and_grad(loss)(params, *args)
        updates, moments = tx.update(grads, moments, params)
        return (optax.apply_updates(params, updates), moments), value

    return stepping(step, (params, tx.init(params)), args)


def forward(function, *args):
    function = jax.jit(function)
    return lambda: jax.block_until_ready(function(*args))


def resnet(mode, batch):
    model, tx = ResNet18(), optax.adam(1e-8)
    x, labels = normal(batch, 32, 32, 3), indices(10, (batch,))
    variables = init(model, x, True)
    params, stats = variables["params"], variables["batch_stats"]
    if mode == "fwd":
        return forward(lambda params, stats, x: model.apply({"params": params, "batch_stats": stats}, x, False), params, stats, x)

    def loss(params, stats, x, labels):
        variables = {"params": params, "batch_stats": stats}
        out, updated = model.apply(variables, x, True, mutable=["batch_stats"])
        return class_loss(out, labels), updated["batch_stats"]

    def step(state, x, labels):
        params, moments, stats = state
        (value, stats), grads = jax.value_and_grad(loss, has_aux=True)(params, stats, x, labels)
        updates, moments = tx.update(grads, moments, params)
        return (optax.apply_updates(params, updates), moments, stats), value

    return stepping(step, (params, tx.init(params), stats), (x, labels))


def language(model, ids, labels):
    params = init(model, ids)["params"]
    return training(lambda p, ids, labels: class_loss(model.apply({"params": p}, ids), labels), params, ids, labels)


def decode(batch):
    model = Gpt(True)
    variables = init(model, indices(4096, (batch, 256)))

    def step(cache, params, token):
        out, updated = model.apply({"params": params, "cache": cache}, token, mutable=["cache"])
        return updated["cache"], out

    return stepping(step, variables["cache"], (variables["params"], indices(4096, (batch, 1))), 200)


def clipped(batch):
    model, x, labels = Small(), normal(batch, 784), indices(10, (batch,))
    params = init(model, x)["params"]
    loss = lambda params, x, label: class_loss(model.apply({"params": params}, x), label)

    def gradients(params, x, labels):
        grads = jax.vmap(jax.grad(loss), (None, 0, 0))(params, x, labels)
        squares = sum((leaf.reshape(batch, -1) ** 2).sum(1) for leaf in jax.tree.leaves(grads))
        scale = jnp.minimum(1 / jnp.sqrt(squares), 1.0)
        return jax.tree.map(lambda leaf: (leaf * scale.reshape((-1,) + (1,) * (leaf.ndim - 1))).mean(0), grads)

    return forward(gradients, params, x, labels)


def of_layer(model, x, mode):
    params = init(model, x)["params"]
    apply = lambda params, x: model.apply({"params": params}, x)
    if mode == "fwd":
        return forward(apply, params, x)
    return training(lambda params, x: (apply(params, x).astype(jnp.float32) ** 2).mean(), params, x)


def encoder(batch, length):
    model, ids = SentenceEncoder(), indices(30522, (batch, length))
    mask = jnp.ones_like(ids, bool)
    return forward(lambda p, ids, mask: model.apply({"params": p}, ids, mask), init(model, ids, mask)["params"], ids, mask)


def real(case):
    """A step of a case, or None if it is another one."""
    if not case.startswith("r") or case.startswith("resize"):
        return None
    name, mode, batch = parse(case)
    return {
        "r1": lambda: resnet(mode, batch),
        "r2": lambda: language(Gpt(), indices(4096, (batch, 128)), indices(4096, (batch, 128), 1)),
        "r3": lambda: decode(batch),
        "r4": lambda: encoder(batch, tokens(case)),
        "r6": lambda: clipped(batch),
        "r8f": lambda: of_layer(Wide(jnp.float32), normal(batch, 1024), mode),
        "r8b": lambda: of_layer(Wide(jnp.bfloat16), normal(batch, 1024), mode),
        "r9": lambda: of_layer(Separable(), normal(batch, 32, 32, 64), mode),
        "r10": lambda: language(BagOfWords(), indices(32000, (batch, 16)), indices(32000, (batch,))),
    }[name]()
