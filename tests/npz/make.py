"""Files of NumPy's own, for `io::npz`: python make.py"""

import ml_dtypes
import numpy as np

x = np.arange(6).reshape(2, 3)
arrays = {
    "a/bool": x % 2 == 0,
    "a/u8": x.astype(np.uint8),
    "a/u32": x.astype(np.uint32),
    "a/i32": x.astype(np.int32),
    "b/i64": x - 3,
    "b/f16": (x / 4).astype(np.float16),
    "b/f32": (x / 3).astype(np.float32),
    "b/f64": x / 3,
    "scalar": np.float32(2.5),
    "row": np.array([7], np.int32),
    "empty": np.zeros((0, 3), np.float32),
}
np.savez("plain.npz", **arrays)
np.savez_compressed("compressed.npz", **arrays)
np.savez(
    "foreign.npz",
    big=(x / 3).astype(">f8"),
    fortran=np.asfortranarray(np.arange(24, dtype=np.int32).reshape(2, 3, 4)),
    big_fortran=np.asfortranarray(x.astype(">i4")),
    bfloat16=(x / 4).astype(ml_dtypes.bfloat16),
)
np.savez("complex.npz", z=np.array([1j]))
np.savez("strings.npz", z=np.array(["a"]))
np.savez("objects.npz", z=np.array([None]))
np.savez("records.npz", z=np.zeros(1, dtype=[("x", "<f4")]))
