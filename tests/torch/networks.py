"""What networks of packages of PyPI compute with the weights that they carry, in networks.safetensors and words.tsv: the packages' own
modules, with torch, of inputs that are made of whole numbers, so that they are the same elsewhere.

    pip install torch numpy safetensors nltk inflect
    python networks.py WEIGHTS

`WEIGHTS` is the folder that packages.py says how to make. Only the files with the networks are run, with empty modules in place of what they
import for sound, pictures and dictionaries.
"""

import importlib.util
import pathlib
import sys
import types
from unittest import mock

import numpy as np
import torch
from safetensors.numpy import save_file

ROOT = pathlib.Path(sys.argv[1])
HERE = pathlib.Path(__file__).parent


def load(name, path, **others):
    """A module of a package by itself; `others` are what it imports."""
    with mock.patch.dict(sys.modules, {key.replace("__", "."): value for key, value in others.items()}):
        spec = importlib.util.spec_from_file_location(name, ROOT / path)
        module = importlib.util.module_from_spec(spec)
        # Files of `torch.save` hold tensors only.
        with mock.patch("torch.load", lambda path, **_: torch.serialization.load(path, map_location="cpu", weights_only=True)):
            spec.loader.exec_module(module)
        return module


def numbers(*shape, factor=7919, modulus=1009):
    """Numbers from 0 to 1: remainders."""
    count = int(np.prod(shape))
    remainders = (np.arange(count, dtype=np.int64) * factor + 13) % modulus
    return torch.from_numpy((remainders.astype(np.float32) / np.float32(modulus)).reshape(shape))


def sawtooth(pitch, rate=16000, count=1024):
    """A frame of a sound of `pitch` hertz, of mean 0 and deviation 1, as torchcrepe makes of any."""
    wave = (np.arange(count, dtype=np.int64) * pitch % rate) / rate
    wave -= wave.mean()
    return (wave / wave.std(ddof=1)).astype(np.float32)


arrays = {}
with torch.no_grad():
    package = types.SimpleNamespace(PITCH_BINS=360)
    frames = torch.from_numpy(np.stack([sawtooth(pitch) for pitch in (110, 440, 700)]))
    for size in ("tiny", "full"):
        net = load("model", "torchcrepe/model.py", torchcrepe=package).Crepe(size).eval()
        net.load_state_dict(torch.load(ROOT / f"torchcrepe/assets/{size}.pth", weights_only=True))
        arrays[f"crepe.{size}"] = net(frames).numpy()

    empty = mock.MagicMock()
    mtcnn = load("facenet.models.mtcnn", "facenet_pytorch/models/mtcnn.py", facenet__models__utils__detect_face=empty)
    for name, height, width, batch in (("PNet", 27, 36, 1), ("RNet", 24, 24, 2), ("ONet", 48, 48, 2)):
        net = getattr(mtcnn, name)(pretrained=False).eval()
        net.load_state_dict(torch.load(ROOT / f"facenet_pytorch/data/{name.lower()}.pt", weights_only=True))
        for number, output in enumerate(net(numbers(batch, 3, height, width) * 2 - 1)):
            arrays[f"mtcnn.{name.lower()}.{number}"] = output.numpy()

    hparams = load("hparams", "resemblyzer/hparams.py")
    package = types.SimpleNamespace(hparams=hparams, audio=empty)
    encoder = load("encoder", "resemblyzer/voice_encoder.py", resemblyzer=package, resemblyzer__hparams=hparams)
    encoder = encoder.VoiceEncoder("cpu", verbose=False, weights_fpath=ROOT / "resemblyzer/pretrained.pt").eval()
    arrays["resemblyzer"] = encoder(numbers(2, 40, 40) * numbers(2, 40, 40, factor=104_729)).numpy()
save_file(arrays, HERE / "networks.safetensors")

# The package asks for a dictionary; words are to be pronounced by the network.
g2p = load("g2p_en.g2p", "g2p_en/g2p.py", nltk=empty, nltk__corpus=empty, nltk__tokenize=empty, g2p_en__expand=empty).G2p()
lines = (ROOT / "g2p_en/homographs.en").read_text().splitlines()
words = sorted({line.split("|")[0].lower() for line in lines if line and not line.startswith("#")})[:200]
(HERE / "words.tsv").write_text("".join(f"{word}\t{' '.join(g2p.predict(word))}\n" for word in words))
print(torch.__version__, np.__version__, len(words), sum(array.nbytes for array in arrays.values()))
