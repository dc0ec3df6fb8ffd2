"""Random programs of loops and branches, and what the real JAX 0.10.2 makes of them: values, gradients of both orders, tangents, batches.

    python control_programs.py SEED COUNT OUT.json     makes new ones, in the form of tests/jax/control.json

A block works on numbered vectors of three elements and on numbered sequences of four such vectors. It is a list of statements, each of
which appends what it makes, and a list of the vectors that it returns. What a block inside of a statement reads of the outside, it
closes over; its own vectors are numbered on from there.
"""
import os, sys, json, random
os.environ.setdefault("XLA_FLAGS", "--xla_allow_excess_precision=false --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")
os.environ["JAX_PLATFORMS"] = "cpu"
import numpy as np
import jax, jax.numpy as jnp
from jax import lax

UNARY = dict(sin=jnp.sin, cos=jnp.cos, tanh=jnp.tanh)
BINARY = dict(add=jnp.add, sub=jnp.subtract, mul=jnp.multiply)
POLICIES = dict(nothing=jax.checkpoint_policies.nothing_saveable, everything=jax.checkpoint_policies.everything_saveable, dots=jax.checkpoint_policies.dots_saveable)

def run(block, v, s):
    """The vectors that a block returns, from those in scope and the sequences."""
    v, s = list(v), list(s)
    for t in block["do"]:
        statement(t, v, s)
    return [v[i] for i in block["out"]]

def statement(t, v, s):
    op = t["op"]
    if op in UNARY: v.append(UNARY[op](v[t["a"]]))
    elif op in BINARY: v.append(BINARY[op](v[t["a"]], v[t["b"]]))
    elif op == "scale": v.append(v[t["a"]] * t["by"])
    elif op == "last": v.append(s[t["a"]][-1])
    elif op == "scan":
        k = len(t["carry"])
        def body(c, x):
            out = run(t["body"], v + list(c) + [x], s)
            return tuple(out[:k]), out[k]
        c, ys = lax.scan(body, tuple(v[i] for i in t["carry"]), s[t["xs"]], reverse=t["reverse"], unroll=t["unroll"])
        v.extend(c); s.append(ys)
    elif op == "fori":
        k = len(t["carry"])
        def body(i, c): return tuple(run(t["body"], v + list(c) + [jnp.full(3, 0.25) * i], s))
        v.extend(lax.fori_loop(t["from"], t["to"], body, tuple(v[i] for i in t["carry"])))
    elif op == "while":
        # Nothing in it is differentiated, so that it may be part of what is.
        w, r = [lax.stop_gradient(x) for x in v], [lax.stop_gradient(x) for x in s]
        def go(c): return (jnp.sum(jnp.abs(c[1])) < t["below"]) & (c[0] < 5)
        def body(c): return c[0] + 1, run(t["body"], w + [c[1]], r)[0] * 1.5 + 0.1
        n, x = lax.while_loop(go, body, (jnp.int32(0), w[t["a"]]))
        v.append(x + n * 0.125)
    elif op == "cond":
        v.extend(lax.cond(jnp.sum(v[t["a"]]) > t["above"], lambda w: run(t["then"], w, s), lambda w: run(t["else"], w, s), v))
    elif op == "switch":
        index = jnp.floor(jnp.sum(v[t["a"]]) * 2.0).astype(jnp.int32)
        v.extend(lax.switch(index, [lambda w, b=b: run(b, w, s) for b in t["branches"]], v))
    elif op == "checkpoint":
        v.extend(jax.checkpoint(lambda w: run(t["body"], w, s), policy=POLICIES[t["policy"]])(v))
    elif op == "vmap": s.append(jax.vmap(lambda x: run(t["body"], v + [x], s)[0])(s[t["xs"]]))
    elif op == "map": s.append(lax.map(lambda x: run(t["body"], v + [x], s)[0], s[t["xs"]], batch_size=t["batch"]))
    elif op == "associative":
        def compose(a, b): return a[0] * b[0], a[1] * b[0] + b[1]
        _, y = lax.associative_scan(compose, (jnp.tanh(s[t["xs"]]), s[t["ys"]]), reverse=t["reverse"])
        s.append(y)
    elif op == "grad": v.append(jax.grad(lambda x: jnp.sum(run(t["body"], v + [x], s)[0]))(v[t["a"]]))
    else: raise ValueError(op)

