"""Writes more_model_*.json and more_model_*.safetensors: models of all kinds in training, and wrapped layers.

The source of a model is the text below, which goes into its manifest; what it is trained by is not said there. Run with
jax, flax and optax installed; a folder as argument takes the place of the folder of golden cases, for all models, of which
the repository keeps those in KEPT.

    python tests/golden/scripts/models.py [FOLDER]
"""

import json
import pathlib
import sys
from functools import partial
from typing import Any, Callable, Optional, Sequence, Tuple

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import layers
from layers import Arrays, loss, write_arrays

FOLDER = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else layers.FOLDER
KEPT = None if len(sys.argv) > 1 else {
    "decoder", "mixer", "tagger", "unet", "patches", "autoencoder", "translator", "convnext", "stateful",
    "discriminator", "wrapped", "own_cell", "wrapper_spectral_conv", "wrapper_weight_no_axes",
}
VERSIONS = {"jax": jax.__version__, "flax": flax.__version__, "optax": optax.__version__}


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def numbers(seed, below, *shape):
    return jax.random.randint(jax.random.key(seed), shape, 0, below)


def cross_entropy(out, args, labels):
    return optax.softmax_cross_entropy_with_integer_labels(out, labels).mean()


def squared(out, args, labels):
    return ((out - labels) ** 2).mean()


def within_lengths(out, args, labels):
    weights = jnp.arange(labels.shape[1]) < args[1][:, None]
    entropies = optax.softmax_cross_entropy_with_integer_labels(out, labels)
    return (entropies * weights).sum() / weights.sum()


def binary(out, args, labels):
    return optax.sigmoid_binary_cross_entropy(out, labels).mean()


def reconstruction(out, args, labels):
    return ((out - args[0]) ** 2).mean()


def streams(seeds, step=None):
    keys = {name: jax.random.key(seed) for name, seed in (seeds or {}).items()}
    return keys if step is None else {name: jax.random.fold_in(key, step) for name, key in keys.items()}


def model(name, source, attributes, loss_of, optimizer, args, labels=None, init_rngs={"params": 0}, apply_rngs=None, mutable=(), kwargs={}, steps=3):
    if KEPT is not None and name not in KEPT:
        return
    names = dict(nn=nn, jax=jax, jnp=jnp, np=np, partial=partial, Sequence=Sequence, Callable=Callable, Any=Any, Optional=Optional, Tuple=Tuple)
    exec(source, names)
    cls = [line.split("(")[0][6:] for line in source.splitlines() if line.startswith("class ")][-1]
    module = names[cls](**attributes)
    init = dict(module.init(streams(init_rngs), *args, **kwargs))
    init.pop("intermediates", None)
    found = Arrays()
    found.add("in/args", tuple(args))
    if labels is not None:
        found.add("in/labels", labels)
    found.add("init", init)
    tx = eval(optimizer, dict(vars(optax)))
    params, rest, losses = init["params"], {k: v for k, v in init.items() if k != "params"}, []
    state = tx.init(params)
    for step in range(steps):

        def of_params(params):
            out, mutated = module.apply({"params": params, **rest}, *args, **kwargs, rngs=streams(apply_rngs, step), mutable=list(mutable))
            return loss_of(out, args, labels), (out, mutated)

        (value, (out, mutated)), gradients = jax.value_and_grad(of_params, has_aux=True)(params)
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
    write("model_" + name, "training", f"{cls}, {optimizer}", found, {"rtol": 2e-3, "atol": 2e-4}, {
        "module": repr(module),
        "optimizer": optimizer,
        "steps": steps,
        "init_rngs": init_rngs,
        "apply_rngs": apply_rngs,
        "mutable": list(mutable),
        "rng_per_step": "fold_in(key(seed), step) for every apply rng",
        "source": source,
        "call_kwargs": kwargs,
    })


def write(name, kind, description, found, tolerance, settings, expect={}):
    name = "more_" + name
    manifest = {
        "format": 1,
        "name": name,
        "kind": kind,
        "description": description,
        "settings": settings,
        "expect": expect,
        "containers": found.containers,
        "tolerance": tolerance,
        "versions": VERSIONS,
        "arrays": {key: {"shape": list(array.shape), "dtype": str(array.dtype)} for key, array in found.arrays.items()},
        "safetensors": name + ".safetensors",
    }
    (FOLDER / (name + ".json")).write_text(json.dumps(manifest))
    write_arrays(FOLDER / (name + ".safetensors"), found.arrays)


