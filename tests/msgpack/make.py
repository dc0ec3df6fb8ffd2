"""Files of Flax's own, for `io::msgpack` and `io::checkpoints`: JAX_PLATFORMS=cpu python make.py

    pip install flax optax orbax-checkpoint
"""

import os
import shutil
import warnings

import flax
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
from flax import linen as nn
from flax import serialization
from flax.training import checkpoints, train_state

warnings.filterwarnings("ignore", category=DeprecationWarning)


def write(name, data):
    with open(f"{name}.msgpack", "wb") as file:
        file.write(data)


class Model(nn.Module):
    """Names that are in another order than that of their creation; statistics beside the parameters."""

    @nn.compact
    def __call__(self, x, train):
        x = nn.Dense(3)(x)
        x = nn.BatchNorm(use_running_average=not train)(x)
        return nn.Dense(2, name="a")(x)


x = jnp.arange(8, dtype=jnp.float32).reshape(2, 4) / 8
model = Model()
init = model.init(jax.random.key(0), x, False)
jitted = jax.jit(model.init, static_argnums=2)(jax.random.key(0), x, False)
write("variables_init", serialization.to_bytes(init))
write("variables_jit", serialization.to_bytes(jitted))

# Every state of an optimizer before its first step.
params = {
    "dense": {"kernel": jnp.arange(12, dtype=jnp.float32).reshape(4, 3) / 7, "bias": jnp.ones(3)},
    "scale": jnp.float32(2),
}
params = jax.tree.map(lambda x: x, params)
half = optax.exponential_decay(0.1, 10, 0.5)
optimizers = {
    "sgd": optax.sgd(0.1),
    "sgd(momentum)": optax.sgd(0.1, momentum=0.9),
    "sgd(schedule)": optax.sgd(half),
    "adam": optax.adam(1e-3),
    "adam(schedule)": optax.adam(half),
    "adamw": optax.adamw(1e-3),
    "nadam": optax.nadam(1e-3),
    "amsgrad": optax.amsgrad(1e-3),
    "adagrad": optax.adagrad(0.1),
    "adadelta": optax.adadelta(0.1),
    "adamax": optax.adamax(0.1),
    "adamaxw": optax.adamaxw(0.1),
    "adabelief": optax.adabelief(0.1),
    "radam": optax.radam(0.1),
    "yogi": optax.yogi(0.1),
    "rmsprop": optax.rmsprop(0.1),
    "rmsprop(centered,momentum)": optax.rmsprop(0.1, centered=True, momentum=0.9),
    "rmsprop(bias_correction)": optax.rmsprop(0.1, bias_correction=True),
    "lamb": optax.lamb(0.1),
    "lars": optax.lars(0.1),
    "lion": optax.lion(0.1),
    "novograd": optax.novograd(0.1),
    # Optax has no memory for a single number, ours has one.
    "sm3": optax.masked(optax.sm3(0.1), {"dense": {"kernel": True, "bias": True}, "scale": False}),
    "adafactor": optax.adafactor(0.1, min_dim_size_to_factor=2),
    "adafactor(momentum,decay)": optax.adafactor(0.1, min_dim_size_to_factor=2, momentum=0.9, weight_decay_rate=0.1),
    "adafactor(without)": optax.adafactor(None, multiply_by_parameter_scale=False, clipping_threshold=None),
    "adamw(mask)": optax.adamw(half, mask={"dense": {"kernel": True, "bias": False}, "scale": False}),
    "chain(clip,adam)": optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3)),
    "ema": optax.ema(0.9),
    "apply_if_finite": optax.apply_if_finite(optax.adam(1e-3), 3),
    "multi_steps": optax.MultiSteps(optax.adam(1e-3), 2),
    "masked": optax.masked(optax.sgd(0.1, momentum=0.9), {"dense": {"kernel": True, "bias": False}, "scale": True}),
    "multi_transform": optax.multi_transform(
        {"train": optax.adam(1e-3), "freeze": optax.set_to_zero()},
        {"dense": {"kernel": "train", "bias": "freeze"}, "scale": "train"},
    ),
}
# (In order of names, as whatever a transform has returned.)
states = {name: serialization.to_bytes(jax.tree.map(jnp.asarray, tx.init(params))) for name, tx in optimizers.items()}
write("optimizers", serialization.msgpack_serialize({"params": params, "states": states}, in_place=True))

# A training after two steps, compiled and not: the number of steps is an array or an int.
grads = jax.tree.map(jnp.ones_like, params)
state = train_state.TrainState.create(apply_fn=model.apply, params=params, tx=optax.sgd(0.5, momentum=0.5))
write("train_state_int", serialization.to_bytes(state.apply_gradients(grads=grads).apply_gradients(grads=grads)))
step = jax.jit(lambda state: state.apply_gradients(grads=grads))
write("train_state_array", serialization.to_bytes(step(step(state))))


class WithFields(train_state.TrainState):
    """A state with fields of the user's."""

    batch_stats: dict
    ema: dict


with_fields = WithFields.create(
    apply_fn=None,
    params={"w": jnp.array([1.0, 2.0])},
    tx=optax.sgd(0.5, momentum=0.5),
    batch_stats={"mean": jnp.array(3.0)},
    ema={"w": jnp.array([4.0, 5.0])},
)
write("train_state_fields", serialization.to_bytes(with_fields.replace(step=jnp.array(2, jnp.int32))))

