"""Writes `complex_fft.json`: probes of complex numbers, of Fourier and cosine transforms, and of window functions.

    python complex_fft.py FOLDER

Needs jax 0.10.2 and scipy on a CPU.
"""

import itertools
import operator
import sys

import jax
import jax.numpy as jnp
import jax.scipy.fft as jfft
import jax.scipy.signal as signal
import numpy as np
from jax import lax

from probes import Probes

inf, nan = float("inf"), float("nan")
draw = np.random.default_rng(5)
probes = Probes()


def floats(*shape):
    return draw.normal(size=shape).astype(np.float32)


def complexes(*shape):
    return (draw.normal(size=shape) + 1j * draw.normal(size=shape)).astype(np.complex64)


z, w = complexes(2, 3), complexes(2, 3)
row = complexes(3)
x = floats(2, 3)
AXES = np.array([1, -1, 1j, -1j, 2 + 3j, -0.5 + 0.25j, 3 - 4j, -2 - 1j], np.complex64)
CORNERS = np.array([0, complex(0, 0), complex(inf, 1), complex(1, -inf), complex(nan, 0), complex(-inf, 2), 1 + 0j], np.complex64)

# What numbers are made of.
probes.probe("complex of parts", lax.complex, [x, floats(2, 3)], ours="complex")
probes.probe("complex of parts that broadcast", lambda a, b: lax.complex(a, jnp.broadcast_to(b, a.shape)), [x, floats(3)],
             ours="complex")
probes.probe("parts", lambda z: [jnp.real(z), jnp.imag(z), jnp.conj(z), jnp.angle(z), jnp.abs(z)], [z], ours="parts")
probes.probe("parts of corners", lambda z: [jnp.real(z), jnp.imag(z), jnp.conj(z), jnp.abs(z)], [CORNERS], ours="parts_short",
             grad=False)
probes.probe("parts of reals", lambda x: [jnp.real(x), jnp.imag(x), jnp.conj(x), jnp.angle(x), jnp.abs(x)], [x], ours="parts",
             signs=False)
probes.probe("the magnitude at 0", jnp.abs, [np.zeros(2, np.complex64)], ours="abs", jvp=False)
probes.probe("kinds of corners", lambda z: [jnp.isfinite(z), jnp.isnan(z), jnp.isinf(z)], [CORNERS], ours="kinds")
probes.probe("signs", jnp.sign, [np.concatenate([AXES, [0]]).astype(np.complex64)], ours="sign")

# Arithmetic.
for name, f in {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv}.items():
    probes.probe(f"{name} of complex numbers", f, [z, w], ours=name)
    probes.probe(f"{name} of a row", f, [z, row], ours=name, second=[w, complexes(3)])
    probes.probe(f"{name} of a real and a complex number", f, [x, z], ours=name, second=[floats(2, 3), w])
probes.probe("negative", operator.neg, [z], ours="neg")
probes.probe("equality", lambda a, b: [a == b, a != b], [AXES, np.roll(AXES, 1) * (np.arange(8) % 2) + AXES * (np.arange(8) % 2 == 0)],
             ours="equality")
probes.probe("beside bare numbers", lambda z: [z * 2, 1.5 - z, z / 4, z + 1j, (2 - 1j) * z], [z], ours="beside_numbers")
probes.probe("bare complex numbers beside reals",
             lambda *args: [out for x in args for out in (x * 1j, x + (1 - 2j))],
             [np.ones(2, d) for d in (np.uint8, np.int32, np.float16, np.float32)] + [jnp.ones(2, jnp.bfloat16)],
             ours="imaginary_beside", grad=False, vmap=False)
MIXED = ["bool", "uint8", "int16", "int32", "float16", "bfloat16", "float32", "complex64"]
probes.probe("mixtures with other dtypes", lambda z, *args: [z + x for x in args] + [x * z for x in args],
             [jnp.ones((), jnp.complex64)] + [jnp.ones((), d) for d in MIXED], ours="mixtures", grad=False, vmap=False)
probes.probe("casts", lambda z: [z.astype(d) for d in MIXED if d != "uint8"], [AXES], ours="casts", grad=False)
probes.probe("casts from others", lambda *args: [x.astype(jnp.complex64) for x in args],
             [np.array([0, 1, 3], d) for d in ("bool", "uint8", "int16", "int32", "float16", "float32")], ours="to_complex")
probes.probe("a cast that keeps the real part", lambda z: z.astype(jnp.float32) * 2, [z], ours="real_twice")

# Functions.
for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "square", "reciprocal"):
    probes.probe(f"{name} of complex numbers", getattr(jnp, name), [AXES], ours=name, tolerance=2e-5, signs=False,
                 second=[complexes(8)])
probes.probe("rsqrt of complex numbers", lax.rsqrt, [AXES], ours="rsqrt", tolerance=2e-5, signs=False, second=[complexes(8)])
probes.probe("sigmoid of complex numbers", jax.nn.sigmoid, [z], ours="logistic", tolerance=2e-5)
for n in (0, 1, 2, 3, 5, -1, -2):
    probes.probe(f"power {n}", lambda z, n=n: lax.integer_pow(z, n), [AXES], ours="powi", settings={"n": n}, tolerance=2e-5, signs=False)