DECODER = '''class Decoder(nn.Module):
    width: int
    channels: int = 1

    @nn.compact
    def __call__(self, z):
        x = nn.Dense(4 * 4 * self.width)(z)
        x = x.reshape((z.shape[0], 4, 4, self.width))
        for i, features in enumerate([self.width, self.width // 2]):
            x = nn.ConvTranspose(features, kernel_size=(3, 3), strides=(2, 2), padding='SAME', name=f'up_{i}')(x)
            x = nn.GroupNorm(num_groups=2, epsilon=1e-5)(x)
            x = nn.silu(x)
        return nn.Conv(self.channels, (3, 3), use_bias=False)(x)
'''

MIXER = '''class MlpBlock(nn.Module):
    mlp_dim: int

    @nn.compact
    def __call__(self, x):
        y = nn.Dense(self.mlp_dim)(x)
        y = nn.gelu(y)
        return nn.Dense(x.shape[-1])(y)
class MixerBlock(nn.Module):
    """Mixes tokens, then channels."""
    tokens_mlp_dim: int
    channels_mlp_dim: int

    @nn.compact
    def __call__(self, x):
        y = nn.LayerNorm()(x)
        y = jnp.swapaxes(y, 1, 2)
        y = MlpBlock(self.tokens_mlp_dim, name='token_mixing')(y)
        y = jnp.swapaxes(y, 1, 2)
        x = x + y
        y = nn.LayerNorm()(x)
        return x + MlpBlock(self.channels_mlp_dim, name='channel_mixing')(y)
class Mixer(nn.Module):
    num_classes: int
    num_blocks: int
    hidden_dim: int
    patch: Tuple[int, int] = (2, 2)

    @nn.compact
    def __call__(self, inputs, *, train: bool = True):
        x = nn.Conv(self.hidden_dim, self.patch, strides=self.patch, name='stem')(inputs)
        n, h, w, c = x.shape
        x = x.reshape(n, h * w, c)
        for _ in range(self.num_blocks):
            x = MixerBlock(3, 2 * self.hidden_dim)(x)
        x = nn.LayerNorm(name='pre_head_layer_norm')(x)
        x = jnp.mean(x, axis=1)
        return nn.Dense(self.num_classes, kernel_init=nn.initializers.zeros, name='head')(x) if self.num_classes > 0 else x
'''

TAGGER = '''class Tagger(nn.Module):
    vocab: int
    hidden: int
    tags: int

    def setup(self):
        self.embed = nn.Embed(num_embeddings=self.vocab, features=self.hidden)
        self.rnn = nn.Bidirectional(nn.RNN(nn.GRUCell(self.hidden)), nn.RNN(nn.GRUCell(self.hidden)))
        self.head = nn.Dense(self.tags)

    def __call__(self, ids, lengths):
        x = self.embed(ids)
        x = self.rnn(x, seq_lengths=lengths)
        return self.head(x)
'''

UNET = '''class Down(nn.Module):
    features: int

    @nn.compact
    def __call__(self, x, train):
        for _ in range(2):
            x = nn.Conv(self.features, (3, 3))(x)
            x = nn.BatchNorm(use_running_average=not train, momentum=0.8)(x)
            x = nn.leaky_relu(x, negative_slope=0.1)
        return x
class UNet(nn.Module):
    widths: Sequence[int]
    out: int

    @nn.compact
    def __call__(self, x, train=True):
        skips = []
        for width in self.widths[:-1]:
            x = Down(width)(x, train)
            skips.append(x)
            x = nn.avg_pool(x, (2, 2), strides=(2, 2))
        x = Down(self.widths[-1])(x, train)
        for width, skip in zip(reversed(self.widths[:-1]), reversed(skips)):
            x = nn.ConvTranspose(width, (2, 2), strides=(2, 2))(x)
            x = jnp.concatenate([x, skip], axis=-1)
            x = Down(width)(x, train)
        return nn.Conv(self.out, (1, 1), name='out')(x)
'''

