"""The forward passes R1, R4, R8 and R9 in ONNX Runtime; needs onnx and onnxruntime."""
import os
import tempfile

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, save
from protocol import parse, serve, tokens
from real_onnx import NETWORKS

FEATURES, HEADS, WORDS = 384, 12, 30522


class Model:
    """Nodes and weights, in order."""

    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0
        self.random = np.random.default_rng(0)

    def weight(self, array):
        self.count += 1
        name = f"w{self.count}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def normal(self, *shape):
        return self.weight((self.random.standard_normal(shape) * 0.05).astype(np.float32))

    def ints(self, *values):
        return self.weight(np.array(values, np.int64))

    def __call__(self, kind, *inputs, **attributes):
        self.count += 1
        name = f"x{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=f"{kind}_{name}", **attributes))
        return name

    def dense(self, x, inputs, outputs):
        return self("Add", self("MatMul", x, self.normal(inputs, outputs)), self.normal(outputs))

    def norm(self, x):
        ones = np.ones(FEATURES, np.float32)
        return self("LayerNormalization", x, self.weight(ones), self.weight(0 * ones), axis=-1, epsilon=1e-12)

    def heads(self, x, perm):
        x = self("Reshape", self.dense(x, FEATURES, FEATURES), self.ints(0, 0, HEADS, FEATURES // HEADS))
        return self("Transpose", x, perm=perm)

    def block(self, x, bias):
        query, value = self.heads(x, [0, 2, 1, 3]), self.heads(x, [0, 2, 1, 3])
        scores = self("MatMul", query, self.heads(x, [0, 2, 3, 1]))
        scale = self.weight(np.float32((FEATURES / HEADS) ** 0.5))
        weights = self("Softmax", self("Add", self("Div", scores, scale), bias), axis=-1)
        attended = self("Transpose", self("MatMul", weights, value), perm=[0, 2, 1, 3])
        attended = self("Reshape", attended, self.ints(0, 0, FEATURES))
        x = self.norm(self("Add", self.dense(attended, FEATURES, FEATURES), x))
        y = self("Gelu", self.dense(x, FEATURES, 4 * FEATURES))
        return self.norm(self("Add", self.dense(y, 4 * FEATURES, FEATURES), x))

    def encode(self):
        words = self("Gather", self.normal(WORDS, FEATURES), "ids")
        length = self("Shape", "ids", start=1, end=2)
        positions = self("Slice", self.normal(512, FEATURES), self.ints(0), length, self.ints(0))
        x = self.norm(self("Add", self("Add", words, positions), self.normal(FEATURES)))
        real = self("Cast", "mask", to=TensorProto.FLOAT)
        absent = self("Sub", self.weight(np.float32(1)), self("Unsqueeze", real, self.ints(1, 2)))
        bias = self("Mul", absent, self.weight(np.float32(np.finfo(np.float32).min)))
        for _ in range(6):
            x = self.block(x, bias)
        real = self("Unsqueeze", real, self.ints(2))
        total = self("ReduceSum", self("Mul", x, real), self.ints(1), keepdims=0)
        mean = self("Div", total, self("ReduceSum", real, self.ints(1), keepdims=0))
        return self("Div", mean, self("ReduceL2", mean, self.ints(1), keepdims=1))

    def save(self, path, inputs, out):
        inputs = [helper.make_tensor_value_info(*value) for value in inputs]
        output = helper.make_tensor_value_info(out, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "model", inputs, [output], self.weights)
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def session(model, inputs, out):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "2"))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        model.save(path, inputs, out)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def make(case):
    workload, mode, batch = parse(case)
    model = Model()
    if mode == "fwd" and workload in NETWORKS:
        network, shape = NETWORKS[workload]
        out = network(model, "x")
        running = session(model, [("x", TensorProto.FLOAT, ["b", *shape])], out)
        inputs = {"x": model.random.standard_normal((batch, *shape), np.float32)}
    elif (workload, mode) == ("r4", "fwd"):
        out, length = model.encode(), tokens(case)
        running = session(model, [(name, TensorProto.INT64, ["b", "t"]) for name in ("ids", "mask")], out)
        ids = ((np.arange(batch * length) * 7919 + 13) % WORDS).reshape(batch, length)
        inputs = {"ids": ids, "mask": np.ones_like(ids)}
    else:
        raise ValueError("not one of the forward passes")
    return lambda: running.run([out], inputs), 1


serve(make)