probes.probe("powers", lambda z, w: z**w, [z, w], ours="pow", tolerance=5e-5)
probes.probe("exponentials of large numbers", jnp.exp, [np.array([89 + 1j, -200 + 2j, 3 - 1000j, -inf + 0j], np.complex64)],
             ours="exp", tolerance=1e-4, signs=False, grad=False)

# Reductions, products and moves.
big = complexes(3, 4, 5)
probes.probe("sums and means", lambda z: [jnp.sum(z, 1), jnp.mean(z, (0, 2)), jnp.sum(z), jnp.cumsum(z, 1)], [big], ours="sums")
probes.probe("products of elements", lambda z: [jnp.prod(z, 1), jnp.prod(z)], [complexes(2, 5)], ours="prod", tolerance=2e-5)
probes.probe("variances", lambda z: [jnp.var(z, 1), jnp.std(z)], [complexes(3, 7)], ours="var", tolerance=2e-5)
probes.probe("norms", lambda z: [jnp.linalg.norm(z), jnp.linalg.norm(z, axis=1)], [complexes(3, 4)], ours="norm", tolerance=2e-5)
probes.probe("whether any, whether all", lambda z: [jnp.any(z, 1), jnp.all(z, 1), jnp.count_nonzero(z)],
             [np.array([[0, 1j], [0, 0], [1, 2]], np.complex64)], ours="any_all")
for part in ("values", "vmap"):
    probes.differs("whether any, whether all", part,
                   "a number is true if it is not zero, as in a cast to booleans; JAX's `any` and `all` look at real parts alone")
probes.probe("matrix product", operator.matmul, [complexes(3, 4), complexes(4, 2)], ours="matmul")
probes.probe("batched matrix product", operator.matmul, [complexes(2, 3, 4), complexes(2, 4, 2)], ours="matmul")
probes.probe("product of a real and a complex matrix", operator.matmul, [floats(3, 4), complexes(4, 2)], ours="matmul",
             second=[floats(3, 4), complexes(4, 2)])
probes.probe("einsum", lambda a, b: jnp.einsum("bixy,ioxy->boxy", a, b), [complexes(2, 3, 2, 2), complexes(3, 2, 2, 2)],
             ours="einsum")
probes.probe("choices", lambda z, w: jnp.where(jnp.real(z) > 0, z, w), [z, w], ours="where")
probes.probe("moves", lambda z: [z.T, z[::-1, 1:], jnp.concatenate([z, z], 1), jnp.pad(z, 1), z.reshape(-1), jnp.stack([z, z * 2]),
                                 jnp.broadcast_to(z[0], (4, 3)), jnp.roll(z, 1, 1), jnp.take(z, jnp.array([2, 0, 2]), 1)],
             [z], ours="moves")
probes.probe("updates", lambda z, v: [z.at[jnp.array([0, 0])].add(v), z.at[jnp.array([1])].set(v[:1])], [z, w], ours="updates")
probes.probe("half of a spectrum times weights", lambda z, w: jnp.real(jnp.sum(z * w)) + jnp.abs(jnp.sum(z * jnp.conj(w))) ** 2,
             [z, w], ours="functional")

# Transforms.
NORMS = [None, "ortho", "forward"]
for name in ("fft", "ifft", "rfft", "irfft"):
    f = getattr(jnp.fft, name)
    real = name == "rfft"
    make = floats if real else complexes
    for n, axis, norm in [(None, -1, None), (None, 0, "ortho"), (7, 1, "forward"), (3, -1, None), (16, 1, "ortho"), (1, 0, None)]:
        arg = make(4, 5)
        probes.probe(f"{name} n={n} axis={axis} norm={norm}", lambda z, f=f, n=n, axis=axis, norm=norm: f(z, n, axis, norm), [arg],
                     ours=name, settings={"n": n, "axis": axis, "norm": norm or "backward"}, tolerance=2e-5, signs=False,
                     second=[make(4, 5)])
    two = getattr(jnp.fft, name + "2")
    for s, axes, norm in [(None, (-2, -1), None), ((3, 6), (0, 2), "ortho"), ((4, 5), (2, 1), "forward")]:
        probes.probe(f"{name}2 s={s} axes={axes} norm={norm}", lambda z, f=two, s=s, axes=axes, norm=norm: f(z, s, axes, norm),
                     [make(3, 4, 6)], ours=name + "2", settings={"s": s, "axes": axes, "norm": norm or "backward"},
                     tolerance=2e-5, signs=False, vmap=False)
    many = getattr(jnp.fft, name + "n")
    for s, axes in [(None, None), ((3, 4), None), (None, (0, 2))]:
        probes.probe(f"{name}n s={s} axes={axes}", lambda z, f=many, s=s, axes=axes: f(z, s, axes), [make(3, 4, 6)],
                     ours=name + "n", settings={"s": s, "axes": axes}, tolerance=2e-5, signs=False, vmap=False)