class Gen:
    def __init__(self, seed): self.r = random.Random(seed)
    def block(self, v, s, depth, outs, least=1):
        """A block where so many vectors and sequences are in scope."""
        do = []
        for _ in range(self.r.randint(least, 3)):
            t, nv, ns = self.statement(v, s, depth)
            do.append(t); v += nv; s += ns
        # The latest vectors most of the time, so that most of what is computed matters.
        out = [max(0, v - 1 - int(self.r.expovariate(1.0))) for _ in range(outs)]
        return {"do": do, "out": out}
    def vec(self, v): return max(0, v - 1 - int(self.r.expovariate(0.5)))
    def statement(self, v, s, depth):
        r = self.r
        kinds = ["unary", "binary", "scale", "last"]
        if depth > 0: kinds = kinds[:2] + ["scan", "scan", "fori", "while", "cond", "switch", "checkpoint", "vmap", "map", "associative", "grad"]
        kind, d = r.choice(kinds), depth - 1
        if kind == "unary": return dict(op=r.choice(list(UNARY)), a=self.vec(v)), 1, 0
        if kind == "binary": return dict(op=r.choice(list(BINARY)), a=self.vec(v), b=self.vec(v)), 1, 0
        if kind == "scale": return dict(op="scale", a=self.vec(v), by=r.choice([0.5, -0.75, 1.25])), 1, 0
        if kind == "last": return dict(op="last", a=r.randrange(s)), 1, 0
        if kind == "scan":
            k = r.randint(1, 2)
            return dict(op="scan", carry=[self.vec(v) for _ in range(k)], xs=r.randrange(s), reverse=r.random() < 0.5, unroll=r.choice([1, 1, 2, 3]), body=self.block(v + k + 1, s, d, k + 1)), k, 1
        if kind == "fori":
            k, a = r.randint(1, 2), r.randint(-1, 2)
            return {"op": "fori", "carry": [self.vec(v) for _ in range(k)], "from": a, "to": a + r.randint(0, 3), "body": self.block(v + k + 1, s, d, k)}, k, 0
        if kind == "while": return dict(op="while", a=self.vec(v), below=r.choice([2.0, 4.0, 8.0]), body=self.block(v + 1, s, d, 1)), 1, 0
        if kind == "cond":
            k = r.randint(1, 2)
            return {"op": "cond", "a": self.vec(v), "above": r.choice([-0.3, 0.1, 0.4]), "then": self.block(v, s, d, k), "else": self.block(v, s, d, k)}, k, 0
        if kind == "switch": return dict(op="switch", a=self.vec(v), branches=[self.block(v, s, d, 1) for _ in range(3)]), 1, 0
        if kind == "checkpoint":
            k = r.randint(1, 2)
            return dict(op="checkpoint", policy=r.choice(list(POLICIES)), body=self.block(v, s, d, k)), k, 0
        if kind == "vmap": return dict(op="vmap", xs=r.randrange(s), body=self.block(v + 1, s, d, 1)), 0, 1
        if kind == "map": return dict(op="map", xs=r.randrange(s), batch=r.choice([None, 2, 3]), body=self.block(v + 1, s, d, 1)), 0, 1
        if kind == "associative": return dict(op="associative", xs=r.randrange(s), ys=r.randrange(s), reverse=r.random() < 0.5), 0, 1
        return dict(op="grad", a=self.vec(v), body=self.block(v + 1, s, d, 1)), 1, 0

def program(seed):
    g = Gen(seed)
    block = g.block(2, 1, 3, 1, least=2)
    rs = np.random.RandomState(seed)
    draw = lambda *shape: (rs.randn(*shape) * 0.7).astype(np.float32)
    inputs = [draw(3), draw(3), draw(4, 3)]
    # What is left of sequences is part of the result as well.
    def f(a, b, xs):
        v, s = [a, b], [xs]
        for t in block["do"]: statement(t, v, s)
        return sum((v[i] for i in block["out"]), jnp.tanh(s[-1]).sum(0))
    weights = jnp.asarray([1.0, 1.25, 1.5], jnp.float32)
    loss = lambda *p: jnp.sum(f(*p) * weights)
    slopes = jax.grad(loss, (0, 1, 2))
    product = lambda *p: sum(jnp.sum(jnp.sin(g)) for g in slopes(*p))
    tangents = [x[::-1] * 0.5 + 0.25 for x in inputs]
    axes = g.r.choice([(0, 0, 0), (0, None, None), (None, 0, None), (None, None, 0), (0, 0, None)])
    batch = [draw(*([3] if axis == 0 else []), *x.shape) for axis, x in zip(axes, inputs)]
    values = lambda x: [np.asarray(y, np.float32).ravel().tolist() for y in (x if isinstance(x, (tuple, list)) else [x])]
    out = {
        "block": block, "inputs": values(inputs), "tangents": values(tangents), "axes": axes, "batch": values(batch),
        "value": values(jax.jit(f)(*inputs)), "grad": values(jax.jit(slopes)(*inputs)),
        "second": values(jax.jit(jax.grad(product, (0, 1, 2)))(*inputs)),
        "tangent": values(jax.jit(lambda p, t: jax.jvp(f, p, t)[1])(inputs, tangents)),
        "values": values(jax.jit(jax.vmap(f, axes))(*batch)), "grads": values(jax.jit(jax.vmap(slopes, axes))(*batch)),
    }
    numbers = [x for key in ("value", "grad", "second", "tangent", "values", "grads") for y in out[key] for x in y]
    # What grows beyond bounds is about rounding, not about loops.
    return out if np.isfinite(numbers).all() and max(map(abs, numbers)) < 300 else None

if __name__ == "__main__":
    seed, count, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    programs = []
    while len(programs) < count:
        try: made = program(seed)
        except Exception as error: print(seed, type(error).__name__, str(error)[:200], file=sys.stderr); made = None
        if made: programs.append(made); print(len(programs), seed, file=sys.stderr)
        seed += 1
    with open(path, "w") as out:
        out.write("[\n" + ",\n".join(json.dumps(p, separators=(",", ":")) for p in programs) + "\n]\n")