PATCHES = '''class Encoder(nn.Module):
    heads: int
    dropout: float

    @nn.compact
    def __call__(self, x, deterministic):
        y = nn.LayerNorm(epsilon=1e-6)(x)
        y = nn.MultiHeadDotProductAttention(self.heads, dropout_rate=self.dropout, kernel_init=nn.initializers.xavier_uniform())(y, y, deterministic=deterministic)
        x = x + nn.Dropout(rate=self.dropout)(y, deterministic)
        y = nn.LayerNorm(epsilon=1e-6)(x)
        y = nn.Dense(2 * x.shape[-1], bias_init=nn.initializers.normal(stddev=1e-2))(y)
        return x + nn.Dense(x.shape[-1])(nn.gelu(y, approximate=False))
class Patches(nn.Module):
    dim: int
    layers: int
    classes: int
    dropout: float = 0.1
    pool: str = 'token'

    @nn.compact
    def __call__(self, x, deterministic=False):
        b = x.shape[0]
        x = nn.Conv(self.dim, (2, 2), strides=2, padding='VALID')(x).reshape(b, -1, self.dim)
        if self.pool == 'token':
            cls = self.param('cls', nn.initializers.zeros, (1, 1, self.dim))
            x = jnp.concatenate([jnp.tile(cls, [b, 1, 1]), x], axis=1)
        elif self.pool not in ('mean', 'max'):
            raise ValueError(f'pool {self.pool}')
        pos = self.param('pos', nn.initializers.normal(0.02), (1,) + x.shape[1:])
        x = nn.Dropout(self.dropout)(x + pos, deterministic=deterministic)
        for i in range(self.layers):
            x = Encoder(2, self.dropout, name='layer_%d' % i)(x, deterministic=deterministic)
        x = nn.LayerNorm()(x)
        x = x[:, 0] if self.pool == 'token' else x.mean(axis=1)
        return nn.Dense(self.classes)(x)
'''

AUTOENCODER = '''class Autoencoder(nn.Module):
    sizes: Sequence[int]
    out: int
    activation: Callable = nn.tanh

    def setup(self):
        self.down = [nn.Dense(size) for size in self.sizes]
        self.up = [nn.Dense(size, name=f'up{i}') for i, size in enumerate(self.sizes[-2::-1])]
        self.last = nn.Dense(self.out)
        self.scale = self.param('scale', lambda key, shape: jnp.full(shape, 0.5), (self.out,))

    def encode(self, x):
        for i, layer in enumerate(self.down):
            x = layer(x)
            if i < len(self.down) - 1:
                x = self.activation(x)
        return x

    def decode(self, z):
        for layer in self.up:
            z = self.activation(layer(z))
        return self.last(z) * self.scale

    def __call__(self, x):
        z = self.encode(x)
        self.sow('losses', 'size', jnp.sum(z**2), reduce_fn=lambda a, b: a + b, init_fn=lambda: jnp.zeros(()))
        return self.decode(z)
'''

TRANSLATOR = '''class Encoder(nn.Module):
    hidden: int

    @nn.compact
    def __call__(self, x, lengths):
        carry, _ = nn.RNN(nn.LSTMCell(self.hidden), return_carry=True)(x, seq_lengths=lengths)
        return carry
class Decoder(nn.Module):
    hidden: int
    out: int

    @nn.compact
    def __call__(self, carry, y):
        cell = nn.OptimizedLSTMCell(self.hidden, name='cell')
        outputs = []
        for t in range(y.shape[1]):
            carry, h = cell(carry, y[:, t])
            outputs.append(h)
        return nn.Dense(self.out)(jnp.stack(outputs, axis=1))
class Translator(nn.Module):
    vocab: int
    hidden: int

    @nn.compact
    def __call__(self, source, lengths, target):
        one_hot = lambda ids: jax.nn.one_hot(ids, self.vocab)
        carry = Encoder(self.hidden)(one_hot(source), lengths)
        shifted = jnp.pad(target, [(0, 0), (1, 0)])[:, :-1]
        return Decoder(self.hidden, self.vocab)(carry, one_hot(shifted))
'''

