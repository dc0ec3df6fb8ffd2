"""The single functions in JAX, compiled: what `src/functions.rs` has, of the same sizes."""
import jax
import jax.numpy as jnp
import numpy as np

MANY, SEGMENTS, SIDE, IMAGES, SIGNALS, ORDER = 1_000_000, 10_000, 1000, (8, 256, 256, 3), (64, 4096), 256


def function(case, generator):
    """A compiled function and its arguments, or None if the case is another one."""
    normal = lambda *shape: jnp.asarray(generator.standard_normal(shape, dtype=np.float32))
    positions = lambda below: jnp.asarray(generator.integers(0, below, MANY, dtype=np.int32))
    kind, *rest = case.split("_")
    if kind == "fft":
        return jax.jit(jnp.fft.fft), (jax.lax.complex(normal(*SIGNALS), normal(*SIGNALS)),)
    if kind == "rfft":
        return jax.jit(jnp.fft.rfft), (normal(*SIGNALS),)
    if kind == "irfft":
        return jax.jit(jnp.fft.irfft), (jnp.fft.rfft(normal(*SIGNALS)),)
    if kind == "resize":
        method, to = rest
        batch, height, width, channels = IMAGES
        scale = {"half": lambda n: n // 2, "double": lambda n: 2 * n}[to]
        shape = (batch, scale(height), scale(width), channels)
        method = {"lanczos": "lanczos3"}.get(method, method)
        return jax.jit(lambda x: jax.image.resize(x, shape, method)), (normal(*IMAGES),)
    if kind == "segment":
        features = int(rest[1][1:])
        shape = (MANY,) if features == 1 else (MANY, features)
        sums = jax.jit(lambda x, ids: jax.ops.segment_sum(x, ids, SEGMENTS))
        return sums, (normal(*shape), positions(SEGMENTS))
    if case == "index_add":
        added = jax.jit(lambda x, i, j, updates: x.at[i, j].add(updates))
        return added, (normal(SIDE, SIDE), positions(SIDE), positions(SIDE), normal(MANY))
    factorizations = {
        "svd": lambda x: jnp.linalg.svd(x, full_matrices=False),
        "eigh": lambda x: jnp.linalg.eigh(x + x.T),
        "qr": jnp.linalg.qr,
        "inv": jnp.linalg.inv,
    }
    if kind in factorizations:
        return jax.jit(factorizations[kind]), (normal(ORDER, ORDER),)
    return None
