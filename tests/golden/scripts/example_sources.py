"""What the generators of the cases in `../examples` share: the examples of Flax, read from a clone of google/flax, and cases.

The examples are never copied here: each file is read from the clone at a revision, its sizes are replaced by small ones, and
it is run in a module of its own. Of a file of training only the named functions are run, because the rest needs data sets.
"""

import __future__
import ast
import json
import subprocess
import sys
import types

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from layers import FOLDER, Arrays, write_arrays

# The last commits that have them as Linen examples.
REVISION = "18f8f311c275d57f46d95e41b15aa97b454754c0"
PIXELCNN = "v0.3.4"
VERSIONS = {"jax": jax.__version__, "flax": flax.__version__, "optax": optax.__version__}

clone = None


def use(path):
    global clone
    clone = path


def load(path, names=None, replace={}, given={}, revision=REVISION):
    """Runs a file of the clone's `examples`; with `names` only imports that succeed, and what has these names."""
    text = subprocess.run(["git", "-C", clone, "show", f"{revision}:examples/{path}"], capture_output=True, text=True, check=True).stdout
    for old, new in replace.items():
        assert old in text, f"{path} has no {old!r}"
        text = text.replace(old, new)
    tree = ast.parse(text)
    module = types.ModuleType("example_" + path.replace("/", "_").removesuffix(".py"))
    sys.modules[module.__name__] = module
    vars(module).update(given)
    found = set()
    # What annotations name need not be there.
    flags = 0 if names is None else __future__.annotations.compiler_flag
    for node in tree.body:
        code = compile(ast.Module([node], []), path, "exec", flags)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if all(alias.name in given for alias in node.names) or getattr(node, "module", None) in given:
                continue
            try:
                exec(code, vars(module))
            except ImportError:
                if names is None:
                    raise
            continue
        name = node.targets[0].id if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) else getattr(node, "name", None)
        if names is None or name in names:
            found.add(name)
            exec(code, vars(module))
    assert names is None or set(names) <= found, f"{path} has no {set(names) - found}"
    return module


class Case:
    """A case in the making: arrays, settings, and how near the numbers must be."""

    def __init__(self, name, description, source, rtol=1e-4, atol=1e-5, revision=REVISION, **settings):
        self.name, self.found, self.expect = name, Arrays(), {}
        self.manifest = {
            "format": 1,
            "name": name,
            "kind": "example",
            "description": description,
            "settings": {"source": f"google/flax, {revision}, examples/{source}", **settings},
            "tolerance": {"rtol": rtol, "atol": atol},
            "versions": VERSIONS,
        }

    def add(self, key, tree):
        self.found.add(key, jax.tree_util.tree_map(narrow, flax.core.unfreeze(tree)))

    def write(self):
        found = self.found
        listed = {key: {"shape": list(array.shape), "dtype": str(array.dtype)} for key, array in found.arrays.items()}
        rest = {"expect": self.expect, "containers": found.containers, "arrays": listed, "safetensors": self.name + ".safetensors"}
        folder = FOLDER / "examples"
        (folder / (self.name + ".json")).write_text(json.dumps({**self.manifest, **rest}) + "\n")
        write_arrays(folder / (self.name + ".safetensors"), found.arrays)
        print(f"{self.name}: {sum(array.nbytes for array in found.arrays.values())} bytes")


def narrow(leaf):
    """The 32-bit array of a number or of NumPy's 64-bit one, as JAX takes them."""
    return np.asarray(jnp.asarray(leaf))


def recorder():
    """An optimizer whose state is the last gradient: how a whole step of training shows its gradients."""
    return optax.GradientTransformation(
        lambda params: jax.tree_util.tree_map(jnp.zeros_like, params),
        lambda gradients, state, params=None: (jax.tree_util.tree_map(jnp.zeros_like, gradients), gradients),
    )


def train(case, create, step, steps=2):
    """Adds the gradients of the first step, what each step measures, and the last parameters.

    `create(tx)` makes a state of training with an optimizer, or with the example's if it is None; `step(state, i)` returns the
    next state and what it measured.
    """
    case.add("gradients", step(create(recorder()), 0)[0].opt_state)
    state = create(None)
    for i in range(steps):
        state, measured = step(state, i)
        if measured is not None:
            case.add(f"step{i}", measured)
    case.add("final/params", state.params)
    return state


def normal(seed, *shape):
    return np.random.RandomState(seed).standard_normal(shape).astype(np.float32)


def integers(seed, low, high, *shape):
    return np.random.RandomState(seed).randint(low, high, shape).astype(np.int32)
