"""Files of the `gguf` package, for `io::gguf`: weights.gguf, and the values that it dequantises to in weights.safetensors.

    pip install gguf==0.19 numpy safetensors && python files.py

The package does not quantise to `Q4_K`, `Q5_K` and `Q6_K`, it only reads them: their blocks are random bytes with scales that are numbers.
"""

import pathlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from safetensors.numpy import save_file

folder = pathlib.Path(__file__).parent
random = np.random.default_rng(0)
writer = gguf.GGUFWriter(folder / "weights.gguf", "llama")
writer.add_custom_alignment(64)
writer.add_name("a small model")
writer.add_block_count(2)
writer.add_layer_norm_rms_eps(1e-5)
writer.add_uint8("values.uint8", 200)
writer.add_int8("values.int8", -100)
writer.add_uint16("values.uint16", 60000)
writer.add_int16("values.int16", -30000)
writer.add_int32("values.int32", -(2**31))
writer.add_uint64("values.uint64", 2**40)
writer.add_int64("values.int64", -(2**40))
writer.add_float64("values.float64", 1 / 3)
writer.add_bool("values.bool", True)
writer.add_array("values.floats", [0.5, -2.0])
writer.add_array("values.bools", [True, False])
writer.add_token_list(["<s>", "▁a", "ü", ""])
writer.add_token_types([3, 1, 1, 6])
writer.add_key_value("values.huge", 2**64 - 1, gguf.GGUFValueType.UINT64)

expected = {}


def add(name, data, kind):
    quantised = gguf.quants.quantize(data, kind)
    writer.add_tensor(name, quantised, raw_dtype=kind)
    expected[name] = np.ascontiguousarray(gguf.quants.dequantize(quantised, kind))


numbers = random.normal(size=(3, 2, 64)).astype(np.float32)
for kind in [Kind.F32, Kind.F16, Kind.BF16, Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1, Kind.Q8_0]:
    add(f"blk.0.{kind.name.lower()}.weight", numbers, kind)
# Zeros have a scale of zero.
add("zeros", np.zeros((1, 32), np.float32), Kind.Q8_0)

for kind, scales in [(Kind.Q4_K, [0, 2]), (Kind.Q5_K, [0, 2]), (Kind.Q6_K, [-2])]:
    block, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, size=(6, size), dtype=np.uint8)
    for at in scales:
        at %= size
        blocks[:, at : at + 2] = random.normal(size=(6, 1)).astype(np.float16).view(np.uint8)
    # Scales and offsets of all bits.
    blocks = blocks.reshape(3, 2 * size)
    name = f"blk.1.{kind.name.lower()}.weight"
    writer.add_tensor(name, blocks, raw_dtype=kind)
    expected[name] = np.ascontiguousarray(gguf.quants.dequantize(blocks, kind))

for dtype in ["int8", "int16", "int32", "int64", "float64"]:
    data = np.array([[1, -2, 3], [100, -100, 0]], dtype)
    writer.add_tensor(dtype, data)
    expected[dtype] = data

# A kind that is not read.
writer.add_tensor("ternary", gguf.quants.quantize(np.ones((1, 256), np.float32), Kind.TQ2_0), raw_dtype=Kind.TQ2_0)

writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

# Numbers of 16 bits, which the dequantised floats were made of, have all of their values.
save_file(expected, folder / "weights.safetensors")
print(np.__version__, len(expected))
