"""Compiles and runs StableHLO with jaxlib's compiler for CPUs, for the tests of what Flaxen exports (JAX 0.10.2).

    python tests/stablehlo/run.py

A server: requests come on standard input, answers go to standard output, all in little-endian words of 64 bits. A request is the length of a
text and the text, the number of arrays, and of each its type's name (length and text), rank, sizes, and bytes (length and bytes). An
answer is 1, the number of arrays and the arrays alike, or 0, the length of a message and the message.
"""

import os
import struct
import sys

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import ml_dtypes
import numpy as np
from jax._src import compiler, xla_bridge
from jax._src.interpreters import mlir
from jax._src.lib.mlir import ir
from jaxlib import _jax

jax.config.update("jax_enable_x64", True)

requests = sys.stdin.buffer
answers = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)

backend = xla_bridge.get_backend("cpu")
device = backend.local_devices()[0]
# As JAX compiles: with minima and maxima that keep NaN, among others.
options = compiler.get_compile_options(num_replicas=1, num_partitions=1)
compiled = {}


def read(count):
    data = requests.read(count)
    if len(data) != count:
        sys.exit(0)
    return data


def word():
    return struct.unpack("<Q", read(8))[0]


def read_array():
    name = read(word()).decode()
    shape = [word() for _ in range(word())]
    dtype = np.dtype(getattr(ml_dtypes, name) if name == "bfloat16" else name)
    return np.frombuffer(read(word()), dtype).reshape(shape)


def words(*numbers):
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def array_bytes(array):
    array = np.asarray(array)
    name = array.dtype.name.encode()
    data = array.tobytes()
    return b"".join(
        [words(len(name)), name, words(array.ndim, *array.shape), words(len(data)), data]
    )


def compile(text):
    with mlir.make_ir_context():
        module = ir.Module.parse(text)
        return backend.compile_and_load(module, _jax.DeviceList((device,)), options)


def run(text, inputs):
    if text not in compiled:
        compiled[text] = compile(text)
    arrays = [jax.device_put(array, device) for array in inputs]
    results = compiled[text].execute_sharded(arrays)
    return [shards[0] for shards in results.disassemble_into_single_device_arrays()]


while True:
    text = read(word()).decode()
    inputs = [read_array() for _ in range(word())]
    try:
        outs = run(text, inputs)
        answers.write(words(1, len(outs)) + b"".join(map(array_bytes, outs)))
    except Exception as error:  # What is wrong with a program is an answer.
        message = str(error).encode()
        answers.write(words(0, len(message)) + message)
    answers.flush()
