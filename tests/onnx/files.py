"""Models of the `onnx` package, for `io::onnx`: models in this folder, and the values that `numpy_helper.to_array` reads in weights.safetensors.

    pip install onnx==1.23 numpy ml_dtypes safetensors && python files.py
"""

import pathlib

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

folder = pathlib.Path(__file__).parent
random = np.random.default_rng(0)
expected = {}
EIGHT = {TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E4M3FNUZ, TensorProto.FLOAT8E5M2, TensorProto.FLOAT8E5M2FNUZ, TensorProto.FLOAT8E8M0}


def expect(model, tensor, name=None):
    values = numpy_helper.to_array(tensor)
    if values.dtype == ml_dtypes.bfloat16 or tensor.data_type in EIGHT:
        # As `float32`, which has all of their values: the test compares them as such.
        values = values.astype(np.float32)
    expected[f"{model}:{name or tensor.name}"] = np.array(values, order="C")


def model(graph, **kwargs):
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)], **kwargs)


def output(name, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, ["rows", "columns"])


# Every dtype, as bytes and as lists of numbers.
numbers = np.array([0.0, 1.0, -2.5, 100.0, 0.5, -8.0])
dtypes = ["FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "BOOL", "COMPLEX64",
          "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "FLOAT8E8M0"]
tensors = []
for name in dtypes:
    kind = getattr(TensorProto, name)
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    values = np.abs(numbers) if name.startswith("UINT") else numbers
    if name == "FLOAT8E8M0":
        values = np.maximum(np.abs(values), 0.25)
    if name == "COMPLEX64":
        values = values + 1j * values[::-1]
    values = values.astype(dtype).reshape(2, 3)
    tensors.append(helper.make_tensor(f"raw.{name}", kind, [2, 3], values.tobytes(), raw=True))
    tensors.append(helper.make_tensor(f"list.{name}", kind, [2, 3], values.flatten()))
tensors.append(helper.make_tensor("scalar", TensorProto.FLOAT, [], [2.5]))
tensors.append(helper.make_tensor("empty", TensorProto.INT64, [0, 3], []))
for tensor in tensors:
    expect("dtypes", tensor)
unreadable = [
    helper.make_tensor("words", TensorProto.STRING, [2], [b"a", b"b"]),
    helper.make_tensor("wide", TensorProto.UINT64, [1], [1]),
    helper.make_tensor("narrow", TensorProto.INT4, [2], [1, 2]),
]
sparse = helper.make_sparse_tensor(
    helper.make_tensor("sparse", TensorProto.FLOAT, [1], [1.0]), helper.make_tensor("", TensorProto.INT64, [1], [2]), [4]
)
node = helper.make_node("Identity", ["raw.FLOAT"], ["y"])
onnx.save(model(helper.make_graph([node], "g", [], [output("y")], initializer=tensors + unreadable, sparse_initializer=[sparse])), folder / "dtypes.onnx")

# A network with a constant, and graphs in a node.
def branch(name, value):
    weight = numpy_helper.from_array(np.full((2, 2), value, np.float32), "weight")
    constant = numpy_helper.from_array(np.array([value], np.float32), "ignored")
    nodes = [
        helper.make_node("Constant", [], ["bias"], value=constant),
        helper.make_node("MatMul", ["x", "weight"], [f"{name}_product"]),
        helper.make_node("Add", [f"{name}_product", "bias"], [f"{name}_y"]),
    ]
    expect("network", weight, f"choice.{name}.weight")
    expect("network", constant, f"choice.{name}.bias")
    return helper.make_graph(nodes, name, [], [output(f"{name}_y")], initializer=[weight])


kernel = numpy_helper.from_array(random.normal(size=(2, 2)).astype(np.float32), "layer.weight")
condition = numpy_helper.from_array(np.array(True), "condition")
offset = numpy_helper.from_array(np.array([1, -2], np.float32))
expect("network", kernel)
expect("network", condition)
expect("network", offset, "/offset_output_0")
nodes = [
    helper.make_node("Constant", [], ["/offset_output_0"], value=offset, name="/offset"),
    helper.make_node("Constant", [], ["number"], value_float=2.0),
    helper.make_node("MatMul", ["input", "layer.weight"], ["product"]),
    helper.make_node("Add", ["product", "/offset_output_0"], ["x"]),
    helper.make_node("If", ["condition"], ["y"], name="choice", then_branch=branch("then_branch", 2.0), else_branch=branch("else_branch", 3.0)),
]
inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 2])]
network = model(helper.make_graph(nodes, "network", inputs, [output("y")], initializer=[kernel, condition]), producer_name="onnx", doc_string="A network.")
onnx.checker.check_model(network)
onnx.save(network, folder / "network.onnx")

# Values in a file of their own.
large = numpy_helper.from_array(random.normal(size=(40, 8)).astype(np.float32), "large")
half = numpy_helper.from_array(random.normal(size=(3, 700)).astype(np.float16), "half")
small = numpy_helper.from_array(np.arange(3.0), "small")
for tensor in [large, half, small]:
    expect("external", tensor)
node = helper.make_node("Identity", ["large"], ["y"])
external = model(helper.make_graph([node], "g", [], [output("y")], initializer=[large, half, small]))
(folder / "external.onnx.data").unlink(missing_ok=True)
onnx.save_model(external, folder / "external.onnx", save_as_external_data=True, location="external.onnx.data", size_threshold=1024)

save_file(expected, folder / "weights.safetensors")
print(onnx.__version__, len(expected))
