"""R1, R8 and R9 forward as nodes of ONNX, with random weights; R4 is in `peer_onnxruntime.py`."""
import numpy as np


class Images:
    """Layers of images with channels first, made of nodes of `model`."""

    def __init__(self, model):
        self.model = model

    def conv(self, x, inputs, outputs, size, stride=1, group=1, bias=False):
        weights = [self.model.normal(outputs, inputs // group, size, size)] + [self.model.normal(outputs)] * bias
        pads = [size // 2] * 4
        return self.model("Conv", x, *weights, kernel_shape=[size] * 2, pads=pads, strides=[stride] * 2, group=group)

    def norm(self, x, features):
        ones = np.ones(features, np.float32)
        values = [self.model.weight(array) for array in (ones, 0 * ones, 0 * ones, ones)]
        return self.model("BatchNormalization", x, *values)

    def residual(self, x, inputs, outputs, stride):
        y = self.model("Relu", self.norm(self.conv(x, inputs, outputs, 3, stride), outputs))
        y = self.norm(self.conv(y, outputs, outputs, 3), outputs)
        if stride != 1 or inputs != outputs:
            x = self.norm(self.conv(x, inputs, outputs, 1, stride), outputs)
        return self.model("Relu", self.model("Add", y, x))


def resnet(model, x):
    images, inputs = Images(model), 64
    x = model("Relu", images.norm(images.conv(x, 3, 64, 3), 64))
    for stage, features in enumerate((64, 128, 256, 512)):
        for stride in (2 if stage else 1, 1):
            x = images.residual(x, inputs, features, stride)
            inputs = features
    return model.dense(model("ReduceMean", x, model.ints(2, 3), keepdims=0), 512, 10)


def separable(model, x):
    images = Images(model)
    for _ in range(4):
        x = model("Relu", images.conv(x, 64, 64, 3, group=64, bias=True))
        x = model("Relu", images.conv(x, 64, 64, 1, bias=True))
    return model("ReduceMean", x, model.ints(2, 3), keepdims=0)


def wide(model, x):
    for _ in range(3):
        x = model("Relu", model.dense(x, 1024, 1024))
    return x


# What makes the nodes, and the shape of the input behind the batch.
NETWORKS = {"r1": (resnet, (3, 32, 32)), "r8f": (wide, (1024,)), "r9": (separable, (64, 32, 32))}