CONVNEXT = '''class Block(nn.Module):
    dim: int
    scale: float = 1e-1

    @nn.compact
    def __call__(self, x):
        y = nn.Conv(self.dim, kernel_size=(5, 5), feature_group_count=self.dim, padding=[(2, 2), (2, 2)])(x)
        y = nn.RMSNorm(epsilon=1e-6)(y)
        y, gate = jnp.split(nn.Dense(4 * self.dim)(y), 2, axis=-1)
        y = nn.Dense(self.dim)(nn.gelu(y) * nn.sigmoid(gate))
        gamma = self.param('gamma', nn.initializers.constant(self.scale), (self.dim,))
        return x + gamma * y
class SqueezeExcite(nn.Module):
    ratio: int = 2

    @nn.compact
    def __call__(self, x):
        s = x.mean(axis=(1, 2), keepdims=True)
        s = nn.relu6(nn.Dense(x.shape[-1] // self.ratio, dtype=jnp.float32)(s))
        return x * nn.hard_sigmoid(nn.Dense(x.shape[-1])(s))
class ConvNext(nn.Module):
    depths: Sequence[int]
    dims: Sequence[int]
    classes: int

    @nn.compact
    def __call__(self, x):
        conv = partial(nn.Conv, kernel_size=(2, 2), strides=(2, 2), padding='VALID', kernel_init=nn.initializers.truncated_normal(0.2))
        for stage, (depth, dim) in enumerate(zip(self.depths, self.dims)):
            x = conv(features=dim, name=f'downsample_{stage}')(x)
            x = nn.Sequential([Block(dim) for _ in range(depth)])(x)
            x = SqueezeExcite()(x)
        x = jnp.max(x, axis=(1, 2))
        return nn.Dense(self.classes, bias_init=nn.initializers.constant(-1.0))(nn.LayerNorm(use_bias=False)(x))
'''

STATEFUL = '''class Running(nn.Module):
    decay: float = 0.5

    @nn.compact
    def __call__(self, x):
        is_initialized = self.has_variable('stats', 'mean')
        mean = self.variable('stats', 'mean', lambda s: jnp.zeros(s), x.shape[1:])
        count = self.variable('stats', 'count', lambda: jnp.array(0, jnp.int32))
        bias = self.param('bias', lambda rng, shape: jnp.zeros(shape), x.shape[1:])
        if is_initialized:
            mean.value = self.decay * mean.value + (1 - self.decay) * jnp.mean(x, axis=0)
            count.value += 1
        return x - mean.value + bias
class Stateful(nn.Module):
    features: int

    @nn.compact
    def __call__(self, x):
        w = self.param('w', nn.initializers.variance_scaling(1.0, 'fan_avg', 'uniform'), (x.shape[-1], self.features))
        h = jnp.einsum('bi,ij->bj', x, w)
        h = Running(0.25)(h)
        if not self.is_initializing():
            self.sow('intermediates', 'h', h)
        noise = jax.random.uniform(self.make_rng('noise'), h.shape, minval=0.9, maxval=1.1)
        h = jnp.where(h > 0, h, jnp.expm1(h)) * noise
        h = h / (1e-3 + jnp.linalg.norm(h, axis=-1, keepdims=True))
        return nn.DenseGeneral((2, 2), axis=-1)(h).sum(-1)
'''

DISCRIMINATOR = '''class Discriminator(nn.Module):
    features: int

    @nn.compact
    def __call__(self, x, train: bool):
        for i in range(2):
            conv = nn.Conv(self.features * 2**i, kernel_size=(4, 4), strides=(2, 2), padding=1)
            x = nn.SpectralNorm(conv, n_steps=2)(x, update_stats=train)
            x = nn.leaky_relu(x, 0.2)
        x = x.reshape((x.shape[0], -1))
        x = nn.WeightNorm(nn.Dense(3))(x)
        return nn.SpectralNorm(nn.Dense(1))(nn.PReLU()(x), update_stats=train)[..., 0]
'''

