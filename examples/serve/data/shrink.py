"""Makes `digits.safetensors` from a training of `cargo run --release -p mnist`: its parameters alone.

    python examples/serve/data/shrink.py target/mnist/model.safetensors examples/serve/data/digits.safetensors

numpy 2.4, safetensors 0.8.
"""

import sys

from safetensors.numpy import load_file, save_file

trained = load_file(sys.argv[1])
prefix = "state/params/"
save_file({f"params/{name.removeprefix(prefix)}": array for name, array in trained.items() if name.startswith(prefix)}, sys.argv[2])
