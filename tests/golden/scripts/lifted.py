"""Writes more_lift_*: which random numbers modules draw within lifted transforms, and what becomes of their variables. Run with
jax and flax installed.

    python tests/golden/scripts/lifted.py

What a guess gets wrong about keys, and these cases hold: a step of a scan is traced twice, so its draws are counted from the second
time on, those in a scan in a scan from the fourth; a carry whose dtype changes adds a pass; without a check of invariants there is one
pass. The key of the whole run is split, and paths are folded in afterwards. Branches draw one after the other.
"""

import json

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp

from layers import FOLDER, Arrays, loss, streams, write_arrays, x


def draw(module, stream="dropout"):
    return jax.random.uniform(module.make_rng(stream), (2,))


class DrawCell(nn.Module):
    @nn.compact
    def __call__(self, c, x):
        a = draw(self)
        y = nn.Dense(3)(c)
        return y + x, jnp.stack([a, draw(self)])


class Drawing(nn.Module):
    """A layer that draws, and returns what it drew beside its output."""

    @nn.compact
    def __call__(self, x):
        y = nn.Dense(3)(x)
        return y, draw(self)


ALL = {"params": True, "dropout": True}


class ScanDraws(nn.Module):
    @nn.compact
    def __call__(self, c, xs):
        before = draw(self)
        scan = nn.scan(DrawCell, variable_axes={"params": 0}, split_rngs=ALL)
        c, drawn = scan()(c, xs)
        return c, drawn, before, draw(self)


class ScanDrawsOnce(nn.Module):
    @nn.compact
    def __call__(self, c, xs):
        scan = nn.scan(DrawCell, variable_axes={"params": 0}, split_rngs=ALL, check_constancy_invariants=False)
        return scan()(c, xs)


class ScanDrawsSame(nn.Module):
    """Parameters split, dropout not; reversed."""

    @nn.compact
    def __call__(self, c, xs):
        scan = nn.scan(DrawCell, variable_axes={"params": 0}, split_rngs={"params": True, "dropout": False}, reverse=True)
        return scan()(c, xs)


class ScanOfFunction(nn.Module):
    """A loop over the running module itself: its counts go on."""

    def setup(self):
        self.dense = nn.Dense(3)

    def __call__(self, c, xs):
        def body(module, c, x):
            return module.dense(c) + x, draw(module)

        before = draw(self)
        scan = nn.scan(body, variable_broadcast="params", split_rngs={"dropout": True, "params": False})
        c, drawn = scan(self, c, xs)
        return c, drawn, before, draw(self)


class NestedScan(nn.Module):
    @nn.compact
    def __call__(self, c, xs):
        def outer(cell, c, x):
            def inner(cell, c, x):
                return cell(c, x)

            scan = nn.scan(inner, variable_axes={"params": 0}, split_rngs=ALL)
            return scan(cell, c, x)

        scan = nn.scan(outer, variable_axes={"params": 0}, split_rngs=ALL)
        return scan(DrawCell(), c, xs)


class ScanPromoted(nn.Module):
    """The carry begins as a bare number, and becomes one of a dtype: that of a float, or of another kind, which takes one more pass."""

    start: float | int

    @nn.compact
    def __call__(self, c, xs):
        def body(module, count, x):
            return count + x.sum().astype(jnp.float32), draw(module)

        scan = nn.scan(body, split_rngs={"dropout": True})
        return scan(self, self.start, xs)


class CondDraws(nn.Module):
    @nn.compact
    def __call__(self, x):
        a, b = Drawing(name="a"), Drawing(name="b")
        if self.is_initializing():
            a(x), b(x)
        on_true = lambda m, x: (m(x), draw(m))
        on_false = lambda m, x: (m(x * 2), draw(m))
        first = nn.cond(x.sum() > 0, on_true, on_false, a, x)
        second = nn.cond(x.sum() < 0, on_true, on_false, a, x)
        return first, second, draw(a), b(x)


class SwitchDraws(nn.Module):
    @nn.compact
    def __call__(self, x):
        a = Drawing(name="a")
        if self.is_initializing():
            a(x)
        branches = [lambda m, x: m(x), lambda m, x: (m(x)[0], draw(m) + 1), lambda m, x: (x, draw(m) + 2)]
        return [nn.switch(i, branches, a, x) for i in range(3)], draw(a)


class WhileDraws(nn.Module):
    split: bool

    @nn.compact
    def __call__(self, x):
        a = Drawing(name="a")
        if self.is_initializing():
            a(x)

        def cond(m, state):
            i, _, _ = state
            return (i < 3) & (draw(m)[0] < 2)

        def body(m, state):
            i, x, drawn = state
            y, new = m(x)
            return i + 1, y, drawn + new

        state = (jnp.int32(0), x, jnp.zeros(2))
        state = nn.while_loop(cond, body, a, state, split_rngs={"dropout": self.split})
        return state, draw(a)


class VmapDraws(nn.Module):
    @nn.compact
    def __call__(self, x):
        vmap = nn.vmap(Drawing, variable_axes={"params": 0}, split_rngs=ALL)
        y, drawn = vmap()(x)
        return y, drawn, draw(self)


class RematDraws(nn.Module):
    @nn.compact
    def __call__(self, x):
        remat = nn.remat(Drawing)()
        return remat(x), remat(x), draw(self)


class JitDraws(nn.Module):
    @nn.compact
    def __call__(self, x):
        jit = nn.jit(Drawing)()
        return jit(x), jit(x), draw(self), nn.jit(Drawing)()(x)


class JitInScan(nn.Module):
    @nn.compact
    def __call__(self, c, xs):
        def body(cell, c, x):
            return cell(c, x)

        scan = nn.scan(body, variable_axes={"params": 0}, split_rngs=ALL)
        return scan(nn.jit(DrawCell)(), c, xs)