probes.probe("fft of reals", jnp.fft.fft, [floats(3, 8)], ours="fft", settings={"axis": -1, "norm": "backward"}, tolerance=2e-5,
             signs=False)
probes.probe("fft of integers", jnp.fft.fft, [np.arange(6, dtype=np.int32)], ours="fft", settings={"axis": -1, "norm": "backward"},
             tolerance=2e-5, signs=False)
for n in (1, 2, 64, 97, 120):
    probes.probe(f"fft of {n}", jnp.fft.fft, [complexes(2, n)], ours="fft", settings={"axis": -1, "norm": "backward"},
                 tolerance=5e-5, signs=False, grad=False, vmap=False)
probes.probe("rfft of complex numbers", jnp.fft.rfft, [complexes(4)], ours="rfft", settings={"axis": -1, "norm": "backward"},
             raises=True)
probes.probe("fft of nothing", lambda z: jnp.fft.fft(z, 0), [complexes(4)], ours="fft",
             settings={"n": 0, "axis": -1, "norm": "backward"}, raises=True)
probes.probe("frequencies", lambda x: [f(n, d) for f in (jnp.fft.fftfreq, jnp.fft.rfftfreq) for n, d in [(1, 1), (4, 0.5), (7, 0.1)]],
             [np.zeros(1, np.float32)], ours="frequencies", grad=False, vmap=False)
probes.probe("shifts", lambda x: [jnp.fft.fftshift(x), jnp.fft.ifftshift(x), jnp.fft.fftshift(x, 1), jnp.fft.ifftshift(x, (0,))],
             [floats(3, 5)], ours="shifts")
for n, axis, norm in [(None, -1, None), (None, 0, "ortho"), (8, 1, None), (3, 1, "ortho")]:
    for name, f in {"dct": jfft.dct, "idct": jfft.idct}.items():
        probes.probe(f"{name} n={n} axis={axis} norm={norm}", lambda x, f=f, n=n, axis=axis, norm=norm: f(x, 2, n, axis, norm),
                     [floats(4, 5)], ours=name, settings={"n": n, "axis": axis, "norm": norm or "backward"}, tolerance=5e-5,
                     signs=False)

# Windows and spectra over time.
probes.probe("window functions",
             lambda x: [f(n) for f in (jnp.hanning, jnp.hamming, jnp.blackman, jnp.bartlett) for n in (1, 5, 7)]
             + [jnp.kaiser(n, beta) for n in (1, 6) for beta in (0.0, 5.0, 14.0)],
             [np.zeros(1, np.float32)], ours="windows", grad=False, vmap=False, tolerance=2e-5, signs=False)
wave = np.sin(np.arange(40) / 3).astype(np.float32) + floats(40) / 4
STFT = [{}, {"nperseg": 16}, {"nperseg": 8, "noverlap": 6, "nfft": 16}, {"nperseg": 16, "window": "hamming"},
        {"nperseg": 9, "boundary": "even", "padded": False}, {"nperseg": 8, "boundary": None, "detrend": "constant", "fs": 2.0},
        {"nperseg": 8, "return_onesided": False, "boundary": "odd"}, {"nperseg": 8, "boundary": "constant", "noverlap": 0}]
for i, settings in enumerate(STFT):
    def spectra(x, settings=settings):
        return signal.stft(x, **{"nperseg": 40 if not settings else settings["nperseg"], **settings})
    probes.probe(f"stft {settings}", spectra, [wave], ours="stft", settings={**settings, "boundary": settings.get("boundary", "zeros")},
                 tolerance=5e-5, signs=False)
probes.probe("stft of a batch along the first axis", lambda x: signal.stft(x, nperseg=8, axis=0), [floats(20, 2)], ours="stft",
             settings={"nperseg": 8, "axis": 0, "boundary": "zeros"}, tolerance=5e-5, signs=False)
probes.probe("stft of complex numbers", lambda x: signal.stft(x, nperseg=8), [complexes(20)], ours="stft",
             settings={"nperseg": 8, "boundary": "zeros"}, tolerance=5e-5, signs=False)
for settings in [{}, {"nperseg": 16, "noverlap": 12}, {"nperseg": 16, "boundary": False}, {"nperseg": 16, "fs": 4.0, "window": "hamming"}]:
    n = settings.get("nperseg", 16)
    _, _, spectrum = signal.stft(wave, nperseg=n, noverlap=settings.get("noverlap"), window=settings.get("window", "hann"))
    back = lambda z, settings=settings: signal.istft(z, **settings)
    probes.probe(f"istft {settings}", back, [spectrum], ours="istft",
                 settings={**settings, "boundary": "zeros" if settings.get("boundary", True) else None}, tolerance=1e-4, signs=False)
two_sided = signal.stft(wave, nperseg=8, return_onesided=False)[2]
probes.probe("istft of all frequencies", lambda z: signal.istft(z, input_onesided=False), [two_sided], ours="istft",
             settings={"return_onesided": False, "boundary": "zeros"}, tolerance=1e-4, signs=False)
probes.write(sys.argv[1], "complex_fft.json")