WRAPPED = '''class Residual(nn.Module):
    inner: nn.Module
    factor: float = 1.0

    @nn.compact
    def __call__(self, x, *args, **kwargs):
        return x + self.factor * self.inner(x, *args, **kwargs)
class Gate(nn.Module):
    act: Callable[..., Any] = nn.sigmoid

    @nn.compact
    def __call__(self, x):
        return x * self.act(nn.Dense(x.shape[-1], use_bias=False)(x))
class Wrapped(nn.Module):
    dims: Sequence[int]

    def setup(self):
        self.blocks = [Residual(Gate(), factor=0.5), Residual(nn.Dense(self.dims[0]))]
        self.attend = nn.SelfAttention(num_heads=2, qkv_features=4)
        self.embed = {'a': nn.Dense(self.dims[0]), 'b': nn.Dense(self.dims[0])}

    def __call__(self, x):
        x = self.embed['a'](x) + self.embed['b'](jnp.flip(x, axis=1))
        for block in self.blocks:
            x = block(x)
        mask = nn.combine_masks(nn.make_causal_mask(x[..., 0]), nn.make_attention_mask(x[..., 0] > -9, x[..., 0] > -9))
        x = self.attend(x, mask=mask)
        total = sum(jnp.square(x).mean() for _ in range(2))
        return self.head(x / jnp.sqrt(total + 1.0))

    @nn.compact
    def head(self, x):
        for d in self.dims[1:]:
            x = nn.relu(nn.Dense(d)(x))
        return x.mean(axis=1)
'''

OWN_CELL = '''class Leaky(nn.RNNCellBase):
    features: int
    leak: float = 0.9

    @nn.compact
    def __call__(self, carry, x):
        h = carry * self.leak + nn.tanh(nn.Dense(self.features)(x))
        return h, h

    def initialize_carry(self, rng, input_shape):
        return jnp.zeros(input_shape[:-1] + (self.features,))

    @property
    def num_feature_axes(self):
        return 1
class OwnCell(nn.Module):
    features: int

    @nn.compact
    def __call__(self, x):
        x = nn.RNN(Leaky(self.features))(x)
        x = nn.Bidirectional(nn.RNN(nn.SimpleCell(self.features)), nn.RNN(nn.MGUCell(self.features)), merge_fn=jnp.add)(x)
        carry, x = nn.RNN(nn.GRUCell(self.features), reverse=True, keep_order=True, return_carry=True)(x)
        return nn.Dense(2)(jnp.concatenate([carry, x[:, -1], x.max(axis=1)], axis=-1))
'''

BAG = '''class Bag(nn.Module):
    vocab: int
    dim: int
    classes: int

    @nn.compact
    def __call__(self, ids):
        mask = (ids > 0).astype(jnp.float32)[..., None]
        x = nn.Embed(self.vocab, self.dim, embedding_init=nn.initializers.uniform(0.5))(ids)
        x = (x * mask).sum(1) / jnp.maximum(mask.sum(1), 1.0)
        hidden, *rest = [self.dim, self.dim - 1]
        while hidden > self.dim - 2:
            x = nn.Dense(hidden)(x)
            x = nn.relu(x) if hidden % 2 == 0 else nn.elu(x)
            hidden -= 1
        return nn.log_softmax(nn.Dense(self.classes)(x))
'''

CROSS = '''class Cross(nn.Module):
    dim: int

    @nn.compact
    def __call__(self, x, memory, mask):
        x = x + nn.MultiHeadDotProductAttention(num_heads=2, qkv_features=self.dim, out_features=x.shape[-1])(x, memory, mask=mask[:, None, None, :])
        q, k, v = (nn.Dense(self.dim, name=n)(x) for n in 'qkv')
        q, k, v = [t.reshape(t.shape[:-1] + (2, -1)) for t in (q, k, v)]
        y = nn.dot_product_attention(q, k, v)
        b, t, h, d = y.shape
        y = nn.DenseGeneral(x.shape[-1], axis=(-2, -1), name='o')(y)
        assert y.shape == x.shape
        scores = jnp.einsum('btd,bsd->bts', x, y) / np.sqrt(d)
        scores = jnp.where(jnp.tril(jnp.ones((t, t))) > 0, scores, -1e9)
        return jax.nn.softmax(scores, axis=-1) @ x
'''

