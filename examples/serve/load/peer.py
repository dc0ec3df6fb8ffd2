"""The same model behind FastAPI, to compare with: the same weights, path, body and answer.

    python -m pip install fastapi==0.165.0 uvicorn[standard]==0.54.0 torch safetensors numpy
    uvicorn --app-dir examples/serve/load --port 8001 --log-level warning peer:app
"""

from pathlib import Path

import numpy as np
import torch
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from safetensors.numpy import load_file

torch.set_num_threads(2)
weights = {
    name.removeprefix("params/"): torch.from_numpy(array)
    for name, array in load_file(Path(__file__).parent.parent / "data" / "digits.safetensors").items()
}


class Cnn(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_0 = torch.nn.Conv2d(1, 32, 3, padding="same")
        self.conv_1 = torch.nn.Conv2d(32, 64, 3, padding="same")
        self.dense_0 = torch.nn.Linear(256, 256)
        self.dense_1 = torch.nn.Linear(256, 10)
        for name, layer in self.named_children():
            name = name.title()
            kernel = weights[f"{name}/kernel"]
            # Height, width, input, output in one; output, input, height, width in the other.
            layer.weight.data = kernel.permute(3, 2, 0, 1).contiguous() if kernel.ndim == 4 else kernel.T.contiguous()
            layer.bias.data = weights[f"{name}/bias"]

    def forward(self, x):
        x = torch.nn.functional.avg_pool2d(self.conv_0(x).relu(), 2)
        x = torch.nn.functional.avg_pool2d(self.conv_1(x).relu(), 2)
        # The dense layer's rows are in the order height, width, features.
        x = x.permute(0, 2, 3, 1).flatten(1)
        return self.dense_1(self.dense_0(x).relu()).softmax(-1)


model = Cnn().eval()
app = FastAPI()


class Images(BaseModel):
    images: list[list[list[float]]]


# Not `async`: FastAPI runs it on its pool of threads, so that requests do not wait for each other's products.
@app.post("/predict")
def predict(body: Images):
    try:
        images = np.asarray(body.images, np.float32).reshape(-1, 1, 8, 8)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    with torch.inference_mode():
        probabilities = model(torch.from_numpy(images))
    return {"labels": probabilities.argmax(-1).tolist(), "probabilities": probabilities.tolist()}