# Dtypes that tensors have.
v = np.arange(6).reshape(2, 3)
dtypes = {
    "bool": v % 2 == 0,
    "u8": v.astype(np.uint8),
    "u32": v.astype(np.uint32),
    "i32": v.astype(np.int32) - 3,
    "i64": v - 3,
    "f16": (v / 4).astype(np.float16),
    "bf16": (v / 4).astype(ml_dtypes.bfloat16),
    "f32": (v / 3).astype(np.float32),
    "f64": v / 3,
    "transposed": (v / 3).astype(np.float32).T,
    "jax": jnp.float32(2.5),
    "empty": np.zeros((0, 3), np.float32),
    "wide": np.zeros((1, 300), np.uint8),
    "np_f32": np.float32(1.5),
    "np_i64": np.int64(-7),
    "np_bool": np.bool_(True),
    "np_bf16": ml_dtypes.bfloat16(0.5),
}
write("dtypes", serialization.to_bytes(dtypes))

# What no tensor has, and big-endian numbers, whose order of bytes is lost.
foreign = {
    "i8": v.astype(np.int8),
    "u64": v.astype(np.uint64),
    "f8": (v / 4).astype(ml_dtypes.float8_e4m3fn),
    "c64": (v * 1j).astype(np.complex64),
    "np_c128": np.complex128(1 + 2j),
    "complex": 1 + 2j,
    "text": np.array(["ab"]),
    "fine": np.float32(1),
}
write("foreign", serialization.to_bytes(foreign))
write("big_endian", serialization.to_bytes({"x": np.array([1.0, 2.0], ">f4")}))

# Python's own values, on both sides of every limit of the format.
ints = [0, 1, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1]
ints += [-1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1, -(2**63)]
native = {
    "ints": ints,
    "texts": ["", "a" * 31, "a" * 32, "a" * 255, "a" * 256, "ü", "a" * 65536],
    "floats": [0.0, -0.0, 1.5, float("inf"), float("nan"), 1e300],
    "bytes": [b"", b"\x00" * 255, b"\xff" * 256],
    "values": [True, False, None, {}, [], [[1], {"a": (2)}]],
    "dict_16": {f"k{i}": i for i in range(16)},
    "list_16": list(range(16)),
    "complex": 1 + 2j,
    "n" * 40: None,
}
write("native", serialization.msgpack_serialize(native))
tree = {"list": [1, {"a": 2}, (3,)], "none": None, "flag": True, "name": "run", "rate": 0.5, "empty": ()}
write("tree", serialization.to_bytes(tree))

# Boxes with the names of axes.
boxed = nn.Dense(
    3,
    kernel_init=nn.with_partitioning(nn.initializers.ones, ("in", "out")),
    bias_init=nn.with_logical_partitioning(nn.initializers.zeros, ("out",)),
)
write("boxed", serialization.to_bytes(jax.jit(boxed.init)(jax.random.key(0), x)))

# Arrays in pieces: three numbers in each, then two, then one.
serialization.MAX_CHUNK_SIZE = 12
pieces = {
    "exactly": np.arange(3, dtype=np.float32),
    "over": np.arange(4, dtype=np.float32),
    "matrix": np.arange(6, dtype=np.int32).reshape(2, 3),
    "wide": np.arange(3, dtype=np.float64),
    "bytes": np.arange(13, dtype=np.uint8),
    "listed": [np.arange(4, dtype=np.float32), {"in": np.arange(5, dtype=np.float32)}],
    "dict": {"in": np.arange(4, dtype=np.float32)},
    "scalar": np.float64(1),
}
write("pieces", serialization.msgpack_serialize(pieces))
serialization.MAX_CHUNK_SIZE = 4
write("piece", serialization.msgpack_serialize(np.array(1.5)))

# A folder of the legacy checkpoints.
serialization.MAX_CHUNK_SIZE = 2**30
flax.config.update("flax_use_orbax_checkpointing", False)
shutil.rmtree("checkpoints", ignore_errors=True)
folder = os.path.abspath("checkpoints")
for count in range(12):
    if count in (2, 10, 11):
        checkpoints.save_checkpoint(folder, state, count, keep=2)
    state = step(state)

# Which steps are there after each save, for rows of (keep, keep_every, steps).
rows = {}
for keep, every, steps in [
    (1, None, [1, 2, 3]),
    (3, None, [1, 2, 9, 10, 11]),
    (1, 2, list(range(8))),
    (2, 3, [0, 1, 2, 3, 4, 5, 7, 8, 12]),
    (2, 10, [0, 5, 10, 15, 20, 25, 30, 35]),
]:
    folder, seen = "scratch", []
    shutil.rmtree(folder, ignore_errors=True)
    for number in steps:
        checkpoints.save_checkpoint(folder, {"x": 1}, number, keep=keep, keep_every_n_steps=every)
        seen.append(checkpoints.available_steps(folder))
    rows[f"{keep} {every}"] = {"steps": steps, "seen": seen}
for number in (12, 25):
    checkpoints.save_checkpoint(folder, {"x": 2}, number, keep=2, keep_every_n_steps=10, overwrite=True)
    rows[f"overwrite {number}"] = {"steps": [number], "seen": [checkpoints.available_steps(folder)]}
shutil.rmtree(folder)
write("kept", serialization.msgpack_serialize(rows))