WAVENET = '''class WaveNet(nn.Module):
    channels: int
    layers: int

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(self.channels, (1,))(x)
        skip = 0
        for i in range(self.layers):
            y = nn.Conv(2 * self.channels, kernel_size=(2,), kernel_dilation=(2 ** i,), padding='CAUSAL', name=f'dilated{i}')(x)
            y = jnp.tanh(y[..., :self.channels]) * nn.sigmoid(y[..., self.channels:])
            y = nn.InstanceNorm()(y)
            skip = skip + nn.ConvLocal(self.channels, 3)(y)
            x = x + y
        x = nn.max_pool(nn.soft_sign(skip), window_shape=(3,), strides=(1,), padding='SAME')
        return nn.Einsum((self.channels, 2), 'btc,cd->btd')(x)
'''


def wrapped(name, cls, args, description, module, x, kwargs={}, rngs=0, mutable=False):
    """A layer within a module of its own, as `description` writes it."""
    if KEPT is not None and name not in KEPT:
        return
    init = dict(module.init(jax.random.key(rngs), x, **kwargs))
    noise = np.random.RandomState(1)
    used = jax.tree_util.tree_map(lambda leaf: leaf + 0.1 * np.abs(noise.randn(*leaf.shape)).astype(np.float32), init)

    def run(params, x):
        return module.apply(dict(used, params=params), x, **kwargs, mutable=mutable)

    def loss_of(params, x):
        out = run(params, x)
        return loss(out[0] if mutable else out)

    value, (of_params, of_x) = jax.value_and_grad(loss_of, argnums=(0, 1))(used["params"], x)
    found = Arrays()
    for key, tree in [("init", init), ("used", used), ("in/x", x), ("loss", value), ("grad_params", of_params), ("grad_in/x", of_x)]:
        found.add(key, tree)
    out = run(used["params"], x)
    if mutable:
        out, updates = out
        found.add("mut", dict(updates))
    found.add("out", out)
    write(name, "layer", description, found, {"rtol": 1e-5, "atol": 1e-5}, {
        "module": {"cls": cls, "args": args},
        "init": {"rngs": rngs, "method": "__call__"},
        "call": {"positional": ["x"], "array_kwargs": [], "kwargs": kwargs, "rngs": None, "mutable": mutable, "method": "__call__", "capture_intermediates": False},
    }, {"used_group": "used"})


def wrappers():
    class SN(nn.Module):
        layer: Callable
        n_steps: int = 1
        options: Any = None

        @nn.compact
        def __call__(self, x, train):
            return nn.SpectralNorm(self.layer(), self.n_steps, **(self.options or {}))(x, update_stats=train)

    class WN(nn.Module):
        layer: Callable
        kw: Any = None

        @nn.compact
        def __call__(self, x):
            return nn.WeightNorm(self.layer(), **(self.kw or {}))(x)

    stats, train = ["batch_stats"], {"train": True}
    text = "wrapper Module: return SpectralNorm({}, n_steps)(x, update_stats=train)"
    wrapped("wrapper_spectral_conv", "SN", {"features": 3, "n_steps": 2}, text.format("Conv(features, (2, 3))"), SN(lambda: nn.Conv(3, (2, 3)), 2), normal(1, 2, 4, 5, 2), train, mutable=stats)
    wrapped("wrapper_spectral_transposed", "SN", {"features": 3}, text.format("ConvTranspose(features, (3,), strides=(2,))"), SN(lambda: nn.ConvTranspose(3, (3,), strides=(2,))), normal(2, 2, 4, 2), {"train": False})
    wrapped("wrapper_spectral_general", "SN", {"features": [2, 3]}, text.format("DenseGeneral(features, axis=(-2, -1))"), SN(lambda: nn.DenseGeneral((2, 3), axis=(-2, -1))), normal(3, 2, 4, 2), train, mutable=stats)
    text = "wrapper Module: return WeightNorm(Dense(features), **kw)(x)"
    wrapped("wrapper_weight_no_axes", "WN", {"features": 3, "kw": {"feature_axes": None}}, text, WN(lambda: nn.Dense(3), {"feature_axes": None}), normal(4, 2, 4))
    wrapped("wrapper_weight_filter", "WN", {"features": 3, "kw": {"variable_filter": ["kernel", "bias"], "epsilon": 0.1}}, text, WN(lambda: nn.Dense(3), {"variable_filter": {"kernel", "bias"}, "epsilon": 0.1}), normal(5, 2, 4))
    wrapped("wrapper_weight_conv", "WN", {"features": 3}, text.replace("Dense(features)", "Conv(features, kernel_size=(3,), use_bias=False)"), WN(lambda: nn.Conv(3, (3,), use_bias=False)), normal(6, 2, 4, 2))