class RematScanDraws(nn.Module):
    @nn.compact
    def __call__(self, x):
        class Layer(nn.Module):
            @nn.compact
            def __call__(self, x):
                return nn.Dropout(0.5, deterministic=False)(nn.Dense(3)(x))

        return nn.remat_scan(Layer, lengths=(2, 3))()(x)


class LastAxis(nn.Module):
    """Axes counted from behind: the name of the metadata axis is in the last place but one, where Flax itself does not find it again."""

    @nn.compact
    def __call__(self, x):
        init = nn.with_partitioning(nn.initializers.lecun_normal(), ("in", "out"))
        params = {nn.PARTITION_NAME: "layers"}
        vmap = nn.vmap(nn.Dense, variable_axes={"params": -1}, split_rngs={"params": True}, in_axes=-2, out_axes=-1, metadata_params=params)
        return vmap(3, kernel_init=init)(x)


class MutableView(nn.Module):
    """A view that may be written: what is stored is half of what is seen."""

    @nn.compact
    def __call__(self, x):
        def double(variables):
            return jax.tree_util.tree_map(lambda v: v * 2, variables)

        def halve(variables):
            return jax.tree_util.tree_map(lambda v: v / 2, variables)

        count = Count(name="count")
        view = nn.map_variables(lambda m, x: m(x), "state", double, halve, init=True, mutable=True)
        return view(count, x), view(count, x)


class Count(nn.Module):
    @nn.compact
    def __call__(self, x):
        n = self.variable("state", "n", lambda: jnp.float32(1))
        n.value += 1
        return x * n.value


class AxesOfScan(nn.Module):
    """Negative axes, an input that every step reads whole, and an output of no step."""

    @nn.compact
    def __call__(self, c, xs, whole):
        def body(module, c, x, whole):
            c = module(c) + x * whole
            return c, (c * 2, whole + 1)

        scan = nn.scan(body, variable_axes={"params": -1}, split_rngs={"params": True}, in_axes=(-1, nn.broadcast), out_axes=(-2, nn.broadcast))
        return scan(nn.Dense(3), c, xs, whole)


def case(name, module, inputs, init_rngs={"params": 0, "dropout": 1}, rngs={"dropout": 5}, mutable=False, spec=(), gradient=True, boxed=True):
    init = dict(module.init(streams(init_rngs), *inputs))
    used = flax.core.meta.unbox(init)

    def run(params):
        variables = dict(init if boxed else used, params=params) if params else init
        return module.apply(variables, *inputs, rngs=streams(rngs) if rngs else {}, mutable=mutable)

    params = (init if boxed else used).get("params")
    out = run(params)
    out, updates = out if mutable is not False else (out, {})
    found = Arrays()
    found.add("in", list(inputs))
    found.add("init", used)
    found.add("out", out)
    if updates:
        found.add("mut", updates)
    if "params" in init and gradient:
        value = lambda params: loss(run(params)[0] if mutable is not False else run(params))
        found.add("grad_params", flax.core.meta.unbox(jax.grad(value)(params)))
    manifest = {
        "format": 1,
        "name": f"more_lift_{name}",
        "kind": "lifted",
        "description": (type(module).__doc__ or type(module).__name__).strip(),
        "settings": {"init_rngs": init_rngs, "apply_rngs": rngs, "mutable": mutable},
        "expect": {"spec": {path: list(nn.get_partition_spec(init)["params"][layer][leaf]) for path, layer, leaf in spec}},
        "containers": found.containers,
        "tolerance": {"rtol": 1e-5, "atol": 1e-5},
        "versions": {"jax": jax.__version__, "flax": flax.__version__},
        "arrays": {key: {"shape": list(a.shape), "dtype": str(a.dtype)} for key, a in found.arrays.items()},
    }
    (FOLDER / f"more_lift_{name}.json").write_text(json.dumps(manifest))
    write_arrays(FOLDER / f"more_lift_{name}.safetensors", found.arrays)


def one(*shape):
    return x(*shape)["x"]


def main():
    carry, xs, rows = one(2, 3), one(4, 2, 3), one(2, 3)
    case("scan_draws", ScanDraws(), [carry, xs])
    case("scan_draws_once", ScanDrawsOnce(), [carry, xs])
    case("scan_draws_same", ScanDrawsSame(), [carry, xs])
    case("scan_of_function", ScanOfFunction(), [carry, xs])
    case("scan_nested", NestedScan(), [carry, one(2, 3, 2, 3)])
    case("scan_promoted", ScanPromoted(0), [carry, xs])
    case("scan_bare_number", ScanPromoted(0.0), [carry, xs])
    case("scan_axes", AxesOfScan(), [carry, one(2, 3, 4), rows], rngs=None)
    case("scan_of_jit", JitInScan(), [carry, xs])
    case("remat_scan_draws", RematScanDraws(), [rows])
    case("cond_draws", CondDraws(), [rows])
    case("switch_draws", SwitchDraws(), [rows])
    case("while_draws", WhileDraws(True), [rows], gradient=False)
    case("while_draws_same", WhileDraws(False), [rows], gradient=False)
    case("vmap_draws", VmapDraws(), [xs])
    case("remat_draws", RematDraws(), [rows])
    case("jit_draws", JitDraws(), [rows])
    case("vmap_last_axis", LastAxis(), [one(4, 2, 3)], rngs=None, boxed=False, spec=[("params/VmapDense_0/kernel", "VmapDense_0", "kernel")])
    case("map_variables_mutable", MutableView(), [rows], mutable=["state"])


if __name__ == "__main__":
    main()
