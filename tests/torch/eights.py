"""All floats of 8 bits in a safetensors file, as torch stores them, and the values that torch says they have: eights.safetensors.

    pip install torch==2.15 numpy safetensors==0.8 && python eights.py
"""

import safetensors
import torch
from safetensors.torch import save_file

codes = torch.arange(256, dtype=torch.uint8)
arrays = {}
for name in ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"):
    eight = codes.clone().view(getattr(torch, name))
    arrays[name] = eight
    arrays[f"{name}.values"] = eight.float()
save_file(arrays, "eights.safetensors")
print(torch.__version__, safetensors.__version__)