if __name__ == "__main__":
    model("decoder", DECODER, dict(width=4, channels=2), squared, "adam(1e-2)", [normal(1, 2, 3)], normal(2, 2, 16, 16, 2))
    model("mixer", MIXER, dict(num_classes=3, num_blocks=2, hidden_dim=4), cross_entropy, "sgd(.1, momentum=.9)", [normal(3, 2, 4, 6, 3)], numbers(4, 3, 2), kwargs={"train": True})
    model("tagger", TAGGER, dict(vocab=7, hidden=3, tags=4), within_lengths, "chain(clip_by_global_norm(1), adam(1e-2))", [numbers(5, 7, 3, 5), jnp.array([5, 2, 3])], numbers(6, 4, 3, 5))
    model("unet", UNET, dict(widths=(2, 3, 4), out=2), squared, "adamw(1e-2, weight_decay=1e-2)", [normal(7, 2, 8, 8, 1)], normal(8, 2, 8, 8, 2), mutable=["batch_stats"])
    model("patches", PATCHES, dict(dim=4, layers=2, classes=3), cross_entropy, "adam(linear_schedule(1e-3, 1e-2, 3))", [normal(9, 2, 4, 4, 2)], numbers(10, 3, 2), {"params": 0, "dropout": 1}, {"dropout": 2})
    model("patches_mean", PATCHES, dict(dim=4, layers=1, classes=3, pool="mean", dropout=0.0), cross_entropy, "lamb(1e-2)", [normal(9, 2, 4, 4, 2)], numbers(10, 3, 2), kwargs={"deterministic": True})
    model("autoencoder", AUTOENCODER, dict(sizes=(5, 3), out=4), reconstruction, "rmsprop(1e-2)", [normal(11, 6, 4)], mutable=["losses"])
    model("translator", TRANSLATOR, dict(vocab=5, hidden=4), cross_entropy, "nadam(1e-2)", [numbers(12, 5, 2, 4), jnp.array([4, 2]), numbers(13, 5, 2, 3)], numbers(13, 5, 2, 3))
    model("convnext", CONVNEXT, dict(depths=(1, 2), dims=(4, 6), classes=2), cross_entropy, "lion(1e-3)", [normal(14, 2, 8, 8, 3)], numbers(15, 2, 2))
    model("stateful", STATEFUL, dict(features=4), squared, "sgd(.1)", [normal(16, 5, 3)], normal(17, 5, 2), {"params": 0, "noise": 1}, {"noise": 2}, ["stats", "intermediates"])
    model("discriminator", DISCRIMINATOR, dict(features=2), binary, "adam(1e-3, b1=0.5)", [normal(18, 3, 8, 8, 1)], jnp.array([0.0, 1.0, 1.0]), mutable=["batch_stats"], kwargs={"train": True})
    model("wrapped", WRAPPED, dict(dims=(4, 5, 3)), cross_entropy, "adagrad(.1, initial_accumulator_value=.5)", [normal(19, 2, 3, 4)], numbers(20, 3, 2))
    model("own_cell", OWN_CELL, dict(features=3), cross_entropy, "adabelief(1e-2)", [normal(21, 2, 4, 3)], numbers(22, 2, 2))
    model("bag", BAG, dict(vocab=6, dim=4, classes=3), cross_entropy, "adamax(1e-2)", [numbers(23, 6, 4, 5)], numbers(24, 3, 4))
    model("cross", CROSS, dict(dim=4), squared, "radam(1e-2)", [normal(25, 2, 3, 4), normal(26, 2, 5, 6), jnp.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)], normal(27, 2, 3, 4))
    model("wavenet", WAVENET, dict(channels=4, layers=3), squared, "yogi(1e-2)", [normal(28, 2, 9, 2)], normal(29, 2, 9, 2))
    wrappers()
